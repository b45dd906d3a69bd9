/* The rules about the header section: what each finds, what repair makes of it, and that it is enough. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "milter/authentication_results.h"
#include "milter/date_field.h"
#include "milter/header_policy.h"
#include "milter/subject_length.h"
#include "milter_fixture.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define GOOD "From: a@example.com\nDate: Fri, 21 Nov 2025 09:55:06 +0100\nMessage-ID: <1@example.com>\n"
#define STRICT "profile = \"strict\"; authserv_id = \"mail.example.com\";\n"
#define STANDARD "authserv_id = \"mail.example.com\";\n"

static const struct header_policy_facts facts = { .now = 1763715306,
						  .unique = "20251121.1",
						  .from_domain = "from.example" };

static void check(struct findings *findings, const char *conf_text, const struct message *message)
{
	struct milter_conf conf;

	memset(findings, 0, sizeof(*findings));
	fixture_conf(&conf, conf_text);
	header_policy_check(findings, &conf, message, &facts);
	conf_wipe(&conf, milter_conf_settings);
}

struct row {
	const char *conf, *text;
	const char *rules;	/* as fixture_rules() */
};

static void check_row(const struct row *row, bool is_smtputf8)
{
	struct findings findings;
	struct message message;
	char rules[1000];

	fixture_message(&message, row->text);
	message.is_smtputf8 = is_smtputf8;
	check(&findings, row->conf, &message);
	if (strcmp(fixture_rules(&findings, rules, sizeof(rules)), row->rules) != 0)
		fail_msg("%s with %s: \"%s\", not \"%s\"", row->text, row->conf, rules, row->rules);
	for (size_t i = 0; i < findings.count; i++)
		assert_non_null(strstr(findings.items[i].text, rule_name(findings.items[i].rule)));
	findings_wipe(&findings);
	message_reset(&message);
}

#define X100 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X900 X100 X100 X100 X100 X100 X100 X100 X100 X100
#define X90 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static void test_soundness(void **state)
{
	static const struct row rows[] = {
		{ STANDARD, GOOD "Subject: hello\n", "" },
		{ STANDARD, GOOD "Subject: :-)\n", "" },
		{ STANDARD, GOOD "Subject:\n", "" },
		/* case 135: what Postfix makes of it */
		{ STANDARD, GOOD "Subject : hello\n", "" },
		{ STANDARD, GOOD "X-~!#$%&'*+./^_`{|}(),;<>=?@[]\\\": all of ftext\n", "" },
		/* case 139: folds, tabs, blank folded lines */
		{ STANDARD, GOOD "Subject: a\n b\n\tc\n \n d\n", "" },
		{ STANDARD, GOOD "Subject: a\r\n b\r\n\tc\r\n", "" },
		{ STANDARD, GOOD "Subject: a\rb\n", "control_character reject" },
		{ STANDARD, GOOD "Subject: a\x01\n", "control_character reject" },
		{ STANDARD, GOOD "Subject: a\x1b[2J\n", "control_character reject" },
		{ STANDARD, GOOD "Subject: a\x7f\n", "control_character reject" },
		/* case 136 */
		{ STANDARD, GOOD "Subject: m\xc3\xbcnchen\n", "raw_8bit reject" },
		{ STANDARD, GOOD "Subject: m\xfcnchen\n", "raw_8bit reject" },
		{ STANDARD "raw_8bit = \"log\";", GOOD "Subject: m\xfcnchen\n", "raw_8bit log" },
		{ "profile = \"off\";", GOOD "Subject: m\xfcnchen\n", "" },
		/* 998 octets with the name, its colon and the space */
		{ STANDARD, GOOD "Abcdef: " X900 X90 "\n", "" },
		{ STANDARD, GOOD "Abcdefg: " X900 X90 "\n", "line_length reject" },
		{ STANDARD, GOOD "Subject: x\n " X900 X90 "xxxxxxx\n", "" },
		{ STANDARD, GOOD "Subject: x\n " X900 X90 "xxxxxxx\r\n y\n", "" },
		{ STANDARD, GOOD "Subject: x\n " X900 X90 "xxxxxxxx\n y\n", "line_length reject" },
		/* case 132 */
		{ STANDARD, GOOD "Sender: a@b\nsender: c@d\n", "once_only reject" },
		{ STANDARD, GOOD "Subject: a\nTo: b@c\nSUBJECT: a\nTo: d@e\n", "once_only reject" },
		{ STANDARD, GOOD "Date: Fri, 21 Nov 2025 09:55:06 +0100\n", "once_only reject" },
		{ STANDARD, GOOD "Content-Type: text/plain\nContent-Type: text/html\n", "once_only reject" },
		{ STANDARD, GOOD "Received: a\nReceived: b\nComments: c\nComments: d\nKeywords: e\nKeywords: f\n", "" },
		{ STANDARD "subject_length_limit = 5;", GOOD "Subject: hello\n", "" },
		{ STANDARD "subject_length_limit = 5;", GOOD "Subject: hello!\n", "subject_length reject" },
		{ STANDARD "subject_length_limit = 5; once_only = \"off\";", GOOD "Subject: a\nSubject: hello!\n",
		  "subject_length reject" },
		{ STANDARD "subject_length_limit = 5; subject_length = \"log\";", GOOD "Subject: hello!\n",
		  "subject_length log" },
		{ "mode = \"log\";", GOOD "Subject: a\x01\nBcc: a@b\n", "control_character log; bcc log" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		check_row(&rows[i], false);
}

static void test_once_only(void **state)
{
	static const char *const names[] = {
		"Date", "Sender", "Reply-To", "To", "Cc", "Message-ID", "In-Reply-To", "References", "Subject", "MIME-Version",
		"Content-Type", "Content-Transfer-Encoding",
	};
	struct row row = { .conf = STANDARD, .rules = "once_only reject" };
	char text[300];

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		snprintf(text, sizeof(text), GOOD "%s: x\n%s: x\n", names[i], names[i]);
		row.text = text;
		check_row(&row, false);
	}
}

static void test_smtputf8(void **state)
{
	static const struct row rows[] = {
		{ STANDARD, GOOD "Subject: m\xc3\xbcnchen\n", "" },
		{ STANDARD, GOOD "Subject: m\xfcnchen\n", "raw_8bit reject" },
		{ STANDARD, GOOD "Subject: \xed\xa0\x80\n", "raw_8bit reject" },
		{ STANDARD, GOOD "Subject: \xc0\xaf\n", "raw_8bit reject" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		check_row(&rows[i], true);
}

/* What no file can hold, but a milter client could send (cases 135, 138). */
static void test_strange_fields(void **state)
{
	static const struct {
		const char *name, *value, *rules;
	} rows[] = {
		{ "X-A", "b", "" },
		{ "From ", "x", "field_name reject" },
		{ "From\t", "x", "field_name reject" },
		{ "", "x", "field_name reject" },
		{ "Fr om", "x", "field_name reject" },
		{ "From:", "x", "field_name reject" },
		{ "\rFrom", "x", "field_name reject" },
		{ "Fr\xc3\xb6m", "x", "field_name reject; raw_8bit reject" },
		{ "X-A", "b\nBcc: c", "control_character reject" },
		{ "X-A", "b\n", "control_character reject" },
		{ "X-A", "b\r\n", "control_character reject" },
		{ "X-A", "b\n\n c", "control_character reject" },
		{ "X-A", "b\r\r\n c", "control_character reject" },
		{ "X-A", "b\r\n c", "" },
		{ "X-A", "\n c", "" },
	};
	char rules[500];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct findings findings;
		struct message message;

		fixture_message(&message, GOOD);
		assert_int_equal(message_add_field(&message, rows[i].name, rows[i].value, 1000, 100000), 0);
		check(&findings, STANDARD, &message);
		if (strcmp(fixture_rules(&findings, rules, sizeof(rules)), rows[i].rules) != 0)
			fail_msg("\"%s\": \"%s\": %s", rows[i].name, rows[i].value, rules);
		findings_wipe(&findings);
		message_reset(&message);
	}
}

static void test_repair(void **state)
{
	static const struct {
		const char *conf, *before, *after, *rules;
	} rows[] = {
		{ STANDARD "message_id_missing = \"off\";", "From: a\n",
		  "From: a\nDate: Fri, 21 Nov 2025 08:55:06 +0000\n", "date_missing repair" },
		{ STANDARD "message_id_missing = \"off\";", "From: a\nDate: \n \n",
		  "From: a\nDate: Fri, 21 Nov 2025 08:55:06 +0000\n", "date_missing repair" },
		{ STANDARD "date_missing = \"off\";", "From: a\n", "From: a\nMessage-ID: <20251121.1@from.example>\n",
		  "message_id_missing repair" },
		{ STANDARD "date_missing = \"off\"; message_id_domain = \"ids.example\";", "MESSAGE-ID:\nFrom: a\n",
		  "MESSAGE-ID: <20251121.1@ids.example>\nFrom: a\n", "message_id_missing repair" },
		{ STANDARD "date_missing = \"reject\"; message_id_missing = \"log\";", "From: a\n", "From: a\n",
		  "date_missing reject; message_id_missing log" },
		/* case 139: all copies */
		{ STANDARD, "Bcc: x\n" GOOD "bcc: y\nResent-Bcc: z\nTo: a\nBCC: z\n", GOOD "To: a\n", "bcc repair" },
		{ STANDARD "bcc = \"tempfail\";", GOOD "Bcc: x\n", GOOD "Bcc: x\n", "bcc tempfail" },
		{ STANDARD, "Return-Path: <x@y>\n" GOOD "Return-Path: <z@y>\n", GOOD, "return_path repair" },
		{ STANDARD,
		  "Authentication-Results: mail.example.com; spf=pass\nAuthentication-Results: other.example; "
		  "spf=pass\n"
		  "Authentication-Results: (c) \"MAIL.example.com\" 1; dkim=pass\n" GOOD
		  "Authentication-Results: mail.example.com\n",
		  "Authentication-Results: other.example; spf=pass\n" GOOD, "authentication_results repair" },
		{ STANDARD, GOOD "X-Originating-IP: [192.0.2.1]\nX-PHP-Script: a\nx-originating-ip: b\n", GOOD,
		  "originating_ip repair" },
		{ STANDARD, GOOD "User-Agent: a\nReceived: b\n", GOOD "User-Agent: a\nReceived: b\n", "" },
		{ STRICT, "Received: a\nReceived: b\n" GOOD "User-Agent: a\nX-Mailer: c\nReceived: d\n", GOOD,
		  "user_agent repair; received_client repair" },
		/* case 131: nothing is decoded, folds stay */
		{ STANDARD, GOOD "Subject: =?utf-8?q?a=0D=0ABcc:_b?=\n =?utf-8?q?c?=\nBcc: d\n",
		  GOOD "Subject: =?utf-8?q?a=0D=0ABcc:_b?=\n =?utf-8?q?c?=\n", "bcc repair" },
		/* a field that two rules want away goes once */
		{ STRICT "originating_ip_fields = [\"Received\", \"X-Mailer\"];",
		  "Received: a\nReceived: b\nX-Mailer: a\n" GOOD "X-Mailer: b\n", GOOD,
		  "originating_ip repair; user_agent repair; received_client repair" },
		{ "profile = \"off\";", "Bcc: x\n", "Bcc: x\n", "" },
	};
	char rules[500];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct findings findings;
		struct message message;
		char *after;

		fixture_message(&message, rows[i].before);
		check(&findings, rows[i].conf, &message);
		fixture_apply(&message, &findings);
		after = fixture_print(&message);
		if (strcmp(after, rows[i].after) != 0 ||
		    strcmp(fixture_rules(&findings, rules, sizeof(rules)), rows[i].rules) != 0)
			fail_msg("%s with %s: %s, then %s", rows[i].before, rows[i].conf, rules, after);
		free(after);
		findings_wipe(&findings);
		/* Nothing is left to repair. */
		check(&findings, rows[i].conf, &message);
		assert_int_equal(findings.edit_count, 0);
		findings_wipe(&findings);
		message_reset(&message);
	}
}

static void test_texts(void **state)
{
	static const struct {
		const char *text, *expected;
	} rows[] = {
		{ GOOD "Bcc: a\n", "Bcc: shows hidden recipients (rule bcc)" },
		{ GOOD "Bcc: a\nBcc: b\n", "Bcc and 1 more field: shows hidden recipients (rule bcc)" },
		{ GOOD "Bcc: a\nBcc: b\nResent-Bcc: c\n", "Bcc and 2 more fields: shows hidden recipients (rule bcc)" },
		{ GOOD "Subject: a\nSubject: b\nTo: c\nTo: d\n",
		  "To, Subject: more than one, where one is allowed (rule once_only)" },
		{ GOOD X100 ": \x01\n",
		  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx: a control character, "
		  "or a line break that is no folding (rule control_character)" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct findings findings;
		struct message message;

		fixture_message(&message, rows[i].text);
		check(&findings, STANDARD, &message);
		assert_int_equal(findings.count, 1);
		assert_string_equal(findings.items[0].text, rows[i].expected);
		findings_wipe(&findings);
		message_reset(&message);
	}
}

/* Case 138: what is beyond the bounds is not judged by what was kept of it. */
static void test_too_large(void **state)
{
	struct findings findings;
	struct message message;
	char rules[500];

	(void)state;
	message_init(&message);
	for (int i = 0; i < 21; i++)
		assert_int_equal(message_add_field(&message, "Bcc", "x", 20, 100000), 0);
	check(&findings, STANDARD, &message);
	assert_string_equal(fixture_rules(&findings, rules, sizeof(rules)), "header_size reject");
	assert_string_equal(findings.items[0].text,
			    "the header section has more than 1000 fields or 524288 bytes (rule header_size)");
	assert_int_equal(findings.edit_count, 0);
	findings_wipe(&findings);
	message_reset(&message);
}

/* Case 138. */
static void test_long_name(void **state)
{
	struct findings findings;
	struct message message;
	char rules[500], *name = malloc(10001);

	(void)state;
	assert_non_null(name);
	memset(name, 'x', 10000);
	name[10000] = '\0';
	fixture_message(&message, GOOD);
	assert_int_equal(message_add_field(&message, name, "y", 1000, 100000), 0);
	check(&findings, STANDARD, &message);
	assert_string_equal(fixture_rules(&findings, rules, sizeof(rules)), "line_length reject");
	assert_non_null(strstr(findings.items[0].text, "xxx: a line of more than 998 octets (rule line_length)"));
	findings_wipe(&findings);
	message_reset(&message);
	free(name);
}

static void test_subject_length(void **state)
{
	static const struct {
		const char *value;
		size_t length;
	} rows[] = {
		{ "", 0 },
		{ "  ", 0 },
		{ "hello", 5 },
		{ " hello ", 5 },
		{ "a\n b\r\n\tc", 5 },
		{ "m\xc3\xbcnchen", 7 },
		{ "m\xfcnchen", 7 },
		{ "=?utf-8?q?m=C3=BCnchen?=", 7 },
		{ "=?UTF-8?B?bcO8bmNoZW4=?=", 7 },
		{ "=?utf-8?q?a_b?= =?utf-8?q?c?=", 4 },
		{ "=?utf-8?q?a?=\n =?utf-8?q?c?= d", 4 },
		{ "=?iso-8859-1?q?m=FCnchen?=", 7 },
		{ "=?utf-8*en?q?abc?=", 3 },
		/* not to be decoded: as it stands */
		{ "=?utf-8?q?m=FCnchen?=", 21 },
		{ "=?utf-8?q?m=C3?=", 16 },
		{ "=?utf-8?q?m=C?=", 15 },
		{ "=?x-mine?q?m?=", 14 },
		{ "=?utf-8?x?m?=", 13 },
		{ "=?utf-8?b?bc%8?=", 16 },
		{ "=?utf-8?q?a?", 12 },
		{ "=?" "?=", 4 },
		{ "=?=", 3 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (subject_length(rows[i].value) != rows[i].length)
			fail_msg("\"%s\": %zu, not %zu", rows[i].value, subject_length(rows[i].value), rows[i].length);
}

static void test_authentication_results(void **state)
{
	static const struct {
		const char *value;
		bool is_ours;
	} rows[] = {
		{ "mail.example.com; none", true },
		{ "mail.example.com", true },
		{ " MAIL.Example.COM 1 ; none", true },
		{ "mail.example.com(c); spf=pass", true },
		{ "(a (b) \\) c) mail.example.com (d) 1 (e); spf=pass", true },
		{ "\n\tmail.example.com;\n\tspf=pass", true },
		{ "\"mail.example.com\"; spf=pass", true },
		{ "\"ma\\il.example.com\"; spf=pass", true },
		{ "other.example; none", false },
		{ "other.example 1; none", false },
		{ "other.example (mail.example.com); none", false },
		{ "(a (b) c) other.example; none", false },
		{ "xmail.example.com; none", false },
		{ "mail.example.com.other; none", false },
		{ "\"other.example\"", false },
		/* not to be read, so perhaps ours to somebody */
		{ "", true },
		{ "; spf=pass", true },
		{ "spf=pass smtp.mailfrom=x", true },
		{ "(open mail.example.com; none", true },
		{ "\"open; none", true },
		{ "other.example/1; none", true },
		{ "other.example x; none", true },
		{ "m\xc3\xa4il.example.com; none", true },
		{ "other.example\\; none", true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (authentication_results_is_from(rows[i].value, "mail.example.com") != rows[i].is_ours)
			fail_msg("\"%s\"", rows[i].value);
}

static void test_date(void **state)
{
	static const struct {
		const char *zone;
		time_t when;
		const char *expected;
	} rows[] = {
		{ "UTC0", 0, "Thu, 1 Jan 1970 00:00:00 +0000" },
		{ "CET-1CEST,M3.5.0,M10.5.0", 1763715306, "Fri, 21 Nov 2025 09:55:06 +0100" },
		{ "CET-1CEST,M3.5.0,M10.5.0", 1751321106, "Tue, 1 Jul 2025 00:05:06 +0200" },
		{ "NST3:30", 1763715306, "Fri, 21 Nov 2025 05:25:06 -0330" },
		{ "AAA0:30", 1763715306, "Fri, 21 Nov 2025 08:25:06 -0030" },
		{ "NPT-5:45", 1709251199, "Fri, 1 Mar 2024 05:44:59 +0545" },
	};
	char date[DATE_FIELD_MAX];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		setenv("TZ", rows[i].zone, 1);
		tzset();
		assert_int_equal(date_field_print(date, sizeof(date), rows[i].when), 0);
		assert_string_equal(date, rows[i].expected);
	}
	assert_int_equal(date_field_print(date, 10, 0), -1);
	assert_int_equal(date_field_print(date, sizeof(date), INT64_MAX), -1);
	setenv("TZ", "UTC0", 1);
	tzset();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_date),	/* leaves the zone UTC */
		cmocka_unit_test(test_soundness),
		cmocka_unit_test(test_once_only),
		cmocka_unit_test(test_smtputf8),
		cmocka_unit_test(test_strange_fields),
		cmocka_unit_test(test_repair),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_long_name),
		cmocka_unit_test(test_subject_length),
		cmocka_unit_test(test_authentication_results),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
