/*
 * Any bytes as a message's header section, through all rules with everything that can be repaired
 * set to repair: findings are printable, of one line and name their rule; a message whose From is
 * accepted has only addresses of the list in it; and after the edits nothing is left to repair.
 * Byte 0: SMTPUTF8, null reverse-path, a list without default address.
 *
 * feeds: the header section of a message, to the milter's rules
 * covers: milter/header_policy.c
 */
#include <stdint.h>

#include "milter/address_list.h"
#include "milter/header_policy.h"
#include "milter/sender_policy.h"
#include "tests/unit/milter_fixture.h"

#define LIST "alice@example.com @alice.example xn--mnchen-3ya.example"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static struct milter_conf conf;
static struct senders_entry entries[2];

static void require(bool condition)
{
	if (!condition)
		abort();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	char text[RULE_COUNT * 40 + 300], reason[300];

	(void)argc;
	(void)argv;
	/* Reply-To and X-Mailer are fields that two rules want away. */
	strcpy(text, "authserv_id = \"mail.example.com\"; subject_length_limit = 20;\n"
		     "originating_ip_fields = [\"X-PHP-Script\", \"Reply-To\", \"X-Mailer\"];\n");
	for (int rule = 0; rule < RULE_MESSAGE_SIZE; rule++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s = \"%s\";\n", rule_name((enum rule)rule),
			 rule_allows_action((enum rule)rule, RULE_REPAIR) ? "repair" : "reject");
	fixture_conf(&conf, text);
	for (int i = 0; i < 2; i++) {
		entries[i].list = sender_list_parse(i == 0 ? LIST " default=alice@example.com" : LIST, NULL, reason,
						    sizeof(reason));
		require(entries[i].list != NULL);
		strcpy(entries[i].who, "login:alice");
	}
	return 0;
}

static void check(struct findings *findings, const struct senders_entry *entry, const struct message *message)
{
	static const struct header_policy_facts facts = { .now = 1763715306,
							  .unique = "1.2",
							  .from_domain = "example.com" };

	memset(findings, 0, sizeof(*findings));
	sender_policy_envelope(findings, &conf, entry, NULL, message);
	sender_policy_fields(findings, &conf, entry, NULL, message);
	header_policy_check(findings, &conf, message, &facts);
}

static bool has_rule(const struct findings *findings, enum rule rule)
{
	for (size_t i = 0; i < findings->count; i++)
		if (findings->items[i].rule == rule)
			return true;
	return false;
}

static void check_texts(const struct findings *findings)
{
	for (size_t i = 0; i < findings->count; i++) {
		const struct finding *finding = &findings->items[i];

		require(finding->action != RULE_OFF && finding->text[0] != '\0');
		for (const char *at = finding->text; *at != '\0'; at++)
			require(*at >= ' ' && *at <= '~');
		require(strstr(finding->text, rule_name(finding->rule)) != NULL);
	}
}

/* Nobody else's address is in From when no rule said so. */
static void check_accepted(const struct findings *findings, const struct senders_entry *entry,
			   const struct message *message)
{
	const struct header_field *from = message_field(message, "From", 1);
	struct address_list list;
	char reason[300];

	if (message->is_header_too_large || has_rule(findings, RULE_FROM_SYNTAX) ||
	    has_rule(findings, RULE_FROM_ADDRESS) || has_rule(findings, RULE_FROM_MISSING))
		return;
	require(from != NULL);
	require(address_list_parse(&list, from->value, strlen(from->value), message->is_smtputf8, reason,
				   sizeof(reason)) == 0);
	require(list.count > 0);
	for (size_t i = 0; i < list.count; i++)
		require(sender_list_allows(entry->list, SENDER_IN_FROM, &list.items[i].address, NULL));
	address_list_wipe(&list);
}

/* An edit is a field's worth of text. */
static void check_edits(const struct findings *findings)
{
	for (size_t i = 0; i < findings->edit_count; i++) {
		const char *value = findings->edits[i].value;

		require((value == NULL) == (findings->edits[i].kind == FIELD_EDIT_DELETE));
		for (; value != NULL && *value != '\0'; value++)
			require(*value != '\r' && (*value != '\n' || value[1] == ' '));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	const struct senders_entry *entry;
	struct findings findings;
	struct message message;

	if (length == 0)
		return 0;
	fixture_message_bytes(&message, bytes + 1, length - 1);
	entry = &entries[(bytes[0] & 4) != 0];
	message.is_smtputf8 = (bytes[0] & 1) != 0;
	message.reverse_path.is_null = (bytes[0] & 2) != 0;
	strcpy(message.reverse_path.mailbox.local_part, "alice");
	strcpy(message.reverse_path.mailbox.domain, "example.com");
	check(&findings, entry, &message);
	require(!findings.has_failed);
	check_texts(&findings);
	check_accepted(&findings, entry, &message);
	check_edits(&findings);
	fixture_apply(&message, &findings);
	findings_wipe(&findings);

	check(&findings, entry, &message);
	require(findings.edit_count == 0);
	for (size_t i = 0; i < findings.count; i++)
		require(findings.items[i].action != RULE_REPAIR);
	findings_wipe(&findings);
	message_reset(&message);
	return 0;
}
