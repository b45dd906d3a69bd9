/* One question to one DNS server: UDP, and TCP when the answer is too long for it. */
#ifndef DNS_EXCHANGE_H
#define DNS_EXCHANGE_H

#include "dns_message.h"
#include "dns_servers.h"

/*
 * Chooses question->id, asks, and reads the answer as dns_message_read() does. `udp_deadline` ends
 * the wait for a datagram, `deadline` everything. Never DNS_READ_TRUNCATED or DNS_READ_FOREIGN: TCP
 * is tried for the one, the other is dropped.
 */
enum dns_reading dns_exchange(const struct dns_server *server, struct dns_question *question,
			      struct deadline udp_deadline, struct deadline deadline,
			      struct dns_message *message);

#endif
