/*
 * Where the doctor's checks get answers of the DNS from: the resolver, or a table in a test.
 *
 * A check must tell apart what struct dns_answer tells apart: that a name or a type does not exist
 * (DNS_NXDOMAIN, DNS_NODATA), and that nobody knows (DNS_ERROR: a time-out, SERVFAIL, a refusal,
 * bogus). Of these only the first may become a FAIL.
 */
#ifndef DOCTOR_LOOKUP_H
#define DOCTOR_LOOKUP_H

#include "dns/dns_lookup.h"

struct lookup_source {
	/* As dns_lookup(): always fills *answer, which the caller wipes with dns_answer_wipe(). */
	void (*ask)(void *context, const char *name, enum dns_type type, struct dns_answer *answer);
	void *context;
};

void lookup_ask(const struct lookup_source *source, const char *name, enum dns_type type,
		struct dns_answer *answer);

/*
 * Asks a resolver. What nobody answered, or only with an error, is not asked again: many checks ask
 * the same. After some silence in a row the next questions get less patience. A resolver that has
 * never answered anything is at last not asked at all; its time-outs are then told at once, so that
 * a dead one costs a quarter of a minute and not an hour. All silence together costs three minutes,
 * whatever strangers' records have us ask for.
 */
#define LOOKUP_FAILURES_MAX 256
struct lookup_patience {
	struct dns_resolver *resolver;
	/* All zero at first. */
	unsigned silences; /* time-outs in a row */
	int64_t silent_ms; /* waited for them all */
	bool has_answered;
	struct {
		char name[DNS_NAME_MAX + 1];
		enum dns_type type;
		enum dns_trust trust;
		enum dns_failure failure;
		char error[DNS_ERROR_MAX];
	} failures[LOOKUP_FAILURES_MAX];
	size_t failure_count;
};
struct lookup_source lookup_from_resolver(struct lookup_patience *patience);

#endif
