/* Who may send as whom: the envelope, every field that shows a sender, and what repair makes of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "milter/content_type.h"
#include "milter/null_sender.h"
#include "milter/sender_policy.h"
#include "milter_fixture.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define ALICE "alice@example.com shop@example.com @alice.example"
#define WITH_DEFAULT ALICE " default=alice@example.com"

/* `envelope`: NULL stands for what cannot be parsed, "" for the null reverse-path. */
static void set_envelope(struct message *message, const char *envelope)
{
	char error[200];

	message->has_bad_sender = envelope == NULL;
	message->reverse_path.is_null = envelope != NULL && envelope[0] == '\0';
	snprintf(message->sender_text, sizeof(message->sender_text), "%s", envelope != NULL ? envelope : "no address");
	if (envelope != NULL && envelope[0] != '\0')
		fixture_need(mailbox_parse(&message->reverse_path.mailbox, envelope, strlen(envelope), true, error,
					   sizeof(error)) == 0, error);
}

typedef void policy_fn(struct findings *findings, const struct milter_conf *conf, const struct senders_entry *entry,
		       const struct sender_address *self, const struct message *message);

static void run(struct findings *findings, policy_fn *policy, const char *conf_text, const char *list,
		const struct message *message)
{
	struct senders_entry entry = { .who = "login:alice", .where = "/etc/postern/senders:1" };
	struct milter_conf conf;
	char reason[300] = "";

	memset(findings, 0, sizeof(*findings));
	fixture_conf(&conf, conf_text);
	entry.list = sender_list_parse(list, NULL, reason, sizeof(reason));
	fixture_need(entry.list != NULL, reason);
	policy(findings, &conf, &entry, NULL, message);
	sender_list_release(entry.list);
	conf_wipe(&conf, milter_conf_settings);
}

static void test_envelope(void **state)
{
	static const struct {
		const char *envelope, *list, *conf, *rules;
	} rows[] = {
		{ "alice@example.com", ALICE, "", "" },
		{ "Alice@EXAMPLE.com", ALICE, "", "" },
		{ "bob@example.com", ALICE, "", "envelope_sender reject" },
		{ "bob@example.com", "*", "", "" },
		{ "bob@example.com", ALICE, "envelope_sender = \"tempfail\";", "envelope_sender tempfail" },
		{ "bob@example.com", ALICE, "envelope_sender = \"off\";", "" },
		{ "bob@example.com", ALICE, "mode = \"log\";", "envelope_sender log" },
		{ "bob@example.com", ALICE " from:bob@example.com", "", "envelope_sender reject" },
		{ "bob@example.com", ALICE " envelope:bob@example.com", "", "" },
		{ NULL, ALICE, "", "envelope_sender reject" },
		{ NULL, "*", "", "envelope_sender reject" },
		/* case 137: that is judged when the fields are there */
		{ "", ALICE, "", "" },
	};
	char rules[500];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct findings findings;
		struct message message;

		message_init(&message);
		set_envelope(&message, rows[i].envelope);
		run(&findings, sender_policy_envelope, rows[i].conf, rows[i].list, &message);
		if (strcmp(fixture_rules(&findings, rules, sizeof(rules)), rows[i].rules) != 0)
			fail_msg("<%s> for \"%s\": %s", rows[i].envelope, rows[i].list, rules);
		findings_wipe(&findings);
		message_reset(&message);
	}
}

static void check_fields(const char *list, const char *conf, const char *envelope, const char *text, const char *rules,
			 const char *after)
{
	struct findings findings;
	struct message message;
	char found[1000], *left;

	fixture_message(&message, text);
	set_envelope(&message, envelope);
	run(&findings, sender_policy_fields, conf, list, &message);
	if (strcmp(fixture_rules(&findings, found, sizeof(found)), rules) != 0)
		fail_msg("%swith \"%s\" %s: %s%s%s", text, list, conf, found, findings.count > 0 ? ": " : "",
			 findings.count > 0 ? findings.items[0].text : "");
	for (size_t i = 0; i < findings.count; i++)
		assert_non_null(strstr(findings.items[i].text, rule_name(findings.items[i].rule)));
	fixture_apply(&message, &findings);
	left = fixture_print(&message);
	if (strcmp(left, after != NULL ? after : text) != 0)
		fail_msg("%swith \"%s\" %s: left %s", text, list, conf, left);
	free(left);
	findings_wipe(&findings);
	run(&findings, sender_policy_fields, conf, list, &message);
	assert_int_equal(findings.edit_count, 0);
	findings_wipe(&findings);
	message_reset(&message);
}

/* Every address of From must be theirs. */
static void test_from(void **state)
{
	static const struct {
		const char *text, *rules;
	} rows[] = {
		{ "From: alice@example.com\n", "" },
		{ "From: Alice <ALICE@Example.com>\n", "" },
		{ "From: bob@example.com\n", "from_address reject" },
		/* case 132 */
		{ "To: x@y.example\n", "from_missing reject" },
		{ "From: alice@example.com\nFrom: alice@example.com\n", "from_duplicate reject" },
		{ "From: alice@example.com\nFROM: bob@example.com\n", "from_duplicate reject; from_address reject" },
		{ "From: bob@example.com\nfrom: alice@example.com\n", "from_duplicate reject; from_address reject" },
		{ "From: \n", "from_syntax reject" },
		/* case 133 */
		{ "From: alice@example.com, bob@example.com\nSender: alice@example.com\n", "from_address reject" },
		{ "From: alice@example.com, shop@example.com\nSender: alice@example.com\n", "" },
		{ "From: alice@example.com, shop@example.com\n", "from_syntax reject" },
		{ "From: A: alice@example.com, bob@example.com;\nSender: alice@example.com\n", "from_address reject" },
		{ "From: A: alice@example.com;\n", "" },
		{ "From: A:;\n", "from_syntax reject" },
		{ "From: undisclosed\n", "from_syntax reject" },
		{ "From: <@a.example,@b.example:alice@example.com>\n", "from_syntax reject" },
		{ "From: \"bob@example.com\" <alice@example.com>\n", "" },
		{ "From: alice@example.com (bob@example.com)\n", "" },
		{ "From: <\"ab\"@alice.example>\n", "" },
		{ "From: \"bob@example.com\"@alice.example\n", "from_syntax reject" },
		/* case 135 */
		{ "From: bob@example.com <alice@example.com>\n", "from_syntax reject" },
		{ "From: <bob@example.com>,alice@example.com\nSender: alice@example.com\n", "from_address reject" },
		{ "From: <bob@example.com> <alice@example.com>\n", "from_syntax reject" },
		{ "X: y\nFrom : bob@example.com\n", "from_address reject" },
		{ "From: m\xc3\xbcller@alice.example\n", "from_syntax reject" },
		/* case 131 */
		{ "From: =?utf-8?q?a=0D=0ABcc:_b?= <alice@example.com>\n", "from_syntax reject" },
		/* case 134: an encoded word is a name, never an address */
		{ "From: =?utf-8?q?ceo=40bank.example?= <alice@example.com>\n", "" },
		{ "From: =?utf-8?q?alice=40example.com?=\n", "from_syntax reject" },
		/* case 139 */
		{ "From:\n Alice\n\t<alice@example.com>\n", "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		check_fields(ALICE, "", "alice@example.com", rows[i].text, rows[i].rules,
			     strncmp(rows[i].text, "X: y\nFrom :", 11) == 0 ? "X: y\nFrom: bob@example.com\n"
			     : strncmp(rows[i].text, "From:\n", 6) == 0	    ? "From: \n Alice\n\t<alice@example.com>\n"
									    : NULL);
}

struct row {
	const char *list, *conf, *envelope, *text, *rules;
	const char *after;	/* NULL: as before */
};

static void check_rows(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		check_fields(rows[i].list, rows[i].conf, rows[i].envelope, rows[i].text, rows[i].rules, rows[i].after);
}

#define E "alice@example.com"
#define F "From: alice@example.com\n"

static void test_from_repair(void **state)
{
	static const struct row rows[] = {
		{ WITH_DEFAULT, "from_missing = \"repair\";", E, "To: x\n", "from_missing repair", "To: x\n" F },
		{ ALICE, "from_missing = \"repair\";", E, "To: x\n", "from_missing reject", NULL },
		{ WITH_DEFAULT, "from_address = \"repair\";", E, "From: Bob <bob@example.com> (x)\nTo: x\n",
		  "from_address repair", F "To: x\n" },
		{ ALICE, "from_address = \"repair\";", E, "From: bob@example.com\n", "from_address reject", NULL },
		{ ALICE, "from_address = \"repair\"; mode = \"log\";", E, "From: bob@example.com\n", "from_address log",
		  NULL },
		{ WITH_DEFAULT, "from_address = \"repair\";", E, "From: a b c\n", "from_syntax reject", NULL },
		/* a field that cannot be read is not passed over because its syntax is nobody's concern */
		{ WITH_DEFAULT, "from_syntax = \"off\";", E, "From: a b c\n", "from_address reject", NULL },
		{ WITH_DEFAULT, "from_syntax = \"log\";", E, "From: A:;\n", "from_syntax log; from_address reject",
		  NULL },
		{ WITH_DEFAULT, "from_syntax = \"log\"; from_address = \"repair\";", E, "From: a b c\n",
		  "from_syntax log; from_address repair", F },
		{ WITH_DEFAULT, "from_duplicate = \"log\"; from_address = \"repair\";", E,
		  F "From: bob@example.com\nFrom: carol@example.com\n",
		  "from_duplicate log; from_address repair; from_address repair", F F F },
		{ WITH_DEFAULT, "from_address = \"repair\"; from_domain = \"reject\";", E, "From: bob@other.example\n",
		  "from_address repair", F },
		{ WITH_DEFAULT, "from_address = \"repair\"; from_domain = \"reject\";", "a@alice.example",
		  "From: bob@alice.example.com\n", "from_address repair; from_domain reject", F },
	};

	(void)state;
	check_rows(rows, COUNT(rows));
}

static void test_from_domain(void **state)
{
	static const struct row rows[] = {
		{ ALICE, "", E, "From: x@alice.example\n", "", NULL },
		{ ALICE, "from_domain = \"reject\";", E, F, "", NULL },
		{ ALICE, "from_domain = \"reject\";", "alice@EXAMPLE.com", F, "", NULL },
		{ ALICE, "from_domain = \"reject\";", E, "From: x@alice.example\n", "from_domain reject", NULL },
		{ ALICE, "from_domain = \"reject\";", E, "From: x@alice.example, " E "\nSender: " E "\n",
		  "from_domain reject", NULL },
		{ ALICE, "from_domain = \"reject\"; null_sender = \"off\";", "", F, "", NULL },
		{ ALICE, "from_domain = \"reject\";", NULL, F, "", NULL },
		{ ALICE " default=\"ab\"@alice.example", "from_missing = \"repair\";", E, "To: x\n",
		  "from_missing repair", "To: x\nFrom: <\"ab\"@alice.example>\n" },
	};

	(void)state;
	check_rows(rows, COUNT(rows));
}

static void test_display_name(void **state)
{
	static const struct row rows[] = {
		{ ALICE, "", E, "From: \"ceo@bank.example\" <" E ">\n", "", NULL },
		{ ALICE, "display_name = \"reject\";", E, "From: \"ceo@bank.example\" <" E ">\n", "display_name reject",
		  NULL },
		{ ALICE, "display_name = \"repair\";", E, "From: \"ceo@bank.example\" <" E ">\n", "display_name repair",
		  F },
		{ ALICE, "display_name = \"repair\";", E, "From: =?utf-8?q?ceo=40bank.example?= <" E ">\n",
		  "display_name repair", F },
		{ ALICE, "display_name = \"repair\";", E, "From: Alice <" E ">\n", "", NULL },
		{ ALICE, "display_name = \"repair\";", E,
		  "From: A: Alice <" E ">, \"ceo@bank.example\" <shop@example.com>;\nSender: " E "\n",
		  "display_name repair", "From: " E ",\n shop@example.com\nSender: " E "\n" },
		/* what needs brackets keeps them */
		{ ALICE, "display_name = \"repair\";", E, "From: \"ceo@bank.example\" <\"ab\"@alice.example>\n",
		  "display_name repair", "From: <\"ab\"@alice.example>\n" },
		{ "*", "display_name = \"repair\";", E, "From: \"ceo@bank.example\" <bob@[192.0.2.1]>\n",
		  "display_name repair", "From: <bob@[192.0.2.1]>\n" },
		/* the default address takes the name with it */
		{ WITH_DEFAULT, "display_name = \"repair\"; from_address = \"repair\";", E,
		  "From: \"ceo@bank.example\" <bob@example.com>\n", "from_address repair", F },
	};

	(void)state;
	check_rows(rows, COUNT(rows));
}

static void test_other_fields(void **state)
{
	static const struct row rows[] = {
		{ ALICE, "", E, F "Sender: Alice <alice@example.com>\n", "", NULL },
		{ ALICE, "", E, F "Sender: bob@example.com\n", "sender_address reject", NULL },
		{ ALICE, "", E, F "Sender: a b\n", "sender_address reject", NULL },
		{ ALICE, "", E, F "Sender:\n", "sender_address reject", F "Sender: \n" },
		{ ALICE, "", E, F "Sender: " E ", shop@example.com\n", "sender_address reject", NULL },
		{ ALICE, "", E, F "Sender: A: " E ";\n", "sender_address reject", NULL },
		/* case 132: the second one counts too */
		{ ALICE, "", E, F "Sender: " E "\nsender: bob@example.com\n", "sender_address reject", NULL },
		{ ALICE, "sender_address = \"repair\";", E, "Sender: " E "\n" F "sender: bob@example.com\n",
		  "sender_address repair", F },
		{ ALICE, "sender_address = \"off\";", E, F "Sender: a b\n", "", NULL },
		{ ALICE, "sender_address = \"repair\";", E, "From: " E ", shop@example.com\nSender: bob@example.com\n",
		  "sender_address reject", NULL },
		{ WITH_DEFAULT, "sender_address = \"repair\"; from_address = \"repair\";", E,
		  "From: " E ", x@y.example\nSender: bob@example.com\n", "from_address repair; sender_address repair",
		  F },
		{ ALICE, "", E, F "Resent-From: " E "\nResent-Sender: " E "\nResent-From: shop@example.com\n", "",
		  NULL },
		{ ALICE, "", E, F "Resent-From: " E "\nResent-From: bob@example.com\n", "resent_address reject", NULL },
		{ ALICE, "", E, F "Resent-From: " E ", bob@example.com\n", "resent_address reject", NULL },
		{ ALICE, "", E, F "Resent-From: " E ", shop@example.com\nResent-Sender: bob@example.com\n",
		  "resent_address reject", NULL },
		{ ALICE, "", E, F "Resent-Sender: " E ", shop@example.com\n", "resent_address reject", NULL },
		{ ALICE, "", E, F "Resent-From: a b\n", "resent_address reject", NULL },
		{ ALICE, "", E, F "Reply-To: a b\nReply-To: bob@example.com\n", "", NULL },
		{ ALICE, "reply_to_syntax = \"reject\";", E, F "Reply-To: a b\n", "reply_to_syntax reject", NULL },
		{ ALICE, "reply_to_syntax = \"reject\";", E, F "Reply-To: bob@example.com, carol@example.com\n", "",
		  NULL },
		{ ALICE, "reply_to_syntax = \"reject\";", E, F "Reply-To: nobody:;\n", "reply_to_syntax reject", NULL },
		{ ALICE, "reply_to_syntax = \"repair\";", E, "Reply-To: a b\n" F "Reply-To: " E "\nReply-To: c d\n",
		  "reply_to_syntax repair; reply_to_syntax repair", F "Reply-To: " E "\n" },
		{ ALICE, "reply_to_address = \"repair\";", E,
		  "Reply-To: bob@example.com\n" F "Reply-To: " E "\nReply-To: a b\n",
		  "reply_to_address repair; reply_to_address repair", F "Reply-To: " E "\n" },
		{ ALICE, "reply_to_syntax = \"repair\"; reply_to_address = \"repair\";", E,
		  "Reply-To: bob@example.com\n" F "Reply-To: a b\n", "reply_to_syntax repair; reply_to_address repair",
		  F },
	};

	(void)state;
	check_rows(rows, COUNT(rows));
}

#define BOUNCE "Content-Type: multipart/report; report-type=delivery-status;\n boundary=\"x\"\n"
#define READ "Content-Type: multipart/report; boundary=x; report-type=disposition-notification\n"

/* Case 137. */
static void test_null_sender(void **state)
{
	static const struct row rows[] = {
		{ ALICE, "", "", F, "null_sender reject", NULL },
		{ ALICE " <>", "", "", F, "", NULL },
		{ ALICE, "null_sender = \"log\";", "", F, "null_sender log", NULL },
		{ ALICE, "null_sender_classes = [\"any\"];", "", F, "", NULL },
		{ ALICE, "", "", F BOUNCE, "", NULL },
		{ ALICE, "", "", F READ, "", NULL },
		{ ALICE, "", "", F "Auto-Submitted: auto-replied\n", "", NULL },
		{ ALICE, "null_sender_classes = [\"auto-reply\"];", "", F BOUNCE, "null_sender reject", NULL },
		{ ALICE, "null_sender_classes = [\"bounce\"];", "", F READ, "null_sender reject", NULL },
		{ ALICE, "null_sender_classes = [\"bounce\"];", "", F "Auto-Submitted: auto-replied\n",
		  "null_sender reject", NULL },
		/* a bounce shows a sender like everything else */
		{ ALICE, "", "", "From: bob@example.com\n" BOUNCE, "from_address reject", NULL },
		/* twice says nothing for sure */
		{ ALICE, "", "", F BOUNCE BOUNCE, "null_sender reject", NULL },
		{ ALICE, "", "", F "Auto-Submitted: auto-replied\nAuto-Submitted: no\n", "null_sender reject", NULL },
	};

	(void)state;
	check_rows(rows, COUNT(rows));
}

static void test_auto_submitted(void **state)
{
	static const struct {
		const char *value;
		bool is_reply;
	} rows[] = {
		{ "auto-replied", true },
		{ "auto-generated", true },
		{ " (vacation) Auto-Replied (x) ; owner-email=\"a@b\"", true },
		{ "x-mine", true },
		{ "no", false },
		{ "NO", false },
		{ "(auto-replied) no", false },
		{ "", false },
		{ "auto-replied no", false },
		{ "(auto-replied", false },
		{ "\"auto-replied\"", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct message message;

		message_init(&message);
		assert_int_equal(message_add_field(&message, "Auto-Submitted", rows[i].value, 10, 1000), 0);
		if (null_sender_is_class(&message, "auto-reply") != rows[i].is_reply)
			fail_msg("%s", rows[i].value);
		assert_false(null_sender_is_class(&message, "auto"));
		message_reset(&message);
	}
}

static void test_content_type(void **state)
{
	static const struct {
		const char *value;
		bool is_report;
	} rows[] = {
		{ "multipart/report; report-type=delivery-status", true },
		{ "Multipart/REPORT; Report-Type=Delivery-Status; boundary=x", true },
		{ "multipart/report;\n\treport-type=delivery-status;\n\tboundary=\"a;report-type=b\"", true },
		{ "(c) multipart (c) / (c) report (c) ; (c) report-type (c) = (c) \"delivery-status\" (c)", true },
		{ "multipart/report; report-type=delivery-status;", true },
		{ "multipart/report", false },
		{ "multipart/report; report-type=feedback-report", false },
		{ "multipart/mixed; report-type=delivery-status", false },
		{ "text/plain; x=\"multipart/report; report-type=delivery-status\"", false },
		{ "multipart/report; x=\"; report-type=delivery-status\"", false },
		{ "multipart/report (; report-type=delivery-status)", false },
		{ "multipart/report; report-type=delivery-status; report-type=delivery-status", false },
		{ "multipart/report; report-type=delivery-status; report-type=x", false },
		{ "multipart/report; report-type*=us-ascii''delivery-status", false },
		{ "multipart/report; report-type=delivery-status garbage", false },
		{ "multipart/report; report-type=delivery-status; boundary=\"open", false },
		{ "multipart/report; report-type=delivery-status (open", false },
		{ "multipart/report;; report-type=delivery-status", false },
		{ "multipart/report report-type=delivery-status", false },
		{ "multipart; report-type=delivery-status", false },
		{ "", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (content_type_is_report(rows[i].value, "delivery-status") != rows[i].is_report)
			fail_msg("%s", rows[i].value);
}

/* What somebody reads in a bounce: one line, which address, where, by which rule. */
static void test_texts(void **state)
{
	static const struct {
		const char *list, *conf, *envelope, *text, *expected;
	} rows[] = {
		{ ALICE, "", E, "From: CEO@bank.example\n",
		  "alice may not send as <ceo@bank.example> in From (rule from_address)" },
		{ ALICE, "from_address = \"repair\";", E, "From: ceo@bank.example\n",
		  "alice may not send as <ceo@bank.example> in From, and there is no default address to put there "
		  "(rule from_address)" },
		{ ALICE, "from_syntax = \"off\";", E, "From: a b\n",
		  "alice may not send without an address in From that can be read (rule from_address)" },
		{ ALICE, "", E, "To: x\n", "there is no From field (rule from_missing)" },
		{ ALICE, "", E, F F, "there is more than one From field (rule from_duplicate)" },
		{ ALICE, "", E, "From: A:;\n", "there is no address in From (rule from_syntax)" },
		{ ALICE, "", E, "From: " E "," E "\n",
		  "From has several addresses, which need a Sender field (rule from_syntax)" },
		{ ALICE, "", E, F "Sender: bob@example.com\n",
		  "alice may not send as <bob@example.com> in Sender (rule sender_address)" },
		{ ALICE, "", E, F "Sender: " E "," E "\n", "Sender must be one address (rule sender_address)" },
		{ ALICE, "from_domain = \"reject\";", E, "From: x@alice.example\n",
		  "From is not in the domain of the envelope sender <alice@example.com> (rule from_domain)" },
		{ ALICE, "", "", F,
		  "alice may not send from <> what is none of bounce, auto-reply, disposition-notification (rule "
		  "null_sender)" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct findings findings;
		struct message message;

		fixture_message(&message, rows[i].text);
		set_envelope(&message, rows[i].envelope);
		run(&findings, sender_policy_fields, rows[i].conf, rows[i].list, &message);
		assert_int_equal(findings.count, 1);
		assert_string_equal(findings.items[0].text, rows[i].expected);
		findings_wipe(&findings);
		message_reset(&message);
	}
}

/* The rule's name is in the text however long the rest is. */
static void test_long_texts(void **state)
{
	char text[2000] = "From: ";
	struct findings findings;
	struct message message;

	(void)state;
	memset(text + strlen(text), 'x', 60);
	snprintf(text + strlen(text), sizeof(text) - strlen(text), "@");
	for (int i = 0; i < 3; i++) {
		memset(text + strlen(text), 'y', 60);
		strcat(text, ".");
	}
	strcat(text, "example\n");
	fixture_message(&message, text);
	set_envelope(&message, E);
	run(&findings, sender_policy_fields, "from_address = \"repair\";", ALICE, &message);
	assert_int_equal(findings.count, 1);
	if (strstr(findings.items[0].text, "no default address to put there (rule from_address)") == NULL)
		fail_msg("%s", findings.items[0].text);
	findings_wipe(&findings);
	message_reset(&message);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_envelope),
		cmocka_unit_test(test_from),
		cmocka_unit_test(test_from_repair),
		cmocka_unit_test(test_from_domain),
		cmocka_unit_test(test_display_name),
		cmocka_unit_test(test_other_fields),
		cmocka_unit_test(test_null_sender),
		cmocka_unit_test(test_auto_submitted),
		cmocka_unit_test(test_content_type),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_long_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
