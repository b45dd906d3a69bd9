/*
 * check_host() of RFC 7208: may this address send mail for this domain? With the limits of 4.6.4,
 * which receivers apply too: 10 terms that ask the DNS, 2 of them without an answer, 10 names of an
 * MX or a PTR.
 */
#ifndef SPF_CHECK_H
#define SPF_CHECK_H

#include <netinet/in.h>

#include "lookup.h"
#include "spf_record.h"

#define SPF_LOOKUPS_MAX 10
#define SPF_VOID_LOOKUPS_MAX 2
#define SPF_NAMES_MAX 10
#define SPF_TEXT_MAX 512

struct spf_question {
	struct sockaddr_storage address; /* IPv4 in IPv6 counts as IPv4 */
	const char
		*sender;   /* "user@example.com", "@example.com"; "" or NULL: postmaster at hello */
	const char *hello; /* the name in EHLO */
	const char *receiver; /* for explanations; NULL: "unknown" */
};

struct spf_verdict {
	enum spf_result result;
	unsigned lookups, void_lookups;
	char domain[DNS_NAME_MAX +
		    1];		 /* whose record decided: the domain, or where a redirect led */
	char term[SPF_TEXT_MAX]; /* of that record, as it stands there; "": none matched, or there
				    is no record */
	char problem[SPF_TEXT_MAX]; /* SPF_NONE, SPF_TEMPERROR, SPF_PERMERROR: why, one line; else
				       "" */
	char void_names[SPF_TEXT_MAX];	/* that had no answer, with blanks between; perhaps not all
					 */
	char explanation[SPF_TEXT_MAX]; /* SPF_FAIL: what the domain says about it; "": nothing */
};

/* Always fills *verdict. */
void spf_check(const struct lookup_source *source, const struct spf_question *question,
	       struct spf_verdict *verdict);

/*
 * What the domain's record costs an address that no term of it matches: every term is looked at,
 * beyond the limits too (up to SPF_CENSUS_MAX look-ups). verdict->result: SPF_NEUTRAL, or SPF_NONE,
 * SPF_TEMPERROR, SPF_PERMERROR with the problem.
 */
#define SPF_CENSUS_MAX 40
void spf_check_census(const struct lookup_source *source, const char *domain,
		      struct spf_verdict *verdict);

#endif
