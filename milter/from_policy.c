/*
 * Every address of every From field must be one that the sender may use; a field that cannot be read
 * has none that is. Nothing of a bad From survives a repair: all of it becomes the default address
 * of `senders`, and where there is no default address, repair is reject.
 */
#include "from_policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "display_name.h"
#include "sender_field.h"

/* Without a default address a From cannot be repaired; *but says so, or is "". */
static enum rule_action from_action(const struct sender_case *sender, enum rule rule, const char **but)
{
	enum rule_action action = sender_case_action(sender, rule);
	bool is_impossible = action == RULE_REPAIR && sender_list_default_from(sender->list) == NULL;

	*but = is_impossible ? ", and there is no default address to put there" : "";
	return is_impossible ? RULE_REJECT : action;
}

/* False if that refuses the message anyway. */
static bool check_from_syntax(const struct sender_case *sender, const struct sender_field *field)
{
	enum rule_action action = sender_case_action(sender, RULE_FROM_SYNTAX);
	char text[SENDER_CASE_TEXT_MAX] = "";

	if (!field->is_parsed)
		snprintf(text, sizeof(text), "From cannot be read: %s", field->reason);
	else if (field->addresses.count == 0)
		snprintf(text, sizeof(text), "there is no address in From");
	else if (field->addresses.count > 1 && message_field_count(sender->message, "Sender") == 0)
		snprintf(text, sizeof(text), "From has several addresses, which need a Sender field");
	if (text[0] != '\0')
		sender_case_tell(sender, RULE_FROM_SYNTAX, action, text);
	return text[0] == '\0' || (action != RULE_TEMPFAIL && action != RULE_REJECT);
}

/* True if the field shall give way to the default address. */
static bool check_from_address(const struct sender_case *sender, const struct sender_field *field)
{
	const struct sender_address *forbidden = sender_field_forbidden(field, sender->list, sender->self);
	char text[SENDER_CASE_TEXT_MAX];
	const char *but;
	enum rule_action action = from_action(sender, RULE_FROM_ADDRESS, &but);

	if (forbidden == NULL && field->addresses.count > 0)
		return false;
	if (forbidden != NULL)
		sender_case_print_forbidden(sender, "From", forbidden->text, text, sizeof(text));
	else
		snprintf(text, sizeof(text), "%.80s may not send without an address in From that can be read",
			 sender->who);
	snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s", but);
	sender_case_tell(sender, RULE_FROM_ADDRESS, action, text);
	return action == RULE_REPAIR;
}

static void check_display_name(const struct sender_case *sender, const struct sender_field *field, size_t index)
{
	enum rule_action action = sender_case_action(sender, RULE_DISPLAY_NAME);
	char reason[200], text[SENDER_CASE_TEXT_MAX], *bare;
	size_t i = 0;

	if (action == RULE_OFF)
		return;
	while (i < field->addresses.count && !display_name_misleads(&field->addresses.items[i], reason, sizeof(reason)))
		i++;
	if (i == field->addresses.count)
		return;
	snprintf(text, sizeof(text), "From has a %s", reason);
	sender_case_tell(sender, RULE_DISPLAY_NAME, action, text);
	if (action != RULE_REPAIR)
		return;
	bare = sender_field_print_bare(field);
	if (bare == NULL)
		sender->findings->has_failed = 1;
	else
		findings_edit(sender->findings, FIELD_EDIT_REPLACE, "From", index, bare);
	free(bare);
}

/* From as it will be, against the envelope; the null reverse-path has no domain. */
static void check_from_domain(const struct sender_case *sender, const struct sender_field *field)
{
	enum rule_action action = sender_case_action(sender, RULE_FROM_DOMAIN);
	const struct message *message = sender->message;
	struct sender_address envelope;
	char reason[200], text[SENDER_CASE_TEXT_MAX];

	if (action == RULE_OFF || message->has_bad_sender || message->reverse_path.is_null)
		return;
	if (sender_address_from_mailbox(&envelope, &message->reverse_path.mailbox, reason, sizeof(reason)) == 0 &&
	    sender_field_is_in_domain(field, envelope.domain))
		return;
	snprintf(text, sizeof(text), "From is not in the domain of the envelope sender <%.150s>", message->sender_text);
	sender_case_tell(sender, RULE_FROM_DOMAIN, action, text);
}

/* The default address comes in: in the place of the index-th From, or as the only one. */
static void put_default(const struct sender_case *sender, enum field_edit_kind kind, size_t index)
{
	const char *address = sender_list_default_from(sender->list);
	char value[SENDER_FIELD_ADDRESS_MAX];
	struct sender_field field;

	sender_field_print_address(value, sizeof(value), address);
	findings_edit(sender->findings, kind, "From", index, value);
	sender_field_parse(&field, value, true);
	check_from_domain(sender, &field);
	sender_field_wipe(&field);
}

/* Returns whether a field with several addresses stays. */
static bool check_from(const struct sender_case *sender, const struct header_field *header)
{
	bool is_replaced = false, has_several = false;
	struct sender_field field;

	sender_field_parse(&field, header->value, sender->allow_utf8);
	/* Whoever only wants broken fields logged does not want everybody's address allowed. */
	if (check_from_syntax(sender, &field) || field.addresses.count > 0)
		is_replaced = check_from_address(sender, &field);
	if (is_replaced) {
		put_default(sender, FIELD_EDIT_REPLACE, header->index);
	} else {
		has_several = field.addresses.count > 1;
		check_display_name(sender, &field, header->index);
		check_from_domain(sender, &field);
	}
	sender_field_wipe(&field);
	return has_several;
}

static void check_from_missing(const struct sender_case *sender)
{
	char text[SENDER_CASE_TEXT_MAX];
	const char *but;
	enum rule_action action = from_action(sender, RULE_FROM_MISSING, &but);

	snprintf(text, sizeof(text), "there is no From field%s", but);
	sender_case_tell(sender, RULE_FROM_MISSING, action, text);
	if (action == RULE_REPAIR)
		put_default(sender, FIELD_EDIT_ADD, 0);
}

bool from_policy_check(const struct sender_case *sender)
{
	size_t count = message_field_count(sender->message, "From");
	bool has_several = false;

	if (count == 0)
		check_from_missing(sender);
	if (count > 1)
		sender_case_tell(sender, RULE_FROM_DUPLICATE, sender_case_action(sender, RULE_FROM_DUPLICATE),
				 "there is more than one From field");
	for (size_t i = 1; i <= count; i++)
		has_several |= check_from(sender, message_field(sender->message, "From", i));
	return has_several;
}
