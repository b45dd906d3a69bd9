/*
 * One message through all stages, with real tables: who is looked at, what each stage is answered,
 * and that nothing of one message is left for the next (case 130).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "milter/mail_transaction.h"

static char directory[] = "/tmp/postern-transaction-XXXXXX";
static char conf_path[100], senders_path[100], limits_path[100], state_path[100];

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static int make_directory(void **state)
{
	(void)state;
	if (mkdtemp(directory) == NULL)
		return -1;
	snprintf(conf_path, sizeof(conf_path), "%s/milter.conf", directory);
	snprintf(senders_path, sizeof(senders_path), "%s/senders", directory);
	snprintf(limits_path, sizeof(limits_path), "%s/limits", directory);
	snprintf(state_path, sizeof(state_path), "%s/state", directory);
	write_file(senders_path, "alice  alice@home.example default=alice@home.example\n"
				 "@home.example self\n"
				 "192.0.2.0/24 app@home.example\n"
				 "AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99 printer@home.example\n"
				 "broken nonsense@@\n");
	return 0;
}

static int remove_directory(void **state)
{
	(void)state;
	unlink(conf_path);
	unlink(senders_path);
	unlink(limits_path);
	return rmdir(directory);
}

static struct milter_setup *make_setup(const char *settings)
{
	char text[600], error[300];
	struct milter_setup *setup;

	snprintf(text, sizeof(text), "senders = \"%s\";\n%s\n", senders_path, settings);
	write_file(conf_path, text);
	setup = milter_setup_create(conf_path, error, sizeof(error));
	if (setup == NULL)
		fail_msg("%s", error);
	return setup;
}

static void set_address(struct client *client, const char *address)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)&client->address;

	v4->sin_family = AF_INET;
	inet_pton(AF_INET, address, &v4->sin_addr);
	snprintf(client->address_text, sizeof(client->address_text), "%s", address);
}

/* The client that a row speaks of: a login, "local", "cert" (the one listed), or an address. */
static struct client make_client(const char *who)
{
	struct client client = { 0 };

	set_address(&client, "203.0.113.9");
	if (strcmp(who, "local") == 0)
		client.is_local = true;
	else if (strcmp(who, "cert") == 0)
		snprintf(client.certificate, sizeof(client.certificate), "aa:bb:cc:dd:ee:ff:00:11:22:33:44:55:66:77:88:99");
	else if (who[0] >= '0' && who[0] <= '9')
		set_address(&client, who);
	else
		snprintf(client.login, sizeof(client.login), "%s", who);
	return client;
}

/* At RCPT: who may use the envelope sender, and who is looked at. */
static const struct {
	const char *who, *path, *mailer;
	enum rule_action action;
	const char *reply;		/* code and status */
	enum mail_transaction_standing standing;
} recipient_rows[] = {
	{ "alice", "<alice@home.example>", "postern", RULE_OFF, "", STANDING_LISTED },
	{ "alice", "<ceo@bank.example>", "postern", RULE_REJECT, "550 5.7.1", STANDING_LISTED },
	/* also to recipients here: a colleague's name is as good as a stranger's */
	{ "alice", "<ceo@bank.example>", "local", RULE_REJECT, "550 5.7.1", STANDING_LISTED },
	{ "bob@home.example", "<bob@home.example>", "postern", RULE_OFF, "", STANDING_LISTED },
	{ "bob@home.example", "<alice@home.example>", "postern", RULE_REJECT, "550 5.7.1", STANDING_LISTED },
	/* a login without a line sends nothing, to nobody */
	{ "mallory", "<alice@home.example>", "postern", RULE_REJECT, "550 5.7.1", STANDING_STRANGER },
	{ "mallory", "<alice@home.example>", "local", RULE_REJECT, "550 5.7.1", STANDING_STRANGER },
	/* a line with a mistake is a reason to wait */
	{ "broken", "<x@home.example>", "postern", RULE_TEMPFAIL, "451 4.3.0", STANDING_UNLISTED },
	{ "192.0.2.7", "<app@home.example>", "postern", RULE_OFF, "", STANDING_LISTED },
	{ "192.0.2.7", "<alice@home.example>", "postern", RULE_REJECT, "550 5.7.1", STANDING_LISTED },
	{ "cert", "<printer@home.example>", "postern", RULE_OFF, "", STANDING_LISTED },
	{ "cert", "<alice@home.example>", "postern", RULE_REJECT, "550 5.7.1", STANDING_LISTED },
	/* strangers: inbound mail passes, relaying does not, and what is unknown counts as leaving */
	{ "203.0.113.9", "<ceo@bank.example>", "virtual", RULE_OFF, "", STANDING_STRANGER },
	{ "203.0.113.9", "<>", "local", RULE_OFF, "", STANDING_STRANGER },
	{ "203.0.113.9", "<ceo@bank.example>", "postern", RULE_REJECT, "550 5.7.1", STANDING_STRANGER },
	{ "203.0.113.9", "<alice@home.example>", NULL, RULE_REJECT, "550 5.7.1", STANDING_STRANGER },
	/* no refusal of a recipient for sendmail(1); brackets are missing there */
	{ "local", "alice@home.example", NULL, RULE_OFF, "", STANDING_STRANGER },
	/* what is no address is nobody's */
	{ "alice", "<alice@home.example", "postern", RULE_REJECT, "550 5.7.1", STANDING_LISTED },
};

static void test_recipients(void **state)
{
	struct milter_setup *setup = make_setup("");

	(void)state;
	for (size_t i = 0; i < sizeof(recipient_rows) / sizeof(recipient_rows[0]); i++) {
		struct client client = make_client(recipient_rows[i].who);
		struct mail_transaction transaction;
		struct verdict verdict;
		char reply[20] = "";

		mail_transaction_init(&transaction);
		mail_transaction_begin(&transaction, milter_setup_acquire(setup), NULL, &client, recipient_rows[i].path, NULL);
		mail_transaction_recipient(&transaction, recipient_rows[i].mailer, &verdict);
		if (verdict.action >= RULE_TEMPFAIL)
			snprintf(reply, sizeof(reply), "%s %s", verdict.reply.code, verdict.reply.status);
		if (verdict.action != recipient_rows[i].action || strcmp(reply, recipient_rows[i].reply) != 0 ||
		    transaction.standing != recipient_rows[i].standing)
			fail_msg("row %zu: action %d, reply \"%s\", standing %d: %s", i, verdict.action, reply,
				 transaction.standing, verdict.text);
		mail_transaction_end(&transaction);
	}
	milter_setup_release(setup);
}

static void begin(struct mail_transaction *transaction, struct milter_setup *setup, const struct client *client, const char *path)
{
	struct verdict verdict;

	mail_transaction_begin(transaction, milter_setup_acquire(setup), NULL, client, path, NULL);
	mail_transaction_recipient(transaction, "postern", &verdict);
	assert_int_equal(verdict.action, RULE_OFF);
}

static void add_fields(struct mail_transaction *transaction, const char *from)
{
	assert_int_equal(message_add_field(&transaction->message, "From", from, 1000, 100000), 0);
	assert_int_equal(message_add_field(&transaction->message, "Date", "Sat, 21 Nov 2026 10:00:00 +0000", 1000, 100000), 0);
	assert_int_equal(message_add_field(&transaction->message, "Message-ID", "<1@home.example>", 1000, 100000), 0);
}

static void test_content(void **state)
{
	struct milter_setup *setup = make_setup("");
	struct client client = make_client("alice");
	struct mail_transaction transaction;
	struct verdict verdict;

	(void)state;
	mail_transaction_init(&transaction);
	begin(&transaction, setup, &client, "<alice@home.example>");
	add_fields(&transaction, "Alice <alice@home.example>");
	mail_transaction_content(&transaction, &verdict);
	assert_int_equal(verdict.action, RULE_OFF);
	assert_int_equal(transaction.findings.edit_count, 0);
	mail_transaction_end(&transaction);

	begin(&transaction, setup, &client, "<alice@home.example>");
	add_fields(&transaction, "CEO <ceo@bank.example>");
	mail_transaction_content(&transaction, &verdict);
	assert_int_equal(verdict.action, RULE_REJECT);
	assert_string_equal(verdict.reply.status, "5.7.1");
	assert_non_null(strstr(verdict.text, "ceo@bank.example"));
	assert_non_null(strstr(verdict.text, "from_address"));
	mail_transaction_end(&transaction);

	/* what was refused before is not refused again: nothing is left of it */
	begin(&transaction, setup, &client, "<alice@home.example>");
	add_fields(&transaction, "alice@home.example");
	mail_transaction_content(&transaction, &verdict);
	assert_int_equal(verdict.action, RULE_OFF);
	mail_transaction_end(&transaction);
	milter_setup_release(setup);
}

/* A forged domain does not live on in what is added. */
static void test_message_id_after_a_repair(void **state)
{
	struct milter_setup *setup = make_setup("from_address = \"repair\";");
	struct client client = make_client("alice");
	const struct field_edit *added = NULL;
	struct mail_transaction transaction;
	struct verdict verdict;

	(void)state;
	mail_transaction_init(&transaction);
	begin(&transaction, setup, &client, "<alice@home.example>");
	assert_int_equal(message_add_field(&transaction.message, "From", "CEO <ceo@bank.example>", 10, 1000), 0);
	mail_transaction_content(&transaction, &verdict);
	assert_int_equal(verdict.action, RULE_REPAIR);
	for (size_t i = 0; i < transaction.findings.edit_count; i++)
		if (strcmp(transaction.findings.edits[i].name, "Message-ID") == 0)
			added = &transaction.findings.edits[i];
	assert_non_null(added);
	assert_non_null(strstr(added->value, "@home.example>"));
	mail_transaction_end(&transaction);
	milter_setup_release(setup);
}

/* Fields that were read elsewhere are the transaction's, and gone with it. */
static void test_moved_fields(void **state)
{
	struct milter_setup *setup = make_setup("");
	struct client client = make_client("alice");
	struct mail_transaction transaction;
	struct message from, fresh;

	(void)state;
	mail_transaction_init(&transaction);
	begin(&transaction, setup, &client, "<alice@home.example>");
	message_init(&from);
	message_init(&fresh);
	assert_int_equal(message_add_field(&from, "From", "alice@home.example", 10, 1000), 0);
	mail_transaction_move_fields(&transaction, &from);
	assert_memory_equal(&from, &fresh, sizeof(from));
	message_reset(&from);
	assert_string_equal(message_field(&transaction.message, "From", 1)->value, "alice@home.example");
	assert_non_null(transaction.message.texts.last);
	mail_transaction_end(&transaction);
	milter_setup_release(setup);
}

/* Mail of sendmail(1) that nobody may send is refused, though only at the end. */
static void test_local_is_judged_at_the_end(void **state)
{
	struct milter_setup *setup = make_setup("");
	struct client client = make_client("local");
	struct mail_transaction transaction;
	struct verdict verdict;

	(void)state;
	mail_transaction_init(&transaction);
	begin(&transaction, setup, &client, "ceo@bank.example");
	add_fields(&transaction, "ceo@bank.example");
	mail_transaction_content(&transaction, &verdict);
	assert_int_equal(verdict.action, RULE_REJECT);
	assert_string_equal(verdict.reply.code, "550");
	mail_transaction_end(&transaction);
	milter_setup_release(setup);
}

/* Inbound mail is not looked at, whatever is in it. */
static void test_inbound_is_left_alone(void **state)
{
	struct milter_setup *setup = make_setup("profile = \"strict\";");
	struct client client = make_client("203.0.113.9");
	struct mail_transaction transaction;
	struct verdict verdict;

	(void)state;
	mail_transaction_init(&transaction);
	mail_transaction_begin(&transaction, milter_setup_acquire(setup), NULL, &client, "<x@bank.example>", NULL);
	mail_transaction_recipient(&transaction, "postern", &verdict);
	assert_int_equal(verdict.action, RULE_REJECT);
	mail_transaction_recipient(&transaction, "virtual", &verdict);
	assert_int_equal(verdict.action, RULE_OFF);
	assert_false(mail_transaction_wants_content(&transaction));
	mail_transaction_content(&transaction, &verdict);
	assert_int_equal(verdict.action, RULE_OFF);
	assert_int_equal(transaction.findings.edit_count, 0);
	mail_transaction_end(&transaction);
	milter_setup_release(setup);
}

/* mode = "log" refuses and changes nothing, and says in one line what it would have done. */
static void test_log_mode(void **state)
{
	struct milter_setup *setup = make_setup("mode = \"log\";");
	static const char *const whos[] = { "alice", "mallory", "broken", "203.0.113.9" };

	(void)state;
	for (size_t i = 0; i < sizeof(whos) / sizeof(whos[0]); i++) {
		struct client client = make_client(whos[i]);
		struct mail_transaction transaction;
		struct verdict verdict;

		mail_transaction_init(&transaction);
		begin(&transaction, setup, &client, "<ceo@bank.example>");
		assert_int_equal(message_add_field(&transaction.message, "From", "ceo@bank.example", 10, 1000), 0);
		mail_transaction_content(&transaction, &verdict);
		assert_int_equal(verdict.action, RULE_LOG);
		assert_int_equal(transaction.findings.edit_count, 0);
		mail_transaction_end(&transaction);
	}
	milter_setup_release(setup);
}

/* SIZE= is believed at RCPT, the bytes are counted at the end. */
static void test_size(void **state)
{
	struct milter_setup *setup = make_setup("");
	struct client client = make_client("alice");
	char *declared[] = { "BODY=8BITMIME", "SIZE=2000", NULL };
	struct mail_transaction transaction;
	struct rate_limits *limits;
	struct verdict verdict;
	char error[300];

	(void)state;
	write_file(limits_path, "login:alice size=1k\n");
	limits = rate_limits_create(limits_path, state_path, error, sizeof(error));
	if (limits == NULL)
		fail_msg("%s", error);
	mail_transaction_init(&transaction);
	mail_transaction_begin(&transaction, milter_setup_acquire(setup), limits, &client, "<alice@home.example>", declared);
	mail_transaction_recipient(&transaction, "postern", &verdict);
	assert_int_equal(verdict.action, RULE_REJECT);
	assert_string_equal(verdict.reply.code, "552");
	mail_transaction_end(&transaction);

	mail_transaction_begin(&transaction, milter_setup_acquire(setup), limits, &client, "<alice@home.example>", NULL);
	mail_transaction_recipient(&transaction, "postern", &verdict);
	assert_int_equal(verdict.action, RULE_OFF);
	add_fields(&transaction, "alice@home.example");
	assert_false(mail_transaction_is_too_large(&transaction));
	transaction.message.content_bytes += 1024;
	assert_true(mail_transaction_is_too_large(&transaction));
	mail_transaction_content(&transaction, &verdict);
	assert_int_equal(verdict.action, RULE_REJECT);
	assert_string_equal(verdict.reply.status, "5.3.4");
	mail_transaction_end(&transaction);
	rate_limits_destroy(limits);
	unlink(state_path);
	milter_setup_release(setup);
}

/* Who may not send uses up nobody's rate; who may is counted per message and recipient. */
static void test_rate(void **state)
{
	struct milter_setup *setup = make_setup("");
	struct client client = make_client("alice");
	struct mail_transaction transaction;
	struct rate_limits *limits;
	struct verdict verdict;
	char error[300];

	(void)state;
	write_file(limits_path, "login:alice messages=2/1h recipients=3/1h\n");
	limits = rate_limits_create(limits_path, state_path, error, sizeof(error));
	assert_non_null(limits);
	mail_transaction_init(&transaction);
	for (int i = 0; i < 10; i++) {
		mail_transaction_begin(&transaction, milter_setup_acquire(setup), limits, &client, "<ceo@bank.example>", NULL);
		mail_transaction_recipient(&transaction, "postern", &verdict);
		assert_int_equal(verdict.action, RULE_REJECT);
	}
	/* two recipients in the first message, one in the second, none in the third */
	for (int i = 0; i < 2; i++) {
		mail_transaction_begin(&transaction, milter_setup_acquire(setup), limits, &client, "<alice@home.example>", NULL);
		for (int k = i; k < 2; k++) {
			mail_transaction_recipient(&transaction, "postern", &verdict);
			assert_int_equal(verdict.action, RULE_OFF);
		}
	}
	mail_transaction_recipient(&transaction, "postern", &verdict);
	assert_int_equal(verdict.action, RULE_TEMPFAIL);
	mail_transaction_begin(&transaction, milter_setup_acquire(setup), limits, &client, "<alice@home.example>", NULL);
	mail_transaction_recipient(&transaction, "postern", &verdict);
	assert_int_equal(verdict.action, RULE_TEMPFAIL);
	assert_string_equal(verdict.reply.code, "451");
	mail_transaction_end(&transaction);
	rate_limits_destroy(limits);
	unlink(state_path);
	milter_setup_release(setup);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_recipients),
		cmocka_unit_test(test_content),
		cmocka_unit_test(test_message_id_after_a_repair),
		cmocka_unit_test(test_moved_fields),
		cmocka_unit_test(test_local_is_judged_at_the_end),
		cmocka_unit_test(test_inbound_is_left_alone),
		cmocka_unit_test(test_log_mode),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_rate),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
