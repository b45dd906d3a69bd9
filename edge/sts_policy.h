/*
 * An MTA-STS policy (RFC 8461): the TXT record that announces it, the text that holds it, and the
 * rule which mail exchangers it allows. Pure functions.
 */
#ifndef STS_POLICY_H
#define STS_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/smtp_limits.h"

#define STS_ID_MAX 32
#define STS_POLICY_BYTES_MAX (64 * 1024)
#define STS_MX_MAX 100
/* Seconds: RFC 8461 3.2. */
#define STS_MAX_AGE_MAX 31557600

enum sts_mode { STS_MODE_NONE, STS_MODE_TESTING, STS_MODE_ENFORCE };

struct sts_policy {
	enum sts_mode mode;
	int64_t max_age_s;
	char (*mx)[SMTP_DOMAIN_MAX + 1]; /* patterns, lower case, owned: "mx.example.com", "*.example.com" */
	size_t mx_count;
};

/*
 * The id out of the TXT records at _mta-sts.DOMAIN (3.1): exactly one record may begin with
 * "v=STSv1;". false: no policy is announced, `reason` says why ("no record", "two records", ...).
 */
bool sts_record_parse(char *const *txt, size_t count, char id[STS_ID_MAX + 1], char *reason,
		      size_t reason_size);

/* The policy's text (3.2). 0, or -1 with "line 3: ..." in error and nothing to wipe. */
int sts_policy_parse(struct sts_policy *policy, const char *text, size_t length, char *error,
		     size_t error_size);
int sts_policy_copy(struct sts_policy *out, const struct sts_policy *policy);
void sts_policy_wipe(struct sts_policy *policy);

/* Is this mail exchanger (A-labels) one of the policy's (4.1)? "*." stands for exactly one label. */
bool sts_policy_allows(const struct sts_policy *policy, const char *exchange);

const char *sts_mode_name(enum sts_mode mode);

#endif
