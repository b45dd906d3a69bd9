/*
 * Which TLS a host of a destination must have, as one pure function of everything that has a say:
 * the administrator's policy, DANE (RFC 7672), MTA-STS (RFC 8461), and what the message itself asks
 * for (RFC 8689). In this order, and none weakens the one before:
 *
 *	1. a line of tls_policy, if it names another level than dane, decides alone;
 *	2. usable TLSA records decide, whatever MTA-STS says; a failed lookup skips the host;
 *	3. an MTA-STS policy in mode enforce: the host must be listed, its certificate must hold;
 *	4. what is left is the level of the line, or of edge.conf.
 *
 * REQUIRETLS comes on top: authenticated TLS, or none of this host. "TLS-Required: no" takes away 2
 * and 3 where no line of tls_policy speaks.
 */
#ifndef TLS_CHOICE_H
#define TLS_CHOICE_H

#include "lib/delivery_status.h"
#include "sts_store.h"
#include "tls_terms.h"

struct tls_facts {
	const struct tls_policy *policy;
	const struct tls_defaults *defaults;
	const char *policy_path;	/* of the table, for sentences */
	const char *domain;		/* of the recipients, A-labels; "[192.0.2.1]" for a literal */
	const char *exchange;		/* the host */
	int port;
	bool is_wrapped;		/* no STARTTLS; for commands that show a failure */
	enum dns_trust mx_trust;	/* of the MX lookup */
	const struct dane_records *dane;	/* NULL = not looked at */
	const struct sts_answer *sts;	/* NULL = not looked at */
	bool requiretls;		/* RFC 8689 3 */
	bool tls_required_no;		/* RFC 8689 5; never with requiretls, which outdoes it */
};

/* Do TLSA records or an MTA-STS policy matter under this policy? */
bool tls_choice_wants_dane(const struct tls_policy *policy, bool tls_required_no);
bool tls_choice_wants_sts(const struct tls_policy *policy, bool tls_required_no);

/*
 * true: *terms is what to connect with. false: this host is not to be connected to, and *status
 * says why.
 */
bool tls_choice(const struct tls_facts *facts, struct tls_terms *terms,
		struct delivery_status *status);

#endif
