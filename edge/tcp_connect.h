/* connect(2) with a deadline to an address that the address guard has let pass. */
#ifndef TCP_CONNECT_H
#define TCP_CONNECT_H

#include <stddef.h>
#include <sys/socket.h>

#include "lib/deadline.h"

/*
 * A connected, non-blocking, close-on-exec socket, or -1 with "Connection refused" or the like in
 * reason. source: address of this machine to send from, of the same family, with port 0; NULL: the
 * kernel's choice. cancel_fd: -1, or a descriptor (not read) that ends the wait as soon as it is readable.
 */
int tcp_connect(const struct sockaddr_storage *address, const struct sockaddr_storage *source,
		struct deadline deadline, int cancel_fd, char *reason, size_t reason_size);

#endif
