/*
 * A relay with all that is known of it: the right side of a line of the table relay.
 *
 *	[smtp.example.com]:587
 *	[smtp.example.com]:465   tls=secure match=mail.example.com
 *	[10.0.0.1]:25            tls=may auth=no
 */
#ifndef RELAY_HOP_H
#define RELAY_HOP_H

#include "relay_destination.h"
#include "tls_policy.h"

enum relay_auth {
	RELAY_AUTH_IF_PASSWORD,	/* if relay_passwords has one */
	RELAY_AUTH_YES,		/* no mail without a log-in */
	RELAY_AUTH_NO,
	RELAY_AUTH_UNVERIFIED,	/* as YES, and whoever the server may be gets to know the password */
};

struct relay_hop {
	struct relay_destination destination;
	bool is_wrapped;		/* TLS from the first byte (RFC 8314 3.3) */
	enum relay_auth auth;
	/* line: that of the table; never 0, so that no message can relax it (RFC 8689 5) */
	struct tls_policy tls;
};

/*
 * Parses a value (in place). 0, or -1 with error (without file and line, those are the caller's).
 * The level is "secure" if none is given: a relay is trusted with mail, and mostly with a password.
 * At ports 587 and 465 there is no mail without a log-in unless auth= says otherwise: such servers
 * want one (RFC 6409 4.3), and a line that was forgotten in relay_passwords shall not bounce mail.
 */
int relay_hop_parse(struct relay_hop *hop, char *value, size_t line, char *error, size_t error_size);
/* What makes a session with it one of this relay: where, TLS or STARTTLS, whether somebody logs in. */
#define RELAY_HOP_TEXT_MAX (SMTP_DOMAIN_MAX + 32)
char *relay_hop_print(const struct relay_hop *hop, char *out, size_t size);
/* The same options? (The lines may differ.) */
bool relay_hop_is_same(const struct relay_hop *a, const struct relay_hop *b);

#endif
