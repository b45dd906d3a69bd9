/*
 * First whether the header section can be trusted to mean the same to all (header_soundness.c), then
 * what is missing and what tells too much. All copies of a field are looked at, and those that go
 * are deleted one by one, each with its index.
 *
 * A field that is there but blank counts as missing, and is then replaced: two Date fields would be
 * one too many. Nothing else of a field is ever rewritten, and nothing is decoded.
 */
#include "header_policy.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "authentication_results.h"
#include "date_field.h"
#include "field_tally.h"
#include "header_soundness.h"

/* "<", facts->unique, "@", domain, ">"; far below a line's 998 octets. */
#define MESSAGE_ID_MAX 512

static bool is_blank(const char *value)
{
	return value[strspn(value, " \t\r\n")] == '\0';
}

static bool has_field(const struct message *message, const char *name)
{
	const struct header_field *field;

	for (size_t i = 1; (field = message_field(message, name, i)) != NULL; i++)
		if (!is_blank(field->value))
			return true;
	return false;
}

/* `value` NULL: it cannot be had. */
static void repair_missing(struct findings *findings, const struct message *message, const char *name,
			   const char *value)
{
	bool is_there = message_field_count(message, name) > 0;

	if (value == NULL)
		findings->has_failed = 1;
	else
		findings_edit(findings, is_there ? FIELD_EDIT_REPLACE : FIELD_EDIT_ADD, name, is_there ? 1 : 0, value);
}

/* Says so; true if it is to be repaired. */
static bool is_missing(struct findings *findings, const struct milter_conf *conf, const struct message *message,
		       enum rule rule, const char *name)
{
	enum rule_action action = milter_conf_action(conf, rule);

	if (has_field(message, name))
		return false;
	findings_add(findings, rule, action, "there is no %s field (rule %s)", name, rule_name(rule));
	return action == RULE_REPAIR;
}

static void check_date(struct findings *findings, const struct milter_conf *conf, const struct message *message,
		       time_t now)
{
	char date[DATE_FIELD_MAX];

	if (is_missing(findings, conf, message, RULE_DATE_MISSING, "Date"))
		repair_missing(findings, message, "Date", date_field_print(date, sizeof(date), now) < 0 ? NULL : date);
}

static void check_message_id(struct findings *findings, const struct milter_conf *conf, const struct message *message,
			     const struct header_policy_facts *facts)
{
	const char *domain = conf->message_id_domain != NULL ? conf->message_id_domain :
			     facts->from_domain[0] != '\0'   ? facts->from_domain :
							       conf->authserv_id;
	char id[MESSAGE_ID_MAX];
	int length;

	if (!is_missing(findings, conf, message, RULE_MESSAGE_ID_MISSING, "Message-ID"))
		return;
	length = snprintf(id, sizeof(id), "<%s@%s>", facts->unique, domain);
	repair_missing(findings, message, "Message-ID", length < 0 || (size_t)length >= sizeof(id) ? NULL : id);
}

static bool is_listed(const struct conf_list *list, const char *name)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcasecmp(list->items[i], name) == 0)
			return true;
	return false;
}

/* Does this rule want the field away? */
static bool is_unwanted(const struct milter_conf *conf, enum rule rule, const struct header_field *field)
{
	switch (rule) {
	case RULE_BCC:
		return strcasecmp(field->name, "Bcc") == 0 || strcasecmp(field->name, "Resent-Bcc") == 0;
	case RULE_RETURN_PATH:
		return strcasecmp(field->name, "Return-Path") == 0;
	case RULE_AUTHENTICATION_RESULTS:
		return strcasecmp(field->name, "Authentication-Results") == 0 &&
		       authentication_results_is_from(field->value, conf->authserv_id);
	case RULE_ORIGINATING_IP:
		return is_listed(&conf->originating_ip_fields, field->name);
	case RULE_USER_AGENT:
		return is_listed(&conf->user_agent_fields, field->name);
	case RULE_RECEIVED_CLIENT:
		return strcasecmp(field->name, "Received") == 0;
	default:
		return false;
	}
}

static void check_unwanted(struct findings *findings, const struct milter_conf *conf, const struct message *message,
			   enum rule rule, const char *why)
{
	enum rule_action action = milter_conf_action(conf, rule);
	struct field_tally tally = { 0 };

	if (action == RULE_OFF)
		return;
	for (size_t i = 0; i < message->field_count; i++) {
		const struct header_field *field = &message->fields[i];

		if (!is_unwanted(conf, rule, field))
			continue;
		field_tally_add(&tally, field);
		if (action == RULE_REPAIR)
			findings_edit(findings, FIELD_EDIT_DELETE, field->name, field->index, NULL);
	}
	field_tally_tell(&tally, findings, rule, action, why);
}

/* What was not kept cannot be judged; this rule cannot be switched off. */
static void tell_size(struct findings *findings, const struct milter_conf *conf)
{
	findings_add(findings, RULE_HEADER_SIZE, milter_conf_action(conf, RULE_HEADER_SIZE),
		     "the header section has more than %" PRId64 " fields or %" PRId64 " bytes (rule %s)",
		     conf->header_count_limit, conf->header_size_limit, rule_name(RULE_HEADER_SIZE));
}

void header_policy_check(struct findings *findings, const struct milter_conf *conf, const struct message *message,
			 const struct header_policy_facts *facts)
{
	if (message->is_header_too_large) {
		tell_size(findings, conf);
		return;
	}
	header_soundness_check(findings, conf, message);
	check_date(findings, conf, message, facts->now);
	check_message_id(findings, conf, message, facts);
	check_unwanted(findings, conf, message, RULE_BCC, "shows hidden recipients");
	check_unwanted(findings, conf, message, RULE_RETURN_PATH, "only the host of the recipient may add it");
	check_unwanted(findings, conf, message, RULE_AUTHENTICATION_RESULTS,
		       "speaks for this mail host or cannot be read");
	check_unwanted(findings, conf, message, RULE_ORIGINATING_IP, "shows where the message comes from");
	check_unwanted(findings, conf, message, RULE_USER_AGENT, "shows the program of the sender");
	check_unwanted(findings, conf, message, RULE_RECEIVED_CLIENT, "shows the way to this mail host");
}
