/*
 * An MTA-STS policy (RFC 8461): the text that holds it and the rule which mail exchangers it
 * allows. Pure functions.
 */
#ifndef STS_POLICY_H
#define STS_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "smtp_limits.h"

#define STS_POLICY_BYTES_MAX (64 * 1024)
#define STS_MX_MAX 100
/* Seconds: RFC 8461 3.2. */
#define STS_MAX_AGE_MAX 31557600

enum sts_mode { STS_MODE_NONE, STS_MODE_TESTING, STS_MODE_ENFORCE };

struct sts_policy {
	enum sts_mode mode;
	int64_t max_age_s;
	/* Patterns, lower case, owned: "mx.example.com", "*.example.com". */
	char (*mx)[SMTP_DOMAIN_MAX + 1];
	size_t mx_count;
};

/* The policy's text (3.2). 0, or -1 with "line 3: ..." in error and nothing to wipe. */
int sts_policy_parse(struct sts_policy *policy, const char *text, size_t length, char *error,
		     size_t error_size);
/*
 * What an mx line may hold: a domain in A-labels, or "*." and one. add_mx: -1 if it is none, if
 * there are STS_MX_MAX already, or without memory.
 */
bool sts_pattern_is_valid(const char *pattern, size_t length);
int sts_policy_add_mx(struct sts_policy *policy, const char *pattern, size_t length);
/* 0, or -1 without memory and with *out empty. */
int sts_policy_copy(struct sts_policy *out, const struct sts_policy *policy);
void sts_policy_wipe(struct sts_policy *policy);

/* Is this mail exchanger (A-labels) one of the policy's (4.1)? "*." stands for exactly one label. */
bool sts_policy_allows(const struct sts_policy *policy, const char *exchange);

const char *sts_mode_name(enum sts_mode mode);

#endif
