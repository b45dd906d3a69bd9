/*
 * What comes from a peer is cut here so that what the reader needs, the rule's name, is always in a
 * finding; findings_add() makes it printable.
 */
#include "sender_case.h"

#include <stdio.h>
#include <string.h>

struct sender_case sender_case_make(struct findings *findings, const struct milter_conf *conf,
				    const struct senders_entry *entry, const struct sender_address *self,
				    const struct message *message)
{
	static const char login[] = "login:";
	bool is_login = strncmp(entry->who, login, strlen(login)) == 0;

	return (struct sender_case){ .findings = findings,
				     .conf = conf,
				     .list = entry->list,
				     .self = self,
				     .message = message,
				     .allow_utf8 = message->is_smtputf8 ||
						   milter_conf_action(conf, RULE_RAW_8BIT) < RULE_TEMPFAIL,
				     .who = entry->who + (is_login ? strlen(login) : 0) };
}

enum rule_action sender_case_action(const struct sender_case *sender, enum rule rule)
{
	return milter_conf_action(sender->conf, rule);
}

void sender_case_tell(const struct sender_case *sender, enum rule rule, enum rule_action action, const char *text)
{
	findings_add(sender->findings, rule, action, "%.*s (rule %s)", SENDER_CASE_TEXT_MAX - 1, text, rule_name(rule));
}

void sender_case_print_forbidden(const struct sender_case *sender, const char *where, const char *address, char *out,
				 size_t size)
{
	snprintf(out, size, "%.80s may not send as <%.150s> in %s", sender->who, address, where);
}
