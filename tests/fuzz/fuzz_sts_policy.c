/*
 * Any bytes as an MTA-STS policy, as TXT records (one a line) and as a pattern: no crash, no leak;
 * what is accepted keeps the promises of sts_policy.h and sts_record.h. Byte 0 chooses.
 *
 * feeds: MTA-STS policies, their TXT records and patterns
 * covers: lib/sts_policy.c lib/sts_record.c
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/sts_policy.h"
#include "lib/sts_record.h"

#define RECORDS_MAX 8

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void check_policy(const char *text, size_t length)
{
	struct sts_policy policy, copy;
	char error[200] = "";

	if (sts_policy_parse(&policy, text, length, error, sizeof(error)) < 0) {
		require(error[0] != '\0' && policy.mx == NULL);
		return;
	}
	require(policy.max_age_s >= 0 && policy.max_age_s <= STS_MAX_AGE_MAX);
	require(policy.mx_count <= STS_MX_MAX &&
		(policy.mx_count > 0 || policy.mode == STS_MODE_NONE));
	require(sts_policy_copy(&copy, &policy) == 0);
	for (size_t i = 0; i < policy.mx_count; i++) {
		require(sts_pattern_is_valid(copy.mx[i], strlen(copy.mx[i])));
		/* A host name allows itself; "*" in the place of a label allows anything there. */
		require(sts_policy_allows(&policy, copy.mx[i]));
	}
	sts_policy_wipe(&copy);
	sts_policy_wipe(&policy);
}

static void check_records(char *text)
{
	char *records[RECORDS_MAX], *rest = text, id[STS_ID_MAX + 1], reason[200] = "";
	size_t count = 0;

	while (count < RECORDS_MAX && rest != NULL)
		records[count++] = strsep(&rest, "\n");
	if (sts_record_parse(records, count, id, reason, sizeof(reason)))
		require(sts_id_is_valid(id, strlen(id)));
	else
		require(id[0] == '\0' && reason[0] != '\0');
}

static void check_pattern(const char *text)
{
	const char *exchange = text + strcspn(text, "\n");
	struct sts_policy policy = { 0 };
	size_t length = (size_t)(exchange - text);

	if (*exchange != '\0' && sts_policy_add_mx(&policy, text, length) == 0) {
		bool is_allowed = sts_policy_allows(&policy, exchange + 1);

		/* A wildcard neither lengthens nor shortens what it matches by a dot. */
		if (is_allowed && text[0] != '*')
			require(strlen(exchange + 1) == length);
		else if (is_allowed)
			require(strlen(exchange + 1) >= length && exchange[1] != '.');
	}
	sts_policy_wipe(&policy);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	char *text;

	if (length == 0)
		return 0;
	text = calloc(1, length);
	require(text != NULL);
	memcpy(text, bytes + 1, length - 1);
	if (bytes[0] == 'r')
		check_records(text);
	else if (bytes[0] == 'm')
		check_pattern(text);
	else
		check_policy(text, length - 1);
	free(text);
	return 0;
}
