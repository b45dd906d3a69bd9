/*
 * A relay as Postfix writes one (relayhost, transport(5), sasl_passwd):
 *
 *	[smtp.example.com]:587		this host
 *	[192.0.2.1]:465, [2001:db8::1]	this address
 *	example.com:587			the mail exchangers of this domain
 *
 * The port is a number, or smtp, submission, submissions or smtps; 25 if there is none.
 */
#ifndef RELAY_DESTINATION_H
#define RELAY_DESTINATION_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/smtp_limits.h"

#define RELAY_SUBMISSION_PORT 587  /* RFC 6409 3.1 */
#define RELAY_SUBMISSIONS_PORT 465 /* RFC 8314 3.3: TLS from the first byte */

struct relay_destination {
	/*
	 * The whole in one form, however it was written: "[smtp.example.com]:587", lower case. No
	 * recipient domain ever looks like it, as it ends with a port.
	 */
	char next_hop[SMTP_DOMAIN_MAX + 1];
	char host[SMTP_DOMAIN_MAX + 1]; /* "smtp.example.com"; "[192.0.2.1]", "[IPv6:...]" for an address */
	bool is_host;			/* in brackets: no MX lookup */
	int port;
};

/* 0, or -1 with error, which quotes the text. */
int relay_destination_parse(struct relay_destination *destination, const char *text, char *error,
			    size_t error_size);
/* An address in the place of a name: no certificate can show it, no DNS is asked. */
bool relay_destination_is_address(const struct relay_destination *destination);

#endif
