/*
 * Who decides about a connection's TLS: one row for each combination that matters. The catalogue's
 * numbers are those of the cases about DANE and MTA-STS.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "edge/tls_choice.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* What the table tls_policy says; D_... is no line, but the default of edge.conf. */
enum rule {
	D_NONE, D_MAY, D_ENCRYPT, D_DANE, D_DANE_ONLY, D_VERIFY, D_SECURE,
	T_NONE, T_MAY, T_ENCRYPT, T_DANE, T_DANE_ONLY, T_VERIFY, T_SECURE, T_FINGERPRINT,
};
enum tlsa { TLSA_UNASKED, TLSA_NO, TLSA_OK, TLSA_BAD, TLSA_FAILED, TLSA_BOGUS };
enum sts { STS_UNASKED, STS_NOT, STS_NO, STS_TEST, STS_MUST, STS_TEST_OTHER, STS_MUST_OTHER };

struct row {
	const char *name;
	enum rule rule;
	enum tlsa tlsa;
	enum sts sts;
	enum dns_trust mx;
	bool requiretls, no;
	const char *expected;	/* "level check label", "test" after it; or the status code */
};

static const struct row rows[] = {
	/* levels by themselves */
	{ "none", D_NONE, TLSA_UNASKED, STS_UNASKED, DNS_SECURE, 0, 0, "none nothing none" },
	{ "may", D_MAY, TLSA_UNASKED, STS_NOT, DNS_SECURE, 0, 0, "may nothing may" },
	{ "encrypt", D_ENCRYPT, TLSA_UNASKED, STS_NOT, DNS_SECURE, 0, 0, "encrypt nothing encrypt" },
	{ "verify", D_VERIFY, TLSA_UNASKED, STS_UNASKED, DNS_SECURE, 0, 0, "verify names verify mx.example.net" },
	{ "secure", D_SECURE, TLSA_UNASKED, STS_UNASKED, DNS_INSECURE, 0, 0, "secure names secure example.com,.example.com" },
	{ "fingerprint", T_FINGERPRINT, TLSA_UNASKED, STS_UNASKED, DNS_INSECURE, 0, 0, "fingerprint fingerprint fingerprint" },
	/* DANE */
	{ "no TLSA", D_DANE, TLSA_NO, STS_NOT, DNS_SECURE, 0, 0, "may nothing may" },
	{ "TLSA", D_DANE, TLSA_OK, STS_UNASKED, DNS_SECURE, 0, 0, "dane dane dane example.com" },
	{ "case 61", D_DANE, TLSA_OK, STS_UNASKED, DNS_INSECURE, 0, 0, "dane dane dane example.com trusted" },
	{ "case 64", D_DANE, TLSA_BAD, STS_NOT, DNS_SECURE, 0, 0, "encrypt nothing dane unauthenticated" },
	{ "case 48", D_DANE, TLSA_FAILED, STS_UNASKED, DNS_SECURE, 0, 0, "4.4.3" },
	{ "case 47", D_DANE, TLSA_BOGUS, STS_UNASKED, DNS_SECURE, 0, 0, "4.7.0" },
	{ "dane-only", D_DANE_ONLY, TLSA_OK, STS_UNASKED, DNS_SECURE, 0, 0, "dane dane dane example.com" },
	{ "dane-only, MX insecure", D_DANE_ONLY, TLSA_OK, STS_UNASKED, DNS_INSECURE, 0, 0, "4.7.5" },
	{ "dane-only, no TLSA", T_DANE_ONLY, TLSA_NO, STS_UNASKED, DNS_SECURE, 0, 0, "4.7.5" },
	{ "dane-only, unusable", T_DANE_ONLY, TLSA_BAD, STS_UNASKED, DNS_SECURE, 0, 0, "4.7.5" },
	/* MTA-STS */
	{ "enforce", D_DANE, TLSA_NO, STS_MUST, DNS_INSECURE, 0, 0, "verify names sts mx.example.net" },
	{ "enforce at may", D_MAY, TLSA_UNASKED, STS_MUST, DNS_INSECURE, 0, 0, "verify names sts mx.example.net" },
	{ "enforce at encrypt", D_ENCRYPT, TLSA_UNASKED, STS_MUST, DNS_INSECURE, 0, 0, "verify names sts mx.example.net" },
	{ "enforce at dane in the table", T_DANE, TLSA_NO, STS_MUST, DNS_INSECURE, 0, 0, "verify names sts mx.example.net" },
	{ "enforce and unusable TLSA", D_DANE, TLSA_BAD, STS_MUST, DNS_INSECURE, 0, 0, "verify names sts mx.example.net" },
	{ "case 85", D_DANE, TLSA_NO, STS_MUST_OTHER, DNS_SECURE, 0, 0, "4.7.0" },
	{ "case 86: testing", D_DANE, TLSA_NO, STS_TEST, DNS_INSECURE, 0, 0, "may names may mx.example.net test" },
	{ "testing, not listed", D_DANE, TLSA_NO, STS_TEST_OTHER, DNS_INSECURE, 0, 0, "may names may mx.example.net test unlisted" },
	{ "testing and unusable TLSA", D_DANE, TLSA_BAD, STS_TEST, DNS_SECURE, 0, 0, "encrypt nothing dane unauthenticated" },
	{ "case 86: none", D_DANE, TLSA_NO, STS_NO, DNS_INSECURE, 0, 0, "may nothing may" },
	{ "case 88: DANE decides", D_DANE, TLSA_OK, STS_MUST_OTHER, DNS_SECURE, 0, 0, "dane dane dane example.com" },
	{ "case 88: nor rescues", D_DANE, TLSA_FAILED, STS_MUST, DNS_SECURE, 0, 0, "4.4.3" },
	/* a line of the table is the administrator's last word */
	{ "may in the table", T_MAY, TLSA_UNASKED, STS_MUST, DNS_SECURE, 0, 0, "may nothing may" },
	{ "none in the table", T_NONE, TLSA_UNASKED, STS_MUST, DNS_SECURE, 0, 0, "none nothing none" },
	/* TLS-Required: no */
	{ "no, at dane", D_DANE, TLSA_OK, STS_MUST, DNS_SECURE, 0, 1, "may nothing may unauthenticated" },
	{ "no, at encrypt", D_ENCRYPT, TLSA_UNASKED, STS_MUST, DNS_SECURE, 0, 1, "may nothing may unauthenticated" },
	{ "no, at none", D_NONE, TLSA_UNASKED, STS_UNASKED, DNS_SECURE, 0, 1, "none nothing none" },
	{ "no, but a line", T_SECURE, TLSA_UNASKED, STS_UNASKED, DNS_SECURE, 0, 1, "secure names secure example.com,.example.com" },
	{ "no, but dane in the table", T_DANE, TLSA_OK, STS_UNASKED, DNS_SECURE, 0, 1, "dane dane dane example.com" },
	/* REQUIRETLS */
	{ "REQUIRETLS by DANE", D_DANE, TLSA_OK, STS_UNASKED, DNS_SECURE, 1, 0, "dane dane dane example.com requiretls" },
	{ "REQUIRETLS, DANE, MX insecure", D_DANE, TLSA_OK, STS_UNASKED, DNS_INSECURE, 1, 0, "5.7.10" },
	{ "REQUIRETLS by STS", D_DANE, TLSA_NO, STS_MUST, DNS_INSECURE, 1, 0, "verify names sts mx.example.net requiretls" },
	{ "REQUIRETLS by STS testing", D_DANE, TLSA_NO, STS_TEST, DNS_INSECURE, 1, 0, "verify names may mx.example.net requiretls" },
	{ "REQUIRETLS, STS of others", D_DANE, TLSA_NO, STS_TEST_OTHER, DNS_INSECURE, 1, 0, "5.7.10" },
	{ "REQUIRETLS by signed MX", D_DANE, TLSA_NO, STS_NOT, DNS_SECURE, 1, 0, "verify names verify mx.example.net requiretls" },
	{ "REQUIRETLS, nothing safe", D_DANE, TLSA_NO, STS_NOT, DNS_INSECURE, 1, 0, "5.7.10" },
	{ "REQUIRETLS, unusable TLSA", D_DANE, TLSA_BAD, STS_NOT, DNS_SECURE, 1, 0, "verify names verify mx.example.net requiretls" },
	{ "REQUIRETLS at none", T_NONE, TLSA_UNASKED, STS_UNASKED, DNS_SECURE, 1, 0, "5.7.10" },
	{ "REQUIRETLS at secure", T_SECURE, TLSA_UNASKED, STS_UNASKED, DNS_INSECURE, 1, 0, "secure names secure example.com,.example.com requiretls" },
	{ "REQUIRETLS, lookup failed", D_DANE, TLSA_FAILED, STS_UNASKED, DNS_SECURE, 1, 0, "4.4.3" },
};

static void set_policy(struct tls_policy *policy, enum rule rule)
{
	memset(policy, 0, sizeof(*policy));
	policy->level = (enum tls_level)(rule < T_NONE ? rule - D_NONE : rule - T_NONE);
	policy->line = rule < T_NONE ? 0 : 7;
}

static void set_dane(struct dane_records *dane, enum tlsa tlsa)
{
	static const enum dane_state states[] = {
		[TLSA_NO] = DANE_NONE,	   [TLSA_OK] = DANE_USABLE,	[TLSA_BAD] = DANE_UNUSABLE,
		[TLSA_FAILED] = DANE_FAILED, [TLSA_BOGUS] = DANE_FAILED,
	};

	memset(dane, 0, sizeof(*dane));
	dane->state = states[tlsa];
	dane->is_bogus = tlsa == TLSA_BOGUS;
	strcpy(dane->base_domain, "mx.example.net");
}

static void set_sts(struct sts_answer *answer, enum sts sts)
{
	static char listed[][SMTP_DOMAIN_MAX + 1] = { "mx.example.net" };
	static char other[][SMTP_DOMAIN_MAX + 1] = { "mx.example.org" };

	memset(answer, 0, sizeof(*answer));
	answer->finding = sts == STS_NOT ? STS_ABSENT : STS_FOUND;
	answer->policy.mode = sts == STS_NO				? STS_MODE_NONE
			      : sts == STS_TEST || sts == STS_TEST_OTHER ? STS_MODE_TESTING
									: STS_MODE_ENFORCE;
	answer->policy.mx = sts == STS_TEST_OTHER || sts == STS_MUST_OTHER ? other : listed;
	answer->policy.mx_count = 1;
}

static void print(const struct tls_terms *terms, char *out, size_t size)
{
	static const char *const checks[] = { "nothing", "dane", "names", "fingerprint" };

	snprintf(out, size, "%s %s %s", tls_level_names[terms->level], checks[terms->check],
		 terms->label);
	for (size_t i = 0; i < terms->name_count; i++)
		snprintf(out + strlen(out), size - strlen(out), "%s%s", i == 0 ? " " : ",",
			 terms->names[i]);
	if (terms->note[0] != '\0')
		snprintf(out + strlen(out), size - strlen(out), " %.*s",
			 (int)strcspn(terms->note, ",: "), terms->note);
	if (terms->is_test)
		strcat(out, terms->is_unlisted ? " test unlisted" : " test");
	if (terms->needs_requiretls)
		strcat(out, " requiretls");
}

static void check_row(const struct row *row)
{
	static const struct tls_defaults defaults = {
		TLS_V1_0 | TLS_V1_1 | TLS_V1_2 | TLS_V1_3, TLS_V1_2 | TLS_V1_3,
		TLS_CIPHERS_MEDIUM, TLS_CIPHERS_HIGH,
	};
	struct tls_policy policy;
	struct dane_records dane;
	struct sts_answer sts;
	struct delivery_status status = { 0 };
	struct tls_terms terms;
	char seen[700];
	bool is_go;

	set_policy(&policy, row->rule);
	set_dane(&dane, row->tlsa);
	set_sts(&sts, row->sts);
	is_go = tls_choice(&(struct tls_facts){
			.policy = &policy, .defaults = &defaults, .policy_path = "/tls_policy",
			.domain = "example.com", .exchange = "mx.example.net", .mx_trust = row->mx,
			.dane = row->tlsa == TLSA_UNASKED ? NULL : &dane,
			.sts = row->sts == STS_UNASKED ? NULL : &sts,
			.requiretls = row->requiretls, .tls_required_no = row->no,
		}, &terms, &status);
	if (is_go)
		print(&terms, seen, sizeof(seen));
	else
		enhanced_status_print(status.status, seen, sizeof(seen));
	if (strcmp(seen, row->expected) != 0)
		fail_msg("%s: %s, not %s (%s)", row->name, seen, row->expected, status.reason);
	if (!is_go)
		return;
	/* What must not fail gets the stronger set; no old version where a certificate counts. */
	assert_int_equal(terms.protocols, terms.level > TLS_MAY ? defaults.mandatory_protocols
								 : defaults.protocols);
	assert_int_equal(terms.ciphers, terms.level > TLS_MAY ? TLS_CIPHERS_HIGH : TLS_CIPHERS_MEDIUM);
	assert_string_equal(terms.sni, "mx.example.net");
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		check_row(&rows[i]);
}

static bool choose(struct tls_facts *facts, struct tls_terms *terms)
{
	static const struct tls_defaults defaults = { 15, 12, TLS_CIPHERS_MEDIUM, TLS_CIPHERS_MEDIUM };
	struct delivery_status status;

	facts->defaults = &defaults;
	facts->policy_path = "/etc/postern/tls_policy";
	if (facts->port == 0)
		facts->port = 25;
	return tls_choice(facts, terms, &status);
}

/* A literal has no name to be verified, no SNI. */
static void test_literal(void **state)
{
	struct tls_policy policy = { .level = TLS_SECURE, .line = 3 };
	struct tls_facts facts = { .policy = &policy, .domain = "[192.0.2.1]", .exchange = "[192.0.2.1]" };
	struct tls_terms terms;

	(void)state;
	assert_true(choose(&facts, &terms));
	assert_int_equal(terms.check, TLS_CHECK_NAMES);
	assert_int_equal(terms.name_count, 0);
	assert_string_equal(terms.sni, "");
	policy.match_count = 1;
	strcpy(policy.match[0], "mx.example.com");
	assert_true(choose(&facts, &terms));
	assert_int_equal(terms.name_count, 1);
}

/* Attributes of the line override the defaults, downwards too: that is what they are for. */
static void test_attributes(void **state)
{
	struct tls_policy policy = { .level = TLS_SECURE, .line = 12, .protocols = TLS_V1_0,
				     .has_ciphers = true, .ciphers = TLS_CIPHERS_HIGH };
	struct tls_facts facts = { .policy = &policy, .domain = "example.com", .exchange = "mx.example.net" };
	struct tls_terms terms;

	(void)state;
	policy.match_count = 3;
	strcpy(policy.match[0], "hostname");
	strcpy(policy.match[1], "dot-nexthop");
	strcpy(policy.match[2], ".example.org");
	assert_true(choose(&facts, &terms));
	assert_int_equal(terms.protocols, TLS_V1_0);
	assert_int_equal(terms.ciphers, TLS_CIPHERS_HIGH);
	assert_int_equal(terms.name_count, 3);
	assert_string_equal(terms.names[0], "mx.example.net");
	assert_string_equal(terms.names[1], ".example.com");
	assert_string_equal(terms.names[2], ".example.org");
	assert_string_equal(terms.rule, "/etc/postern/tls_policy:12: secure");
	assert_non_null(strstr(terms.reproduce, "-verify_hostname mx.example.net -connect mx.example.net:25"));
}

/* The command that shows a failure talks to the port that we talk to, and as we do. */
static void test_relay_commands(void **state)
{
	struct tls_policy policy = { .level = TLS_SECURE, .line = 2 };
	struct tls_facts facts = { .policy = &policy, .domain = "smtp.example.net",
				   .exchange = "smtp.example.net", .port = 587 };
	struct tls_terms terms;

	(void)state;
	assert_true(choose(&facts, &terms));
	assert_string_equal(terms.reproduce,
			    "openssl s_client -starttls smtp -verify_return_error -verify_hostname "
			    "smtp.example.net -connect smtp.example.net:587");
	facts.port = 465;
	facts.is_wrapped = true;
	assert_true(choose(&facts, &terms));
	assert_string_equal(terms.reproduce, "openssl s_client -verify_return_error -verify_hostname "
					     "smtp.example.net -connect smtp.example.net:465");
	policy.level = TLS_FINGERPRINT;
	assert_true(choose(&facts, &terms));
	assert_string_equal(terms.reproduce,
			    "posttls-finger -w -l may -d sha256 \"[smtp.example.net]:465\"");
}

static void test_wants(void **state)
{
	struct tls_policy policy;

	(void)state;
	for (int rule = D_NONE; rule <= T_FINGERPRINT; rule++) {
		bool is_dane = rule == D_DANE || rule == D_DANE_ONLY || rule == T_DANE || rule == T_DANE_ONLY;
		bool is_sts = rule == D_MAY || rule == D_ENCRYPT || rule == D_DANE || rule == T_DANE;

		set_policy(&policy, (enum rule)rule);
		assert_int_equal(tls_choice_wants_dane(&policy, false), is_dane);
		assert_int_equal(tls_choice_wants_sts(&policy, false), is_sts);
		assert_int_equal(tls_choice_wants_dane(&policy, true), is_dane && rule >= T_NONE);
		assert_int_equal(tls_choice_wants_sts(&policy, true), is_sts && rule >= T_NONE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_literal),
		cmocka_unit_test(test_attributes),
		cmocka_unit_test(test_relay_commands),
		cmocka_unit_test(test_wants),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
