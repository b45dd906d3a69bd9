/*
 * SPF's macros (RFC 7208 7): their syntax, and what they expand to. Pure but for %{p}, whose value
 * the caller asks for.
 */
#ifndef SPF_MACRO_H
#define SPF_MACRO_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

/* macro-string; in an explanation also c, r, t and blanks. */
bool spf_macro_is_string(const char *text, bool is_explanation);
/* domain-spec = macro-string ( "." toplabel [ "." ] / macro-expand ) */
bool spf_macro_is_domain_spec(const char *text);
/* What comes out of one, a name in the DNS (4.3): labels of 1 to 63 bytes, at least two, and the last one no number. */
bool spf_macro_is_full_name(const char *domain);

#define SPF_MACRO_TEXT_MAX 512

/* What macros stand for; all strings are the caller's. */
struct spf_macro_values {
	const char *local_part;			/* l */
	const char *sender_domain;		/* o */
	const char *domain;			/* d */
	const char *hello;			/* h */
	const char *receiver;			/* r */
	const struct sockaddr_storage *address; /* i, c, v */
	/* p: the validated name of the address, or "unknown"; asked for only if it is there. */
	const char *(*validated_name)(void *context, const char *domain);
	void *context;
};

/*
 * Expands a text whose syntax is right. false: longer than the room. A domain's name is expanded
 * with spf_macro_expand_domain(), which takes labels away from the left until 253 bytes are left,
 * and the final dot (7.3).
 */
bool spf_macro_expand(char *out, size_t size, const char *text,
		      const struct spf_macro_values *values);
bool spf_macro_expand_domain(char out[SPF_MACRO_TEXT_MAX], const char *text,
			     const struct spf_macro_values *values);

#endif
