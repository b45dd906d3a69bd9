/*
 * The TLS side of one destination's walk: gathers what tls_choice decides by (policy table, DANE,
 * MTA-STS), each only when it can matter and at most once per host.
 */
#ifndef TLS_DESTINATION_H
#define TLS_DESTINATION_H

#include "delivery.h"
#include "relay_hop.h"
#include "tls_choice.h"

struct tls_destination {
	const struct delivery *delivery;
	const struct relay_hop *relay;	/* or NULL */
	const char *domain;		/* A-labels or literal; the caller's */
	enum dns_trust mx_trust;
	bool is_required_no;		/* "TLS-Required: No", and no REQUIRETLS (RFC 8689 5) */
	struct tls_policy policy;
	bool has_asked_sts;
	struct sts_answer sts;
	const struct mx_host *dane_host;	/* that `dane` is about, or NULL */
	struct dane_records dane;
};

/* A relay has its own policy; `domain` is then the relay's. */
void tls_destination_init(struct tls_destination *destination, const struct delivery *delivery,
			  const struct relay_hop *relay, const char *domain, enum dns_trust mx_trust);
void tls_destination_wipe(struct tls_destination *destination);

/*
 * As tls_choice(). *terms refers to the destination and is good until it is asked about another
 * host.
 */
bool tls_destination_terms(struct tls_destination *destination, const struct mx_host *host, int port,
			   struct tls_terms *terms, struct delivery_status *status);

#endif
