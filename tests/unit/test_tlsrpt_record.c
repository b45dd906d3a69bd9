/* What asks for TLS reports (RFC 8460 3) and what does not; which addresses a report may go to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "lib/tlsrpt_record.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define V "v=TLSRPTv1;"

struct row {
	const char *txt[4];
	const char *rua;    /* NULL: does not ask */
	const char *reason; /* part of it */
};

static const struct row rows[] = {
	{ { V "rua=mailto:a@example.com" }, "mailto:a@example.com", NULL },
	{ { V " rua=mailto:a@example.com;" }, "mailto:a@example.com", NULL },
	{ { V "rua=https://r.example.com/v1/tlsrpt" }, "https://r.example.com/v1/tlsrpt", NULL },
	{ { V "rua=mailto:a@example.com,https://r.example.com/" },
	  "mailto:a@example.com,https://r.example.com/",
	  NULL },
	{ { V "rua=mailto:a@example.com \t, mailto:b@example.com ; " },
	  "mailto:a@example.com,mailto:b@example.com",
	  NULL },
	{ { V "rua=MAILTO:a@example.com" }, "MAILTO:a@example.com", NULL },
	/* Extensions, before and behind, are passed over; so are other schemes and empty places. */
	{ { V "x-y.z_1=anything; rua=mailto:a@example.com; ruf=x;;" },
	  "mailto:a@example.com",
	  NULL },
	{ { V "rua=http://r.example.com/,,ftp://x,mailto:a@example.com,," },
	  "mailto:a@example.com",
	  NULL },
	{ { V "xrua=mailto:b@example.com;rua=mailto:a@example.com" },
	  "mailto:a@example.com",
	  NULL },
	{ { V "rua=mailto:a b@example.com,mailto:c@example.com" }, "mailto:c@example.com", NULL },
	/* Other TXT records there do not matter, a second TLSRPT record does. */
	{ { "v=spf1 -all", V "rua=mailto:a@example.com", "v=TLSRPTv2;rua=mailto:b@example.com" },
	  "mailto:a@example.com",
	  NULL },
	{ { V "rua=mailto:a@example.com", V "rua=mailto:a@example.com" }, NULL, "more than one" },
	{ { V "rua=mailto:a@example.com", V }, NULL, "more than one" },
	{ { NULL }, NULL, "no TLSRPT" },
	{ { "" }, NULL, "no TLSRPT" },
	{ { "v=TLSRPTv1" }, NULL, "no TLSRPT" },
	{ { "V=TLSRPTv1;rua=mailto:a@example.com" }, NULL, "no TLSRPT" },
	{ { "v=tlsrptv1;rua=mailto:a@example.com" }, NULL, "no TLSRPT" },
	{ { " " V "rua=mailto:a@example.com" }, NULL, "no TLSRPT" },
	{ { "v=TLSRPTv10;rua=mailto:a@example.com" }, NULL, "no TLSRPT" },
	{ { V }, NULL, "no mailto" },
	{ { V "rua=" }, NULL, "no mailto" },
	{ { V "rua=mailto:" }, NULL, "no mailto" },
	{ { V "rua=https://" }, NULL, "no mailto" },
	{ { V "RUA=mailto:a@example.com" }, NULL, "no mailto" },
	{ { V "rua mailto:a@example.com" }, NULL, "no mailto" },
	{ { V "rua=a@example.com" }, NULL, "no mailto" },
};

static void test_records(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char rua[TLSRPT_RUA_MAX + 1] = "x", reason[100] = "";
		size_t count = 0;
		bool asks;

		while (count < COUNT(rows[i].txt) && rows[i].txt[count] != NULL)
			count++;
		asks = tlsrpt_record_parse((char **)(uintptr_t)rows[i].txt, count, rua, reason,
					   sizeof(reason));
		if (asks != (rows[i].rua != NULL))
			fail_msg("row %zu: %d, %s", i, asks, reason);
		assert_string_equal(rua, asks ? rows[i].rua : "");
		if (asks)
			assert_true(tlsrpt_rua_is_valid(rua));
		else
			assert_non_null(strstr(reason, rows[i].reason));
	}
}

/* The first ten addresses of a record with many; and no more than fit. */
static void test_bounds(void **state)
{
	char text[8192] = V "rua=", rua[TLSRPT_RUA_MAX + 1], reason[100], *txt = text;
	size_t uris = 1;

	(void)state;
	for (int i = 0; i < 100; i++)
		sprintf(text + strlen(text), "mailto:a%d@example.com,", i);
	assert_true(tlsrpt_record_parse(&txt, 1, rua, reason, sizeof(reason)));
	for (const char *at = rua; (at = strchr(at, ',')) != NULL; at++)
		uris++;
	assert_int_equal(uris, TLSRPT_URIS_MAX);
	assert_non_null(strstr(rua, "a9@"));
	/* One that is too long does not keep the next one out. */
	sprintf(text, V "rua=https://example.com/%0*d,mailto:a@example.com", TLSRPT_RUA_MAX, 0);
	assert_true(tlsrpt_record_parse(&txt, 1, rua, reason, sizeof(reason)));
	assert_string_equal(rua, "mailto:a@example.com");
}

static void test_rua_text(void **state)
{
	static const char *const bad[] = {
		"",
		",",
		"mailto:a@example.com,",
		",mailto:a@example.com",
		"mailto:a@example.com,,mailto:b@example.com",
		"mailto:a@example.com mailto:b@example.com",
		"mailto:a@example.com\n",
		"ftp://example.com/",
		"mailto:\x7f@example.com",
	};

	(void)state;
	assert_true(tlsrpt_rua_is_valid("mailto:a@example.com,https://r.example.com/"));
	for (size_t i = 0; i < COUNT(bad); i++)
		if (tlsrpt_rua_is_valid(bad[i]))
			fail_msg("row %zu: %s", i, bad[i]);
}

static void test_mailto(void **state)
{
	static const struct {
		const char *uri, *address; /* NULL: refused */
	} cases[] = {
		{ "mailto:a@example.com", "a@example.com" },
		{ "MailTo:tls-reports+x@example.com", "tls-reports+x@example.com" },
		{ "mailto:a%2Bb%40example.com", "a+b@example.com" },
		{ "mailto:%61@example.com", "a@example.com" },
		{ "mailto:a@example.com?subject=x", NULL },
		{ "mailto:a?cc=b@example.com", NULL },
		{ "mailto:a@example.com%0aBcc:b@example.com", NULL },
		{ "mailto:a@example.com%0d%0a%0d%0atext", NULL },
		{ "mailto:a@example.com%00", NULL },
		{ "mailto:a%20b@example.com", NULL },
		{ "mailto:%22a%20b%22@example.com", NULL },
		{ "mailto:\"a\"@example.com", NULL },
		{ "mailto:a@[192.0.2.1]", NULL },
		{ "mailto:a@example.com%2Cb@example.com", NULL },
		{ "mailto:a@example.com!10m", NULL },
		{ "mailto:a", NULL },
		{ "mailto:@example.com", NULL },
		{ "mailto:a@", NULL },
		{ "mailto:a%4", NULL },
		{ "mailto:a%zz@example.com", NULL },
		{ "mailto:%c3%bc@example.com", NULL },
		{ "mailto:<a@example.com>", NULL },
		{ "https://a@example.com", NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char error[200] = "", text[MAILBOX_TEXT_MAX];
		struct mailbox mailbox;
		int result = tlsrpt_mailto_parse(&mailbox, cases[i].uri, strlen(cases[i].uri),
						 error, sizeof(error));

		if ((result == 0) != (cases[i].address != NULL))
			fail_msg("%s: %d, %s", cases[i].uri, result, error);
		if (result == 0)
			assert_string_equal(mailbox_print(&mailbox, text, sizeof(text)),
					    cases[i].address);
		else
			assert_true(error[0] != '\0');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_records),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_rua_text),
		cmocka_unit_test(test_mailto),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
