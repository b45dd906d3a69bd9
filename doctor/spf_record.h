/*
 * An SPF record as it is written (RFC 7208 4.6, 5, 6, 12): text to terms. Pure; asks nobody and
 * expands no macros.
 */
#ifndef SPF_RECORD_H
#define SPF_RECORD_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

enum spf_mechanism { SPF_ALL, SPF_INCLUDE, SPF_A, SPF_MX, SPF_PTR, SPF_IP4, SPF_IP6, SPF_EXISTS };

/* RFC 7208 2.6 */
enum spf_result {
	SPF_NONE,
	SPF_NEUTRAL,
	SPF_PASS,
	SPF_FAIL,
	SPF_SOFTFAIL,
	SPF_TEMPERROR,
	SPF_PERMERROR
};

/* RFC 7208 3.4: the answer shall fit into 512 bytes. */
#define SPF_RECORD_LENGTH_MAX 450
/* More than a TXT record can hold that does anything. */
#define SPF_TERMS_MAX 1000

struct spf_term {
	enum spf_mechanism mechanism;
	enum spf_result result; /* by its qualifier, if it matches */
	const char *text;	/* as it stands there */
	const char
		*domain; /* domain-spec with its macros; NULL: the domain that is being checked */
	struct in_addr ip4;	   /* SPF_IP4 */
	struct in6_addr ip6;	   /* SPF_IP6 */
	unsigned prefix4, prefix6; /* of ip4, ip6, a, mx */
};

/* Strings are the record's. */
struct spf_record {
	char *words; /* the text, cut up */
	char *texts; /* once more, a term a string */
	struct spf_term *terms;
	size_t count;
	const char *redirect, *explanation; /* domain-specs; NULL: there is none */
};

/* Does this TXT record say that it is one, of this version? (4.5) */
bool spf_record_is_one(const char *text);
/*
 * 0, or -1 with the reason, which quotes the term: a syntax error anywhere in the record is a
 * permanent error (4.6). Bytes that are not printable ASCII are such.
 */
int spf_record_parse(struct spf_record *record, const char *text, char *error, size_t error_size);
void spf_record_wipe(struct spf_record *record);

/* "pass", "softfail", ... */
const char *spf_result_name(enum spf_result result);

#endif
