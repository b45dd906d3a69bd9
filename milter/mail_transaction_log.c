/* Grammar of Postfix's own lines: words for grep, names with "=", what comes from a peer printable. */
#include "mail_transaction_log.h"

#include <stdio.h>
#include <string.h>

#include "address_list.h"
#include "lib/log.h"

#define LIST_MAX 600

static void append(char *out, size_t size, const char *separator, const char *text)
{
	size_t length = strlen(out);

	snprintf(out + length, size - length, "%s%s", length > 0 ? separator : "", text);
}

/* Each rule once, as they were found. */
static void print_rules(char *out, size_t size, const struct findings *findings, enum rule_action least)
{
	bool is_printed[RULE_COUNT] = { false };

	out[0] = '\0';
	for (size_t i = 0; i < findings->count; i++) {
		const struct finding *finding = &findings->items[i];

		if (finding->action < least || is_printed[finding->rule])
			continue;
		is_printed[finding->rule] = true;
		append(out, size, ",", rule_name(finding->rule));
	}
	if (out[0] == '\0')
		append(out, size, "", "none");
}

/* The addresses of From, or what stands there if it cannot be read. */
static void print_from(char *out, size_t size, const struct message *message)
{
	const struct header_field *field = message_field(message, "From", 1);
	struct address_list list;
	char reason[200], raw[200];

	out[0] = '\0';
	if (field == NULL)
		return;
	if (address_list_parse(&list, field->value, strlen(field->value), true, reason, sizeof(reason)) < 0) {
		log_printable(raw, sizeof(raw), field->value, strlen(field->value));
		snprintf(out, size, "\"%s\"", raw);
		return;
	}
	for (size_t i = 0; i < list.count; i++) {
		char item[MAILBOX_TEXT_MAX + 3], printable[MAILBOX_TEXT_MAX + 3];

		snprintf(item, sizeof(item), "<%s>", list.items[i].address.text);
		append(out, size, ",", log_printable(printable, sizeof(printable), item, strlen(item)));
	}
	address_list_wipe(&list);
}

static const char *word_of(enum rule_action action)
{
	return action == RULE_OFF ? "pass" : rule_action_name(action);
}

void mail_transaction_log(const struct mail_transaction *transaction, const struct findings *findings,
		     const struct verdict *verdict)
{
	char rules[LIST_MAX], from[LIST_MAX];

	if (transaction->is_dry_run)
		return;
	/* A refusal names what refuses; what else there was to repair is of no interest then. */
	print_rules(rules, sizeof(rules), findings, verdict->action >= RULE_TEMPFAIL ? RULE_TEMPFAIL : RULE_LOG);
	print_from(from, sizeof(from), &transaction->message);
	log_set_tag(transaction->queue_id[0] != '\0' ? transaction->queue_id : "NOQUEUE");
	if (verdict->action >= RULE_TEMPFAIL)
		log_info("%s: who=%s, client=%s, from=<%s>, header_from=%s, rule=%s, said=%s %s %s", word_of(verdict->action),
			 transaction->entry.who, transaction->client->address_text, transaction->message.sender_text, from, rules,
			 verdict->reply.code, verdict->reply.status, verdict->text);
	else if (verdict->action == RULE_LOG)
		log_info("log: who=%s, client=%s, from=<%s>, header_from=%s, rule=%s (%s)", transaction->entry.who,
			 transaction->client->address_text, transaction->message.sender_text, from, rules, verdict->text);
	else
		log_info("%s: who=%s, client=%s, from=<%s>, header_from=%s, rule=%s", word_of(verdict->action),
			 transaction->entry.who, transaction->client->address_text, transaction->message.sender_text, from, rules);
	log_set_tag(NULL);
}
