/*
 * What a server's reply says about how it wants to be treated: the table reply_rules. It changes nothing about the outcome of a message,
 * only how the destination is treated afterwards (destination_pace.h).
 *
 *   # [STAGE:]CODE   ACTION       TEXT
 *   421              slow         *
 *   45*              slow         "*rate limit*"
 *   rcpt:450         "pause 5m"   "*blocked for*"
 *
 * STAGE: greeting ehlo tls mail rcpt data dot. CODE: three digits, of which the last ones may be one "*". TEXT: "*" is any
 * text, "?" one character, letters in any case; the whole reply with its enhanced code. The first rule that fits decides.
 */
#ifndef REPLY_RULES_H
#define REPLY_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "destination_pace.h"
#include "lib/delivery_status.h"
#include "lib/smtp_reply.h"

/* Each costs a look at each reply that is no success. */
#define REPLY_RULES_MAX 200
#define REPLY_RULE_TEXT_MAX 200
#define REPLY_RULE_PAUSE_MAX_MS (24 * 3600 * 1000)

struct reply_rule {
	int stage;			/* enum delivery_stage; -1: any */
	char code[4];			/* a prefix */
	enum destination_news news;	/* NONE, SLOW, PAUSE */
	int64_t pause_ms;
	char text[REPLY_RULE_TEXT_MAX + 1];
};

struct reply_rules;

/* A file that does not exist: the built-in rules. NULL with "PATH:LINE: ..." in error. Immutable afterwards. */
struct reply_rules *reply_rules_create(const char *path, char *error, size_t error_size);
void reply_rules_destroy(struct reply_rules *rules);

/* false: no rule fits. */
bool reply_rules_find(const struct reply_rules *rules, enum delivery_stage stage, const struct smtp_reply *reply,
		      enum destination_news *news, int64_t *pause_ms);

/* For tests: does the text fit the pattern? Takes no longer than the product of their lengths. */
bool reply_rules_fits(const char *pattern, const char *text);
/* One line (in place). 0, or -1 with error, without file and line. */
int reply_rule_parse(struct reply_rule *rule, const char *key, char *value, char *error, size_t error_size);

#endif
