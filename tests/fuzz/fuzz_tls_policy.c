/*
 * Any bytes as the table tls_policy: taken whole or not at all; what a domain gets out of it is
 * within bounds, has what its level needs, and is the line of the longest pattern that fits, by a
 * search that knows nothing of sorting.
 *
 * feeds: the table tls_policy
 * covers: edge/tls_policy.c edge/tls_level.c edge/domain_patterns.c edge/tls_policy_table.c:take_lines,
 *     read_entries, tls_policy_table_find
 */
#include <strings.h>

#include "edge/tls_policy_table.h"
#include "fuzz_target.h"

static const char *const domains[] = { "example.com", "mx.example.com", "a.b.example.org",
				       "[192.0.2.1]", "test",           "" };

static void check_policy(const struct tls_policy *policy)
{
	require(policy->line > 0 && policy->level >= TLS_NONE && policy->level <= TLS_FINGERPRINT);
	require(policy->match_count <= TLS_MATCH_MAX && policy->fingerprint_count <= TLS_MATCH_MAX);
	require((policy->level == TLS_FINGERPRINT) == (policy->fingerprint_count > 0));
	require(policy->protocols <= (TLS_V1_0 | TLS_V1_1 | TLS_V1_2 | TLS_V1_3));
	for (size_t i = 0; i < policy->match_count; i++)
		require(policy->match[i][0] != '\0' && strlen(policy->match[i]) <= SMTP_DOMAIN_MAX);
}

/* How much of the domain does this key fit? 0: it does not; the domain itself is more than any parent, "*" less. */
static size_t fit(const char *key, const char *domain)
{
	size_t length = strlen(key), whole = strlen(domain);

	if (strcmp(key, "*") == 0)
		return 1;
	if (strcasecmp(key, domain) == 0)
		return whole + 2;
	return key[0] == '.' && domain[0] != '[' && length < whole &&
			       strcasecmp(key, domain + whole - length) == 0
		       ? length + 1
		       : 0;
}

static size_t best_line(const struct table *lines, const char *domain)
{
	size_t best = 0, line = 0;

	for (size_t i = 0; i < lines->count; i++) {
		size_t fits = fit(lines->lines[i].key, domain);

		if (fits > best) {
			best = fits;
			line = lines->lines[i].line;
		}
	}
	return line;
}

static void look_up_all(struct tls_policy_table *table, const char *path)
{
	char error[512];
	struct stat status;
	struct table lines;

	require(table_read(&lines, path, &status, error, sizeof(error)) == 0);
	for (size_t i = 0; i < sizeof(domains) / sizeof(domains[0]); i++) {
		struct tls_policy policy = { .line = 0 };
		bool is_found = tls_policy_table_find(table, domains[i], &policy);

		if (domains[i][0] == '\0')
			continue;
		require(is_found == (best_line(&lines, domains[i]) > 0));
		if (is_found) {
			check_policy(&policy);
			require(policy.line == best_line(&lines, domains[i]));
		}
	}
	table_wipe(&lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	struct tls_policy_table *table;
	struct memory_file file;
	char error[512] = "";

	memory_file_open(&file, bytes, length);
	table = tls_policy_table_create(file.path, error, sizeof(error));
	if (table == NULL)
		require(strncmp(error, file.path, strlen(file.path)) == 0);
	else
		look_up_all(table, file.path);
	tls_policy_table_destroy(table);
	memory_file_close(&file);
	return 0;
}
