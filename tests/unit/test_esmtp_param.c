/*
 * Goal of this test: what Postfix may say after MAIL FROM: and RCPT TO: is taken, all else is refused with the code that RFC
 * 5321, 3461 and 6531 give it, and what is passed on is what came in. Covers cases 114 and 119 of the catalogue of hostile input.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/esmtp_param.h"

#define X10 "xxxxxxxxxx"
#define X100 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10
#define X490 X100 X100 X100 X100 X10 X10 X10 X10 X10 X10 X10 X10 X10
#define E10 "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"
#define E100 E10 E10 E10 E10 E10 E10 E10 E10 E10 E10

static const struct esmtp_offer everything = { true, true, true, true, true };

struct row {
	const char *arguments;
	const char *result;	/* the line for the next server, or "CODE STATUS text" */
	bool smtputf8;		/* RCPT: was given with MAIL */
};

static const struct row mail_rows[] = {
	{ "<a@b> SIZE=123 BODY=8BITMIME SMTPUTF8 RET=FULL ENVID=xyz",
	  "MAIL FROM:<a@b> SIZE=123 BODY=8BITMIME SMTPUTF8 RET=FULL ENVID=xyz", false },
	{ "<a@b>", "MAIL FROM:<a@b>", false },
	{ " <a@b>", "MAIL FROM:<a@b>", false },
	{ "<>", "MAIL FROM:<>", false },
	{ "<> ", "MAIL FROM:<>", false },
	{ "<a@b>  SIZE=1  ", "MAIL FROM:<a@b> SIZE=1", false },
	{ "<a@b> size=1 body=8bitmime smtputf8 ret=hdrs envid=X", "MAIL FROM:<a@b> SIZE=1 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=X",
	  false },
	{ "<a@b> BODY=7BIT SIZE=0", "MAIL FROM:<a@b>", false },
	{ "<a@b> AUTH=<>", "MAIL FROM:<a@b>", false },
	{ "<a@b> AUTH=u+40d", "MAIL FROM:<a@b>", false },
	{ "<\"a> SIZE=1 \\\">\"@b> SIZE=2", "MAIL FROM:<\"a> SIZE=1 \\\">\"@b> SIZE=2", false },
	{ "<@x,@y:u@d>", "MAIL FROM:<u@d>", false },
	{ "<\xc3\xa9@b> SMTPUTF8", "MAIL FROM:<\xc3\xa9@b> SMTPUTF8", false },
	{ "<a@b> ENVID=" X100, "MAIL FROM:<a@b> ENVID=" X100, false },
	{ "<a@b> SIZE=00000000000000000001", "MAIL FROM:<a@b> SIZE=1", false },
	{ "<a@b> SIZE=9223372036854775807", "MAIL FROM:<a@b> SIZE=9223372036854775807", false },
	/* addresses */
	{ "a@b", "501 5.1.7 bad address syntax: no address in angle brackets", false },
	{ "", "501 5.1.7 bad address syntax: no address in angle brackets", false },
	{ "  <a@b>", "501 5.1.7 bad address syntax: no address in angle brackets", false },
	{ "<a@b", "501 5.1.7 bad address syntax: no address in angle brackets", false },
	{ "<\"a@b>", "501 5.1.7 bad address syntax: no address in angle brackets", false },
	{ "<a@b>SIZE=1", "501 5.1.7 bad address syntax: text after the address", false },
	{ "<a@b>\tSIZE=1", "501 5.1.7 bad address syntax: text after the address", false },
	{ "<a>", "501 5.1.7 bad address syntax: address without a domain", false },
	{ "<a@b c>", "501 5.1.7 bad address syntax: bad character in domain", false },
	{ "<\xc3\xa9@b>", "553 5.6.7 non-ASCII address without SMTPUTF8", false },
	{ "<\xc3@b>", "501 5.1.7 bad address syntax: non-ASCII address without SMTPUTF8", false },
	{ "<\xc3@b> SMTPUTF8", "501 5.1.7 bad address syntax: malformed UTF-8", false },
	/* case 114 */
	{ "<a@b> SIZE=9223372036854775808", "552 5.3.4 message size exceeds any limit", false },
	{ "<a@b> SIZE=18446744073709551616", "552 5.3.4 message size exceeds any limit", false },
	{ "<a@b> SIZE=99999999999999999999", "552 5.3.4 message size exceeds any limit", false },
	{ "<a@b> SIZE=000000000000000000001", "501 5.5.4 bad SIZE: more than 20 digits", false },
	{ "<a@b> SIZE=-1", "501 5.5.4 bad SIZE: not a number", false },
	{ "<a@b> SIZE=1k", "501 5.5.4 bad SIZE: not a number", false },
	{ "<a@b> SIZE=", "501 5.5.4 malformed parameter SIZE", false },
	{ "<a@b> SIZE", "501 5.5.4 parameter SIZE needs a value", false },
	/* the rest */
	{ "<a@b> BODY=BINARYMIME", "555 5.5.4 unsupported BODY: BINARYMIME", false },
	{ "<a@b> BODY=9BIT", "501 5.5.4 bad BODY: neither 7BIT nor 8BITMIME", false },
	{ "<a@b> requiretls", "MAIL FROM:<a@b> REQUIRETLS", false },
	{ "<a@b> REQUIRETLS=1", "501 5.5.4 parameter REQUIRETLS takes no value", false },
	{ "<a@b> REQUIRETLS REQUIRETLS", "501 5.5.4 parameter REQUIRETLS is given twice", false },
	{ "<a@b> SMTPUTF8=1", "501 5.5.4 parameter SMTPUTF8 takes no value", false },
	{ "<a@b> RET=ALL", "501 5.5.4 bad RET: neither FULL nor HDRS", false },
	{ "<a@b> ENVID=a+4", "501 5.5.4 bad ENVID: not xtext", false },
	{ "<a@b> ENVID=a+0Ab", "501 5.5.4 bad ENVID: not printable", false },
	{ "<a@b> ENVID=" X100 "x", "501 5.5.4 bad ENVID: longer than 100 octets", false },
	{ "<a@b> SIZE=1 SIZE=1", "501 5.5.4 parameter SIZE is given twice", false },
	{ "<a@b> RET=FULL ret=HDRS", "501 5.5.4 parameter ret is given twice", false },
	{ "<a@b> FOO", "555 5.5.4 unsupported parameter FOO", false },
	{ "<a@b> FOO=bar", "555 5.5.4 unsupported parameter FOO", false },
	{ "<a@b> SIZE2=1", "555 5.5.4 unsupported parameter SIZE2", false },
	{ "<a@b> SIZ=1", "555 5.5.4 unsupported parameter SIZ", false },
	{ "<a@b> NOTIFY=NEVER", "555 5.5.4 unsupported parameter NOTIFY", false },
	{ "<a@b> " X100, "555 5.5.4 unsupported parameter xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", false },
	{ "<a@b> -X=1", "501 5.5.4 malformed parameter -X=1", false },
	{ "<a@b> =1", "501 5.5.4 malformed parameter =1", false },
	{ "<a@b> \xc3\xa9\x1b=1", "501 5.5.4 malformed parameter ?\?\?=1", false },
	{ "<a@b> SIZE:1", "501 5.5.4 malformed parameter SIZE", false },
	{ "<a@b> AUTH=a=b", "501 5.5.4 bad value of parameter AUTH", false },
	{ "<a@b> AUTH=a\x07", "501 5.5.4 bad value of parameter AUTH", false },
};

static const struct row rcpt_rows[] = {
	{ "<u@d>", "RCPT TO:<u@d>", false },
	{ " <u@d>", "RCPT TO:<u@d>", false },
	{ "<u@d> NOTIFY=NEVER", "RCPT TO:<u@d> NOTIFY=NEVER", false },
	{ "<u@d> notify=delay,Success ORCPT=rfc822;user+2Bx@example.com",
	  "RCPT TO:<u@d> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;user+2Bx@example.com", false },
	{ "<u@d> ORCPT=x400;/G=Jo/S=Do/", "501 5.5.4 bad value of parameter ORCPT", false },
	{ "<u@d> ORCPT=x400;/G+3DJo/", "RCPT TO:<u@d> ORCPT=x400;/G+3DJo/", false },
	{ "<\xc3\xa9@d>", "RCPT TO:<\xc3\xa9@d>", true },
	{ "<\xc3\xa9@d>", "553 5.6.7 non-ASCII address without SMTPUTF8", false },
	{ "<u@d> ORCPT=utf-8;\xc3\xa9@d", "RCPT TO:<u@d> ORCPT=utf-8;\xc3\xa9@d", true },
	{ "<u@d> ORCPT=utf-8;\xc3\xa9@d", "501 5.5.4 bad ORCPT: not xtext", false },
	{ "<u@d> ORCPT=utf-8;\\x{E9}@d", "RCPT TO:<u@d> ORCPT=utf-8;\\x{E9}@d", false },
	{ "<u@d> ORCPT=rfc822;\xc3\xa9@d", "501 5.5.4 bad ORCPT: not xtext", true },
	{ "<u@d> ORCPT=utf-8;\xed\xa0\x80@d", "501 5.5.4 bad ORCPT: not xtext", true },
	{ "<u@d> ORCPT=rfc822;" X490 "xxx", "RCPT TO:<u@d> ORCPT=rfc822;" X490 "xxx", false },
	{ "<u@d> ORCPT=rfc822;" X490 "xxxx", "501 5.5.4 bad ORCPT: longer than 500 octets", false },
	{ "<>", "501 5.1.3 bad address syntax: empty or malformed local part", false },
	{ "<postmaster>", "501 5.1.3 bad address syntax: address without a domain", false },
	{ "u@d", "501 5.1.3 bad address syntax: no address in angle brackets", false },
	{ "<u@d> NOTIFY=NEVER,DELAY", "501 5.5.4 bad NOTIFY: NEVER stands alone", false },
	{ "<u@d> NOTIFY=NEVER,NEVER", "501 5.5.4 bad NOTIFY: NEVER stands alone", false },
	{ "<u@d> NOTIFY=SUCCESS,", "501 5.5.4 bad NOTIFY: not NEVER or a list of SUCCESS, FAILURE, DELAY", false },
	{ "<u@d> NOTIFY=,", "501 5.5.4 bad NOTIFY: not NEVER or a list of SUCCESS, FAILURE, DELAY", false },
	{ "<u@d> NOTIFY=SOMETIMES", "501 5.5.4 bad NOTIFY: not NEVER or a list of SUCCESS, FAILURE, DELAY", false },
	{ "<u@d> NOTIFY=", "501 5.5.4 malformed parameter NOTIFY", false },
	{ "<u@d> NOTIFY", "501 5.5.4 parameter NOTIFY needs a value", false },
	{ "<u@d> NOTIFY=DELAY NOTIFY=DELAY", "501 5.5.4 parameter NOTIFY is given twice", false },
	{ "<u@d> ORCPT=user@d", "501 5.5.4 bad ORCPT: no address type", false },
	{ "<u@d> ORCPT=;user@d", "501 5.5.4 bad ORCPT: no address type", false },
	{ "<u@d> ORCPT=rfc.822;u@d", "501 5.5.4 bad ORCPT: no address type", false },
	{ "<u@d> ORCPT=rfc822;", "501 5.5.4 bad ORCPT: not xtext", false },
	{ "<u@d> ORCPT=rfc822;a+b", "501 5.5.4 bad ORCPT: not xtext", false },
	{ "<u@d> SIZE=1", "555 5.5.4 unsupported parameter SIZE", false },
};

/* The printed line without CRLF, or the refusal. The input lies in memory of its own size. */
static const char *mail_result(const char *arguments, size_t length, char *out, size_t size)
{
	struct envelope envelope, empty;
	struct esmtp_refusal refusal;
	struct buffer buffer;
	char *copy = malloc(length + 1), status[ENHANCED_STATUS_TEXT_MAX];
	int result;

	assert_non_null(copy);
	memcpy(copy, arguments, length);
	envelope_init(&envelope);
	envelope_init(&empty);
	buffer_init(&buffer, 4096);
	result = esmtp_parse_mail(&envelope, length > 0 ? copy : NULL, length, &refusal);
	if (result == 0) {
		assert_int_equal(esmtp_print_mail(&buffer, &envelope, everything, envelope.declared_size), 0);
		snprintf(out, size, "%.*s", (int)buffer_length(&buffer) - 2, (const char *)buffer_data(&buffer));
	} else {
		assert_memory_equal(&envelope, &empty, sizeof(empty));
		snprintf(out, size, "%d %s %s", refusal.code, enhanced_status_print(refusal.status, status, sizeof(status)),
			 refusal.text);
	}
	buffer_wipe(&buffer);
	free(copy);
	return out;
}

static void test_mail(void **state)
{
	char result[2048];

	(void)state;
	for (size_t i = 0; i < sizeof(mail_rows) / sizeof(mail_rows[0]); i++)
		assert_string_equal(mail_result(mail_rows[i].arguments, strlen(mail_rows[i].arguments), result, sizeof(result)),
				    mail_rows[i].result);
}

static void test_nul_is_refused(void **state)
{
	char result[2048];

	(void)state;
	assert_string_equal(mail_result("<a@b>\0", 6, result, sizeof(result)),
			    "501 5.1.7 bad address syntax: text after the address");
	assert_string_equal(mail_result("<a@b> RET=FULL\0", 15, result, sizeof(result)),
			    "501 5.5.4 bad value of parameter RET");
	assert_string_equal(mail_result("<a@b\0>", 6, result, sizeof(result)),
			    "501 5.1.7 bad address syntax: bad character in domain");
}

static void test_rcpt(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rcpt_rows) / sizeof(rcpt_rows[0]); i++) {
		const struct row *row = &rcpt_rows[i];
		struct recipient recipient = { .notify = 0 };
		struct esmtp_refusal refusal;
		struct buffer buffer;
		char result[2048], status[ENHANCED_STATUS_TEXT_MAX];

		buffer_init(&buffer, 4096);
		if (esmtp_parse_rcpt(&recipient, row->arguments, strlen(row->arguments), row->smtputf8, &refusal) == 0) {
			assert_int_equal(esmtp_print_rcpt(&buffer, &recipient, everything), 0);
			snprintf(result, sizeof(result), "%.*s", (int)buffer_length(&buffer) - 2,
				 (const char *)buffer_data(&buffer));
		} else {
			assert_string_equal(recipient.forward_path.domain, "");
			snprintf(result, sizeof(result), "%d %s %s", refusal.code,
				 enhanced_status_print(refusal.status, status, sizeof(status)), refusal.text);
		}
		assert_string_equal(result, row->result);
		buffer_wipe(&buffer);
	}
}

static void expect_rcpt(const char *arguments, struct esmtp_offer offer, const char *line)
{
	struct recipient recipient = { .notify = 0 };
	struct esmtp_refusal refusal;
	struct buffer buffer;

	buffer_init(&buffer, 4096);
	assert_int_equal(esmtp_parse_rcpt(&recipient, arguments, strlen(arguments), true, &refusal), 0);
	assert_int_equal(esmtp_print_rcpt(&buffer, &recipient, offer), 0);
	assert_int_equal(buffer_length(&buffer), strlen(line));
	assert_memory_equal(buffer_data(&buffer), line, strlen(line));
	buffer_wipe(&buffer);
}

static void test_what_is_not_offered_is_left_out(void **state)
{
	static const char arguments[] = "<a@b> SIZE=1 BODY=8BITMIME SMTPUTF8 REQUIRETLS RET=FULL ENVID=x";
	static const struct { struct esmtp_offer offer; const char *line; } rows[] = {
		{ { false, false, false, false, false }, "MAIL FROM:<a@b>\r\n" },
		{ { true, false, false, false, false }, "MAIL FROM:<a@b> SIZE=77\r\n" },
		{ { false, true, false, false, false }, "MAIL FROM:<a@b> BODY=8BITMIME\r\n" },
		{ { false, false, true, false, false }, "MAIL FROM:<a@b> SMTPUTF8\r\n" },
		{ { false, false, false, true, false }, "MAIL FROM:<a@b> RET=FULL ENVID=x\r\n" },
		{ { false, false, false, false, true }, "MAIL FROM:<a@b> REQUIRETLS\r\n" },
	};
	struct envelope envelope;
	struct esmtp_refusal refusal;

	(void)state;
	envelope_init(&envelope);
	assert_int_equal(esmtp_parse_mail(&envelope, arguments, strlen(arguments), &refusal), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buffer buffer;

		buffer_init(&buffer, 4096);
		assert_int_equal(esmtp_print_mail(&buffer, &envelope, rows[i].offer, 77), 0);
		assert_int_equal(buffer_length(&buffer), strlen(rows[i].line));
		assert_memory_equal(buffer_data(&buffer), rows[i].line, strlen(rows[i].line));
		buffer_wipe(&buffer);
	}
	expect_rcpt("<u@d> NOTIFY=DELAY ORCPT=rfc822;u@d", (struct esmtp_offer){ .dsn = false }, "RCPT TO:<u@d>\r\n");
}

/* RFC 6533 3: to a server without SMTPUTF8 the address goes in ASCII; one that is too long then is left out. */
static void test_orcpt_without_smtputf8(void **state)
{
	const struct esmtp_offer dsn = { .dsn = true };

	(void)state;
	expect_rcpt("<u@d> ORCPT=utf-8;\xc3\xa9@d", dsn, "RCPT TO:<u@d> ORCPT=utf-8;\\x{E9}@d\r\n");
	expect_rcpt("<u@d> ORCPT=utf-8;" E100, dsn, "RCPT TO:<u@d> ORCPT=utf-8;"
		    "\\x{E9}\\x{E9}\\x{E9}\\x{E9}\\x{E9}\\x{E9}\\x{E9}\\x{E9}\\x{E9}\\x{E9}"
		    "\\x{E9}\\x{E9}\\x{E9}\\x{E9}\\x{E9}\\x{E9}\\x{E9}\\x{E9}\\x{E9}\\x{E9}"
		    "\\x{E9}\\x{E9}\\x{E9}\\x{E9}\\x{E9}\\x{E9}\\x{E9}\\x{E9}\\x{E9}\\x{E9}"
		    "\\x{E9}\\x{E9}\\x{E9}\\x{E9}\\x{E9}\\x{E9}\\x{E9}\\x{E9}\\x{E9}\\x{E9}"
		    "\\x{E9}\\x{E9}\\x{E9}\\x{E9}\\x{E9}\\x{E9}\\x{E9}\\x{E9}\\x{E9}\\x{E9}\r\n");
	expect_rcpt("<u@d> ORCPT=utf-8;" E100 E100, dsn, "RCPT TO:<u@d>\r\n");
}

/* The longest of everything fits; a full buffer stays as it was. */
static void test_longest_line(void **state)
{
	struct recipient recipient = { .notify = DSN_NOTIFY_SUCCESS | DSN_NOTIFY_FAILURE | DSN_NOTIFY_DELAY };
	struct buffer buffer;

	(void)state;
	memset(recipient.forward_path.local_part, 'l', sizeof(recipient.forward_path.local_part) - 1);
	memset(recipient.forward_path.domain, 'd', sizeof(recipient.forward_path.domain) - 1);
	memset(recipient.orcpt, 'o', sizeof(recipient.orcpt) - 1);
	buffer_init(&buffer, 4096);
	assert_int_equal(esmtp_print_rcpt(&buffer, &recipient, everything), 0);
	assert_memory_equal(buffer_data(&buffer) + buffer_length(&buffer) - 3, "o\r\n", 3);
	buffer_wipe(&buffer);
	buffer_init(&buffer, 100);
	assert_int_equal(esmtp_print_rcpt(&buffer, &recipient, everything), -1);
	assert_int_equal(buffer_length(&buffer), 0);
	buffer_wipe(&buffer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mail),
		cmocka_unit_test(test_nul_is_refused),
		cmocka_unit_test(test_rcpt),
		cmocka_unit_test(test_what_is_not_offered_is_left_out),
		cmocka_unit_test(test_orcpt_without_smtputf8),
		cmocka_unit_test(test_longest_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
