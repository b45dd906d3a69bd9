/*
 * Every address that a reader could take for the sender must be one that the sender may use: the
 * envelope's, those of each From (from_policy.c), Sender, Resent-From and Resent-Sender field, and,
 * if wanted, of Reply-To. RFC 5322 3.6.2, and 3.6.6: the Resent fields may be there many times.
 *
 * Where a repair would leave a message that RFC 5322 does not allow, repair is reject.
 */
#include "sender_policy.h"

#include <stdio.h>
#include <string.h>

#include "from_policy.h"
#include "null_sender.h"
#include "sender_case.h"
#include "sender_field.h"

/*
 * What is wrong with a field: unreadable, no address, more than one where there is to be one, not
 * theirs. False if nothing is.
 */
static bool find_fault(const struct sender_case *sender, const struct header_field *header, bool is_single, char *out,
		       size_t size)
{
	const struct sender_address *forbidden;
	struct sender_field field;
	bool is_bad = true;

	sender_field_parse(&field, header->value, sender->allow_utf8);
	forbidden = sender_field_forbidden(&field, sender->list, sender->self);
	if (!field.is_parsed)
		snprintf(out, size, "%s cannot be read: %s", header->name, field.reason);
	else if (field.addresses.count == 0)
		snprintf(out, size, "there is no address in %s", header->name);
	else if (is_single && (field.addresses.count > 1 || field.addresses.groups > 0))
		snprintf(out, size, "%s must be one address", header->name);
	else if (forbidden != NULL)
		sender_case_print_forbidden(sender, header->name, forbidden->text, out, size);
	else
		is_bad = false;
	sender_field_wipe(&field);
	return is_bad;
}

static void delete_all(const struct sender_case *sender, const char *name)
{
	size_t count = message_field_count(sender->message, name);

	for (size_t i = 1; i <= count; i++)
		findings_edit(sender->findings, FIELD_EDIT_DELETE, name, i, NULL);
}

/* The first fault of all fields of that name. */
static bool find_first_fault(const struct sender_case *sender, const char *name, bool is_single, char *out, size_t size)
{
	size_t count = message_field_count(sender->message, name), i = 1;

	while (i <= count && !find_fault(sender, message_field(sender->message, name, i), is_single, out, size))
		i++;
	return i <= count;
}

static void check_sender(const struct sender_case *sender, bool is_needed)
{
	enum rule_action action = sender_case_action(sender, RULE_SENDER_ADDRESS);
	char text[SENDER_CASE_TEXT_MAX];

	if (action == RULE_OFF || !find_first_fault(sender, "Sender", true, text, sizeof(text)))
		return;
	if (action == RULE_REPAIR && is_needed) {
		action = RULE_REJECT;
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
			 ", and From has several addresses, which need a Sender field");
	}
	sender_case_tell(sender, RULE_SENDER_ADDRESS, action, text);
	if (action == RULE_REPAIR)
		delete_all(sender, "Sender");
}

static void check_resent(const struct sender_case *sender)
{
	enum rule_action action = sender_case_action(sender, RULE_RESENT_ADDRESS);
	char text[SENDER_CASE_TEXT_MAX];

	if (action == RULE_OFF)
		return;
	if (find_first_fault(sender, "Resent-From", false, text, sizeof(text)))
		sender_case_tell(sender, RULE_RESENT_ADDRESS, action, text);
	if (find_first_fault(sender, "Resent-Sender", true, text, sizeof(text)))
		sender_case_tell(sender, RULE_RESENT_ADDRESS, action, text);
}

static void tell_reply_to(const struct sender_case *sender, enum rule rule, const struct header_field *header,
			  const char *text)
{
	enum rule_action action = sender_case_action(sender, rule);

	sender_case_tell(sender, rule, action, text);
	if (action == RULE_REPAIR)
		findings_edit(sender->findings, FIELD_EDIT_DELETE, "Reply-To", header->index, NULL);
}

/* One that cannot be read holds no address that is theirs, should its syntax be nobody's concern. */
static void check_reply_to(const struct sender_case *sender, const struct header_field *header)
{
	const struct sender_address *forbidden;
	char text[SENDER_CASE_TEXT_MAX];
	struct sender_field field;

	sender_field_parse(&field, header->value, sender->allow_utf8);
	forbidden = sender_field_forbidden(&field, sender->list, sender->self);
	if (forbidden != NULL) {
		sender_case_print_forbidden(sender, "Reply-To", forbidden->text, text, sizeof(text));
		tell_reply_to(sender, RULE_REPLY_TO_ADDRESS, header, text);
	} else if (field.addresses.count == 0) {
		snprintf(text, sizeof(text), "%s%s",
			 field.is_parsed ? "there is no address in Reply-To" : "Reply-To cannot be read: ",
			 field.reason);
		tell_reply_to(sender, RULE_REPLY_TO_SYNTAX, header, text);
		if (sender_case_action(sender, RULE_REPLY_TO_SYNTAX) < RULE_REPAIR)
			tell_reply_to(sender, RULE_REPLY_TO_ADDRESS, header, text);
	}
	sender_field_wipe(&field);
}

static void check_all_reply_to(const struct sender_case *sender)
{
	size_t count = message_field_count(sender->message, "Reply-To");

	if (sender_case_action(sender, RULE_REPLY_TO_SYNTAX) == RULE_OFF &&
	    sender_case_action(sender, RULE_REPLY_TO_ADDRESS) == RULE_OFF)
		return;
	for (size_t i = 1; i <= count; i++)
		check_reply_to(sender, message_field(sender->message, "Reply-To", i));
}

static void check_null_sender(const struct sender_case *sender)
{
	const struct conf_list *classes = &sender->conf->null_sender_classes;
	char text[SENDER_CASE_TEXT_MAX], names[150] = "";

	if (!sender->message->reverse_path.is_null || sender->message->has_bad_sender ||
	    sender_list_allows_null(sender->list))
		return;
	for (size_t i = 0; i < classes->count; i++) {
		if (null_sender_is_class(sender->message, classes->items[i]))
			return;
		snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s", i > 0 ? ", " : "",
			 classes->items[i]);
	}
	snprintf(text, sizeof(text), "%.80s may not send from <>%s%s", sender->who,
		 names[0] != '\0' ? " what is none of " : "", names);
	sender_case_tell(sender, RULE_NULL_SENDER, sender_case_action(sender, RULE_NULL_SENDER), text);
}

void sender_policy_fields(struct findings *findings, const struct milter_conf *conf, const struct senders_entry *entry,
			  const struct sender_address *self, const struct message *message)
{
	struct sender_case sender = sender_case_make(findings, conf, entry, self, message);
	bool has_several;

	/* A field that was not kept may be any of these; rule header_size refuses the message. */
	if (message->is_header_too_large)
		return;
	has_several = from_policy_check(&sender);
	check_sender(&sender, has_several);
	check_resent(&sender);
	check_all_reply_to(&sender);
	check_null_sender(&sender);
}

void sender_policy_envelope(struct findings *findings, const struct milter_conf *conf,
			    const struct senders_entry *entry, const struct sender_address *self,
			    const struct message *message)
{
	struct sender_case sender = sender_case_make(findings, conf, entry, self, message);
	char text[SENDER_CASE_TEXT_MAX], reason[200];
	struct sender_address address;

	if (message->reverse_path.is_null && !message->has_bad_sender)
		return;
	if (message->has_bad_sender)
		snprintf(text, sizeof(text), "the envelope sender <%.150s> is no address", message->sender_text);
	else if (sender_address_from_mailbox(&address, &message->reverse_path.mailbox, reason, sizeof(reason)) < 0)
		snprintf(text, sizeof(text), "the envelope sender <%.150s> cannot be used: %.120s",
			 message->sender_text, reason);
	else if (!sender_list_allows(entry->list, SENDER_IN_ENVELOPE, &address, self))
		sender_case_print_forbidden(&sender, "the envelope", address.text, text, sizeof(text));
	else
		return;
	sender_case_tell(&sender, RULE_ENVELOPE_SENDER, sender_case_action(&sender, RULE_ENVELOPE_SENDER), text);
}
