/* Queue id and login out of Postfix's own Received field, and out of nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "transport/received_trace.h"

#define DATE "; Sat, 21 Nov 2026 03:00:00 +0000 (UTC)\r\n"

static const struct {
	const char *content;
	const char *queue_id; /* NULL = none */
} rows[] = {
	/* what Postfix writes */
	{ "Received: by home.example (Postfix, from userid 0)\r\n\tid 4FXYZ1" DATE "Subject: x\r\n",
	  "4FXYZ1" },
	{ "Received: by home.example (Postfix)\r\n\tid 9A0B1C2D3E" DATE "Date: x\r\n",
	  "9A0B1C2D3E" },
	{ "Received: by home.example (Postfix) with ESMTP id 4bzKtf2Wqxz1Gq\r\n\tfor <u@d.example>" DATE
	  "X: y\r\n",
	  "4bzKtf2Wqxz1Gq" },
	{ "Received: from me (localhost [127.0.0.1])\r\n\tby home.example (Postfix) with ESMTPSA id 3E2F\r\n\tfor <a@b>" DATE
	  "X: y\r\n",
	  "3E2F" },
	{ "Received: from me (x [192.0.2.1])\r\n\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)\r\n"
	  "\t key-exchange X25519 server-signature RSA-PSS (2048 bits))\r\n\t(No client certificate requested)\r\n"
	  "\t(Authenticated sender: id evil)\r\n\tby home.example (Postfix) with UTF8SMTPSA id 77AB" DATE
	  "X: y\r\n",
	  "77AB" },
	{ "Received: by home.example (Postfix/Debian) with ESMTP id 5C\r\n\tfor <a@b>" DATE
	  "X: y\r\n",
	  "5C" },
	/* what Sendmail writes */
	{ "Received: from client.example (edge.vps.example [198.51.100.20])\r\n\t(authenticated bits=0)\r\n"
	  "\tby mail.example (8.17.1.9/8.17.1.9/Debian-2) with ESMTPSA id 6AM3R8lh000115\r\n"
	  "\t(version=TLSv1.3 cipher=TLS_AES_256_GCM_SHA384 bits=256 verify=NO)\r\n\tfor <a@b>" DATE "X: y\r\n",
	  "6AM3R8lh000115" },
	{ "Received: from localhost (localhost)\r\n\tby mail.example (8.18.1/8.18.1) id 6AM3R8lh000117" DATE
	  "X: y\r\n",
	  "6AM3R8lh000117" },
	{ "Received: (from root@localhost)\r\n\tby mail.example (8.17.1.9/8.17.1.9/Submit) id 6AM3R8lh000118" DATE
	  "X: y\r\n",
	  "6AM3R8lh000118" },
	/* what Exim writes, 4.96 and 4.97 */
	{ "Received: from [198.51.100.20] (helo=client.example)\r\n\tby mail.example with esmtpa (Exim 4.96)\r\n"
	  "\t(envelope-from <alice@home.example>)\r\n\tid 1xUyFG-00000c-0u;\r\n\tDate\r\nX: y\r\n",
	  "1xUyFG-00000c-0u" },
	{ "Received: from h.example ([192.0.2.1] helo=id)\r\n\tby mail.example with esmtps  (TLS1.3) tls "
	  "TLS_AES_256_GCM_SHA384\r\n\t(Exim 4.98)\r\n\t(envelope-from <a@b>)\r\n\tid 1xUyFG-000000000ab-0u9Z\r\n"
	  "\tfor a@b;\r\n\tDate\r\nX: y\r\n",
	  "1xUyFG-000000000ab-0u9Z" },
	{ "Received: from Debian-exim by mail.example with local (Exim 4.96)\r\n\tid 1xUyEp-00000g-20\r\n"
	  "\tfor a@b;\r\n\tDate\r\nX: y\r\n",
	  "1xUyEp-00000g-20" },
	/* an address that ends Exim's comment early, and what it then says */
	{ "Received: from [192.0.2.1]\r\n\tby mail.example with esmtp (Exim 4.96)\r\n"
	  "\t(envelope-from <\"x) id 1xEVIL-00000c-0u (\"@evil.example>)\r\n\tid 1xUyFG-00000c-0u\r\n"
	  "\tfor \"y id 1xEVIL-00000d-0u\"@evil.example;\r\n\tDate\r\nX: y\r\n",
	  "1xUyFG-00000c-0u" },
	/* folded and spelled in any way */
	{ "RECEIVED:by h (Postfix)\r\n id\r\n 4F\r\n ;date\r\nX: y\r\n", "4F" },
	{ "Received :\tBY h\t(Postfix)\tWITH x\tID 4F; d\r\nX: y\r\n", "4F" },
	/* fields of milters above it */
	{ "X-Filter: a\r\n b\r\nDKIM-Signature: by h (Postfix) id BAD\r\nReceived: by h (Postfix) id 4F; d\r\nX: y\r\n",
	  "4F" },
	/* a client that calls itself names */
	{ "Received: from by (id [192.0.2.1]) by h (Postfix) with SMTP id 4F; d\r\nX: y\r\n",
	  "4F" },
	{ "Received: from x (by evil \\(Postfix\\) id BAD [192.0.2.1]) by h (Postfix) with SMTP id 4F; d\r\nX: y\r\n",
	  "4F" },
	{ "Received: from x (a (by y (Postfix) id BAD) b) by h (Postfix) with SMTP id 4F; d\r\nX: y\r\n",
	  "4F" },
	/* the first Received is not Postfix's */
	{ "Received: from a by b with SMTP id BAD; d\r\nReceived: by h (Postfix) id 4F; d\r\nX: y\r\n",
	  NULL },
	{ "Received: by h (PostfixLike) id BAD; d\r\nX: y\r\n", NULL },
	{ "Received: by h (postern) id BAD; d\r\nX: y\r\n", NULL },
	{ "Received: by h (Postfix); id BAD\r\nX: y\r\n", NULL },
	{ "Received: by h (Postfix) with SMTP for <id@x>; d\r\nX: y\r\n", NULL },
	/* what is no id */
	{ "Received: by h (Postfix) id 4F-7; d\r\nX: y\r\n", NULL },
	{ "Received: by h (8.17.1/8.17.1) id 1xUyFG-00000c-0u; d\r\nX: y\r\n", NULL },
	{ "Received: by h (8.17.1) id BAD; d\r\nX: y\r\n", NULL },
	{ "Received: by h (8.x/8.17.1) id BAD; d\r\nX: y\r\n", NULL },
	{ "Received: by h with esmtp (Exim 4.96)\r\n\tid BAD; d\r\nX: y\r\n", NULL },
	{ "Received: by h with esmtp (Exim 4.96) id 1xBAAD-00000c-0u; d\r\nX: y\r\n", NULL },
	{ "Received: by h with esmtp (Eximal 4.96)\r\n\tid 1xBAAD-00000c-0u; d\r\nX: y\r\n", NULL },
	{ "Received: by h with esmtp id 1xBAAD-00000c-0u (Exim 4.96)\r\n\tid 1xBAAD-00000c-0u; d\r\nX: y\r\n", NULL },
	{ "Received: by h (Postfix) id (4F); d\r\nX: y\r\n", NULL },
	{ "Received: by h (Postfix) id ; d\r\nX: y\r\n", NULL },
	{ "Received: by h (Postfix) id 0123456789012345678901234567890123456789012345678901234567890123; d\r\nX: y\r\n",
	  NULL },
	{ "Received: by h (Postfix) id\r\nX: y\r\n", NULL },
	{ "Received: by\r\nX: y\r\n", NULL },
	{ "Received:\r\nX: y\r\n", NULL },
	{ "Received\r\nX: y\r\n", NULL },
	{ "Received: by h (Postfix id 4F; d\r\nX: y\r\n", NULL },
	/* only the header counts */
	{ "Subject: x\r\n\r\nReceived: by h (Postfix) id BAD; d\r\n", NULL },
	{ "\r\nReceived: by h (Postfix) id BAD; d\r\n", NULL },
	{ "no header at all\r\n", NULL },
	{ "", NULL },
};

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct received_trace trace = { "before", "before" };
		enum received_result result = received_trace_find(
			rows[i].content, strlen(rows[i].content), true, &trace);

		if (result != (rows[i].queue_id != NULL ? RECEIVED_FOUND : RECEIVED_NONE) ||
		    strcmp(trace.queue_id, rows[i].queue_id != NULL ? rows[i].queue_id : "") != 0)
			fail_msg("row %zu: %d \"%s\"", i, result, trace.queue_id);
	}
}

/* Every prefix either cannot tell yet or says what the whole says: never something else. */
static void test_prefixes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (size_t length = 0; length < strlen(rows[i].content); length++) {
			struct received_trace trace;
			enum received_result result = received_trace_find(
				rows[i].content, length, false, &trace);

			if (result == RECEIVED_MORE)
				continue;
			if ((result == RECEIVED_FOUND) != (rows[i].queue_id != NULL) ||
			    (result == RECEIVED_FOUND && strcmp(trace.queue_id, rows[i].queue_id) != 0))
				fail_msg("row %zu cut at %zu: %d \"%s\"", i, length, result,
					 trace.queue_id);
		}
	}
}

/* A field that is cut by the end of the look-ahead still gives its id, if that is there. */
static void test_cut_field(void **state)
{
	static const char content[] = "Received: by h (Postfix) id 4F\r\n\tfor <a";
	struct received_trace trace;

	(void)state;
	assert_int_equal(received_trace_find(content, strlen(content), false, &trace),
			 RECEIVED_MORE);
	assert_int_equal(received_trace_find(content, strlen(content), true, &trace),
			 RECEIVED_FOUND);
	assert_string_equal(trace.queue_id, "4F");
}

static void test_nul_and_binary(void **state)
{
	static const char content[] = "Received: by h\0 (Postfix) id 4F; d\r\nX: y\r\n";
	struct received_trace trace;

	(void)state;
	assert_int_equal(received_trace_find(content, sizeof(content) - 1, true, &trace),
			 RECEIVED_FOUND);
	assert_string_equal(trace.queue_id, "4F");
}

#define FROM "Received: from me (x [192.0.2.1])\r\n\t"
#define BY "\r\n\tby home.example (Postfix) with ESMTPSA id 77AB" DATE "X: y\r\n"

static void test_login(void **state)
{
	static const struct {
		const char *content, *login;
	} logins[] = {
		{ FROM "(Authenticated sender: alice)" BY, "alice" },
		{ FROM "(No client certificate requested)\r\n\t(Authenticated sender: a b@c (d))" BY,
		  "a b@c (d)" },
		{ FROM "(No client certificate requested)" BY, "" },
		{ FROM "(Authenticated sender: )" BY, "" },
		{ FROM "(Authenticated sender: a\r\n\tb)" BY, "" },
		/* what a client can make stand there: a certificate's name, its own, a field below */
		{ FROM "(Client CN \"(Authenticated sender: evil)\", Issuer \"x\" (not verified))" BY, "" },
		{ FROM "(Client CN \"(Authenticated sender: evil)\")\r\n\t(Authenticated sender: alice)" BY,
		  "alice" },
		{ "Received: from x by home.example (Postfix) (Authenticated sender: evil) id 77AB" DATE
		  "X: y\r\n",
		  "" },
		/* only Postfix's own comment is one */
		{ FROM "(Authenticated sender: alice)\r\n\tby home.example (8.17.1/8.17.1) id 77AB" DATE "X: y\r\n",
		  "" },
		{ "Received: by home.example (Postfix, from userid 0) id 77AB" DATE FROM
		  "(Authenticated sender: evil)" BY,
		  "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(logins) / sizeof(logins[0]); i++) {
		struct received_trace trace = { "before", "before" };

		assert_int_equal(received_trace_find(logins[i].content, strlen(logins[i].content), true,
						     &trace),
				 RECEIVED_FOUND);
		if (strcmp(trace.login, logins[i].login) != 0 || strcmp(trace.queue_id, "77AB") != 0)
			fail_msg("row %zu: \"%s\" \"%s\"", i, trace.login, trace.queue_id);
	}
}

/* One that would not fit is none, rather than a part of it. */
static void test_long_login(void **state)
{
	char content[1000];
	struct received_trace trace;

	(void)state;
	for (int length = RECEIVED_LOGIN_MAX; length <= RECEIVED_LOGIN_MAX + 1; length++) {
		snprintf(content, sizeof(content), FROM "(Authenticated sender: %0*d)" BY, length, 0);
		assert_int_equal(received_trace_find(content, strlen(content), true, &trace),
				 RECEIVED_FOUND);
		assert_int_equal(strlen(trace.login), length <= RECEIVED_LOGIN_MAX ? length : 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_cut_field),
		cmocka_unit_test(test_nul_and_binary),
		cmocka_unit_test(test_login),
		cmocka_unit_test(test_long_login),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
