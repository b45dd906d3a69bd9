/*
 * A DNS message as bytes: the question we send, and what an answer to it says. Pure functions on
 * memory, so that the reader of hostile bytes can be tested and fuzzed without sockets.
 */
#ifndef DNS_MESSAGE_H
#define DNS_MESSAGE_H

#include "dns_record.h"

/* Our EDNS buffer size: no fragments on any path (DNS flag day 2020). */
#define DNS_UDP_SIZE 1232
#define DNS_QUERY_MAX 512
#define DNS_HEADER_SIZE 12

struct dns_question {
	uint16_t id;
	char name[DNS_NAME_MAX + 1]; /* as dns_name_copy() makes it */
	enum dns_type type;
	bool checking_disabled; /* CD: give me the answer even if it does not validate (RFC
				   4035 3.2.2) */
};

enum dns_reading {
	DNS_READ_FOUND,
	DNS_READ_NXDOMAIN,
	DNS_READ_NODATA,
	DNS_READ_ALIAS,	    /* the CNAME chain leaves the message: ask again for message->name */
	DNS_READ_TRUNCATED, /* TC: ask over TCP */
	DNS_READ_FOREIGN,   /* not an answer to this question: wait on */
	DNS_READ_FAILED,    /* an error code, malformed, CNAME loop: message->problem says it */
	DNS_READ_TIMED_OUT, /* only from dns_exchange() */
};

struct dns_message {
	int rcode;	     /* with the EDNS bits; -1 = none was read */
	bool authentic_data; /* AD as it stands there; whether to believe it is the caller's
				business */
	unsigned aliases;    /* CNAMEs followed; the caller carries it on from message to message */
	uint32_t ttl_s; /* smallest of the records used, not clamped; UINT32_MAX = none was used */
	char name[DNS_NAME_MAX + 1]; /* at the end of the chain */
	struct dns_records records;
	char problem[64]; /* "SERVFAIL" */
};

/* Bytes of the query written to out, 0 if there is no memory. */
size_t dns_message_write_query(uint8_t out[DNS_QUERY_MAX], const struct dns_question *question);

/*
 * Fills *message in (aliases must be set before; what an earlier reading left must have been
 * wiped). Exchanges with bytes that are not a host name's have '?' in their place, so that they can
 * be logged and are refused when looked up.
 */
enum dns_reading dns_message_read(const uint8_t *bytes, size_t length,
				  const struct dns_question *question, struct dns_message *message);
/* Frees the records; keeps the rest. */
void dns_message_wipe(struct dns_message *message);

#endif
