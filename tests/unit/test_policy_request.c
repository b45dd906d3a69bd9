/* Requests of Postfix's policy protocol: the certificate in them, and what is no request. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "milter/policy_request.h"

#define FINGERPRINT "F8:23:5A:7C"

static const struct {
	const char *text;
	ptrdiff_t taken;		/* -2: all of it */
	const char *address, *port, *sender, *fingerprint, *pubkey;
} rows[] = {
	/* as Postfix sends it */
	{ "request=smtpd_access_policy\nprotocol_state=RCPT\nclient_address=192.0.2.4\nclient_name=x\nclient_port=41818\n"
	  "sender=alice@home.example\nrecipient=you@x.example\nccert_subject=\nccert_fingerprint=" FINGERPRINT
	  "\nccert_pubkey_fingerprint=4F:74\nsize=0\n\n",
	  -2, "192.0.2.4", "41818", "alice@home.example", FINGERPRINT, "4F:74" },
	{ "request=smtpd_access_policy\nclient_address=2001:db8::1\nclient_port=1\nsender=\nccert_fingerprint=\n\n", -2, "2001:db8::1",
	  "1", "", "", "" },
	/* a value may hold "=" */
	{ "sender=a=b@c\n\n", -2, "", "", "a=b@c", "", "" },
	/* two at once: the first is taken */
	{ "sender=a@b\n\nsender=c@d\n\n", 12, "", "", "a@b", "", "" },
	/* not complete yet */
	{ "", 0, NULL, NULL, NULL, NULL, NULL },
	{ "sender=a@b", 0, NULL, NULL, NULL, NULL, NULL },
	{ "sender=a@b\n", 0, NULL, NULL, NULL, NULL, NULL },
	/* no request */
	{ "GET / HTTP/1.0\r\n\r\n", -1, NULL, NULL, NULL, NULL, NULL },
	{ "=x\n\n", -1, NULL, NULL, NULL, NULL, NULL },
	/* names are not prefixes */
	{ "ccert_fingerprints=AA\nxsender=e@f\nsender2=g@h\n\n", -2, "", "", "", "", "" },
	/* too long for its place: nothing rather than a part */
	{ "client_port=123456789\nsender=a@b\n\n", -2, "", "", "a@b", "", "" },
};

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct policy_request request;
		ptrdiff_t taken = policy_request_parse(&request, rows[i].text, strlen(rows[i].text));

		if (taken != (rows[i].taken == -2 ? (ptrdiff_t)strlen(rows[i].text) : rows[i].taken))
			fail_msg("row %zu: %td octets", i, taken);
		if (taken <= 0)
			continue;
		assert_string_equal(request.client_address, rows[i].address);
		assert_string_equal(request.client_port, rows[i].port);
		assert_string_equal(request.sender, rows[i].sender);
		assert_string_equal(request.ccert_fingerprint, rows[i].fingerprint);
		assert_string_equal(request.ccert_pubkey_fingerprint, rows[i].pubkey);
	}
}

/* A NUL would make two readers see two values. */
static void test_nul(void **state)
{
	static const char text[] = "sender=a@b\0c\n\n";
	struct policy_request request;

	(void)state;
	assert_int_equal(policy_request_parse(&request, text, sizeof(text) - 1), -1);
}

static void test_too_long(void **state)
{
	char *text = malloc(POLICY_REQUEST_MAX);
	struct policy_request request;

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < POLICY_REQUEST_MAX; i++)
		text[i] = "a=b\n"[i % 4];
	assert_int_equal(policy_request_parse(&request, text, POLICY_REQUEST_MAX - 1), 0);
	assert_int_equal(policy_request_parse(&request, text, POLICY_REQUEST_MAX), -1);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
