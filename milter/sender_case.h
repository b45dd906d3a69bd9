/*
 * One message before the rules about senders: what they need to know, and how they tell what they
 * found. Everything is borrowed.
 */
#ifndef SENDER_CASE_H
#define SENDER_CASE_H

#include <stdbool.h>
#include <stddef.h>

#include "finding.h"
#include "message.h"
#include "milter_conf.h"
#include "senders.h"

/* A finding's text without the rule's name, which always has room behind it. */
#define SENDER_CASE_TEXT_MAX (FINDING_TEXT_MAX - 40)

struct sender_case {
	struct findings *findings;
	const struct milter_conf *conf;
	const struct sender_list *list;
	const struct sender_address *self;	/* the login as an address, or NULL */
	const struct message *message;
	bool allow_utf8;			/* SMTPUTF8, or rule raw_8bit lets 8-bit pass */
	const char *who;			/* for people: a login without its prefix */
};

struct sender_case sender_case_make(struct findings *findings, const struct milter_conf *conf,
				    const struct senders_entry *entry, const struct sender_address *self,
				    const struct message *message);
enum rule_action sender_case_action(const struct sender_case *sender, enum rule rule);
/* Adds a finding "TEXT (rule NAME)". */
void sender_case_tell(const struct sender_case *sender, enum rule rule, enum rule_action action, const char *text);
/* "alice may not send as <ceo@bank.example> in From" */
void sender_case_print_forbidden(const struct sender_case *sender, const char *where, const char *address, char *out,
				 size_t size);

#endif
