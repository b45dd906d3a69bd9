/* DMARC: records, and the walk up the DNS tree (RFC 9989 4.10) with the examples of its text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "doctor/dmarc_walk.h"
#include "tests/fake/fake_zone.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct {
	const char *label, *zone, *domain;
	enum dmarc_found found;
	const char *policy_domain, *organization;
	enum dmarc_policy policy;
	unsigned asked;
} walks[] = {
	{ "own record", "_dmarc.example.com TXT v=DMARC1; p=reject; sp=none\n", "example.com",
	  DMARC_FOUND, "example.com", "example.com", DMARC_REJECT, 2 },
	{ "the organization's record", "_dmarc.example.com TXT v=DMARC1; p=reject; sp=quarantine\n",
	  "a.mail.example.com", DMARC_FOUND, "example.com", "example.com", DMARC_QUARANTINE, 4 },
	{ "without sp p counts", "_dmarc.example.com TXT v=DMARC1; p=reject\n", "mail.example.com",
	  DMARC_FOUND, "example.com", "example.com", DMARC_REJECT, 3 },
	{ "two records on the way: the shortest name",
	  "_dmarc.mail.example.com TXT v=DMARC1; p=none\n_dmarc.example.com TXT v=DMARC1; p=reject\n",
	  "a.mail.example.com", DMARC_FOUND, "example.com", "example.com", DMARC_REJECT, 4 },
	{ "own record below another",
	  "_dmarc.mail.example.com TXT v=DMARC1; p=none\n_dmarc.example.com TXT v=DMARC1; p=reject\n",
	  "mail.example.com", DMARC_FOUND, "mail.example.com", "example.com", DMARC_NONE, 3 },
	{ "only the public suffix", "_dmarc.com TXT v=DMARC1; p=reject; psd=y\n",
	  "a.mail.example.com", DMARC_FOUND, "com", "example.com", DMARC_REJECT, 4 },
	{ "psd=n ends the walk",
	  "_dmarc.mail.example.com TXT v=DMARC1; p=none; psd=n\n_dmarc.example.com TXT v=DMARC1; p=reject\n",
	  "mail.example.com", DMARC_FOUND, "mail.example.com", "mail.example.com", DMARC_NONE, 1 },
	{ "psd=y of the domain itself does not", "_dmarc.example.com TXT v=DMARC1; p=none; psd=y\n",
	  "example.com", DMARC_FOUND, "example.com", "example.com", DMARC_NONE, 2 },
	{ "no record", "example.com EXISTS\n", "mail.example.com", DMARC_NOT_FOUND, "",
	  "mail.example.com", DMARC_ABSENT, 3 },
	{ "two records count as none",
	  "_dmarc.example.com TXT v=DMARC1; p=none\n_dmarc.example.com TXT v=DMARC1; p=reject\n",
	  "example.com", DMARC_NOT_FOUND, "", "example.com", DMARC_ABSENT, 2 },
	{ "beside another TXT record",
	  "_dmarc.example.com TXT v=spf1 -all\n_dmarc.example.com TXT v=DMARC1;p=none\n",
	  "example.com", DMARC_FOUND, "example.com", "example.com", DMARC_NONE, 2 },
	{ "a time-out on the way", "_dmarc.example.com TIMEOUT\n", "mail.example.com",
	  DMARC_UNKNOWN, "", "mail.example.com", DMARC_ABSENT, 2 },
	{ "eight questions", "x EXISTS\n", "a.b.c.d.e.f.g.h.i.j.mail.example.com", DMARC_NOT_FOUND,
	  "", "a.b.c.d.e.f.g.h.i.j.mail.example.com", DMARC_ABSENT, 8 },
	{ "the last seven labels", "_dmarc.g.h.i.j.mail.example.com TXT v=DMARC1; p=reject\n",
	  "a.b.c.d.e.f.g.h.i.j.mail.example.com", DMARC_FOUND, "g.h.i.j.mail.example.com",
	  "g.h.i.j.mail.example.com", DMARC_REJECT, 8 },
	{ "not the eighth", "_dmarc.f.g.h.i.j.mail.example.com TXT v=DMARC1; p=reject\n",
	  "a.b.c.d.e.f.g.h.i.j.mail.example.com", DMARC_NOT_FOUND, "",
	  "a.b.c.d.e.f.g.h.i.j.mail.example.com", DMARC_ABSENT, 8 },
};

static void test_walks(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(walks); i++) {
		struct fake_zone zone = { .count = 0 };
		struct lookup_source source = fake_zone_source(&zone);
		struct dmarc_walk walk;

		fake_zone_add_text(&zone, walks[i].zone);
		dmarc_walk(&source, walks[i].domain, &walk);
		if (walk.found != walks[i].found ||
		    strcmp(walk.policy_domain, walks[i].policy_domain) != 0 ||
		    strcmp(walk.organizational_domain, walks[i].organization) != 0 ||
		    walk.policy != walks[i].policy || zone.asked != walks[i].asked)
			fail_msg("%s: found %d at \"%s\", organization %s, policy %d, %u questions",
				 walks[i].label, (int)walk.found, walk.policy_domain,
				 walk.organizational_domain, (int)walk.policy, zone.asked);
		fake_zone_wipe(&zone);
	}
}

static void test_records(void **state)
{
	static const struct {
		const char *text;
		bool is_one;
		enum dmarc_policy policy;
		const char *complaint;
	} cases[] = {
		{ "v=DMARC1; p=none", true, DMARC_NONE, "" },
		{ "v=DMARC1;p=reject;", true, DMARC_REJECT, "" },
		{ "v = DMARC1 ; p = QUARANTINE ;", true, DMARC_QUARANTINE, "" },
		{ "v=DMARC1", true, DMARC_ABSENT, "" },
		{ "v=DMARC1; rua=mailto:a@example.com", true, DMARC_ABSENT, "" },
		{ "v=DMARC1; p=none; unknown=x", true, DMARC_NONE, "" },
		{ "v=DMARC1; p=none; adkim=x", true, DMARC_NONE, "adkim" },
		{ "v=DMARC1; p=no", true, DMARC_INVALID, "\"no\"" },
		{ "v=DMARC1; p=none; p=reject", true, DMARC_ABSENT, "twice" },
		{ "v=DMARC1; p none", true, DMARC_ABSENT, "p none" },
		{ "v=dmarc1; p=none", false, DMARC_ABSENT, "" },
		{ "v=DMARC10; p=none", false, DMARC_ABSENT, "" },
		{ "V=DMARC1; p=none", false, DMARC_ABSENT, "" },
		{ "p=none; v=DMARC1", false, DMARC_ABSENT, "" },
		{ "", false, DMARC_ABSENT, "" },
		{ "v", false, DMARC_ABSENT, "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct dmarc_record record = { .policy = DMARC_ABSENT };
		char complaint[200] = "";

		if (dmarc_record_is_one(cases[i].text) != cases[i].is_one)
			fail_msg("\"%s\": is one or not", cases[i].text);
		if (cases[i].is_one)
			dmarc_record_parse(&record, cases[i].text, complaint, sizeof(complaint));
		if (record.policy != cases[i].policy ||
		    (complaint[0] == '\0') != (cases[i].complaint[0] == '\0') ||
		    strstr(complaint, cases[i].complaint) == NULL)
			fail_msg("\"%s\": policy %d, \"%s\"", cases[i].text, (int)record.policy,
				 complaint);
	}
}

static void test_addresses(void **state)
{
	const char *rua =
		"mailto:a@example.com!10m, https://example.com/x ,MAILTO:b@example.org?subject=x";
	char out[100];

	(void)state;
	assert_true(dmarc_next_mailto(&rua, out, sizeof(out)));
	assert_string_equal(out, "a@example.com");
	assert_true(dmarc_next_mailto(&rua, out, sizeof(out)));
	assert_string_equal(out, "b@example.org");
	assert_false(dmarc_next_mailto(&rua, out, sizeof(out)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_walks),
		cmocka_unit_test(test_records),
		cmocka_unit_test(test_addresses),
	};

	return cmocka_run_group_tests_name("dmarc", tests, NULL, NULL);
}
