/*
 * The evaluation of SPF records as it goes on: for spf_check.c, which walks through records, and
 * spf_match.c, which asks the DNS for a term.
 */
#ifndef SPF_WALK_H
#define SPF_WALK_H

#include "spf_check.h"

struct spf_walk {
	const struct lookup_source *source;
	const struct spf_question *question;
	struct sockaddr_storage address;
	struct spf_verdict *verdict;
	char local_part[SPF_TEXT_MAX], sender_domain[DNS_NAME_MAX + 1];
	char validated_name[DNS_NAME_MAX + 1]; /* of %{p} */
	bool is_census;
	unsigned depth; /* of includes */
};

/* What became of a term. SPF_NO_MATCH: go on. */
enum spf_match { SPF_MATCH, SPF_NO_MATCH, SPF_MATCH_TEMPERROR, SPF_MATCH_PERMERROR };

/* Sets the problem, and returns `match`. */
enum spf_match spf_match_fail(struct spf_walk *walk, enum spf_match match, const char *problem,
			      const char *what);
bool spf_match_ip4(const struct spf_walk *walk, const struct in_addr *network, unsigned prefix);
bool spf_match_ip6(const struct spf_walk *walk, const struct in6_addr *network, unsigned prefix);
/* name: the term's domain-spec, expanded. */
enum spf_match spf_match_a(struct spf_walk *walk, const struct spf_term *term, const char *name);
enum spf_match spf_match_mx(struct spf_walk *walk, const struct spf_term *term, const char *name);
enum spf_match spf_match_ptr(struct spf_walk *walk, const char *name);
enum spf_match spf_match_exists(struct spf_walk *walk, const char *name);
/* For struct spf_macro_values: the context is the walk. */
const char *spf_match_validated_name(void *context, const char *domain);

#endif
