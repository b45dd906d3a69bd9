/* A list that is searched from the top; the built-in rules are lines like any others. */
#include "reply_rules.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/ascii.h"
#include "lib/quantity.h"
#include "lib/table.h"
#include "lib/text_file.h"

struct reply_rules {
	struct reply_rule *rules;
	size_t count;
};

/*
 * Greylisting and "try again later" are said of this message or sender, not of how much comes: who waits for one message need not
 * slow down. 421 is said of the connection.
 */
static const char *const built_in[][2] = {
	{ "4*", "none \"*grey*list*\"" },
	{ "4*", "none \"*gray*list*\"" },
	{ "421", "slow *" },
	{ "45*", "slow \"*rate*limit*\"" },
	{ "45*", "slow \"*too many*connection*\"" },
	{ "45*", "slow \"*too many*messages*\"" },
	{ "45*", "slow \"*too fast*\"" },
	{ "45*", "slow \"*throttl*\"" },
	{ "45*", "slow \"4.7.28 *\"" },
	{ "45*", "slow \"4.7.500 *\"" },
	{ "45*", "slow \"*server busy*\"" },
	{ "45*", "slow \"*TSS0*\"" },
};

bool reply_rules_fits(const char *pattern, const char *text)
{
	const char *star = NULL, *from = NULL;

	/* Only the last star is ever tried again: an earlier one that took less would gain nothing. */
	while (*text != '\0') {
		if (*pattern == '*') {
			star = pattern++;
			from = text;
		} else if (*pattern == '?' || (*pattern != '\0' && ascii_lower(*pattern) == ascii_lower(*text))) {
			pattern++;
			text++;
		} else if (star != NULL) {
			pattern = star + 1;
			text = ++from;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

static int parse_stage(struct reply_rule *rule, const char *text, size_t length)
{
	static const struct {
		const char *word;
		enum delivery_stage stage;
	} stages[] = {
		{ "greeting", STAGE_GREETING }, { "ehlo", STAGE_EHLO }, { "tls", STAGE_TLS },
		{ "mail", STAGE_MAIL },		{ "rcpt", STAGE_RCPT }, { "data", STAGE_DATA },
		{ "dot", STAGE_AFTER_FINAL_DOT },
	};

	for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]); i++)
		if (strlen(stages[i].word) == length && strncasecmp(stages[i].word, text, length) == 0) {
			rule->stage = (int)stages[i].stage;
			return 0;
		}
	return -1;
}

static int parse_code(struct reply_rule *rule, const char *text)
{
	size_t digits = strspn(text, "0123456789");

	if (digits > 3 || (text[0] != '4' && text[0] != '5') || (digits < 3 && strcmp(text + digits, "*") != 0) ||
	    (digits == 3 && text[3] != '\0'))
		return -1;
	memcpy(rule->code, text, digits);
	rule->code[digits] = '\0';
	return 0;
}

static int parse_action(struct reply_rule *rule, const char *text)
{
	if (strcasecmp(text, "none") == 0)
		rule->news = DESTINATION_NEWS_NONE;
	else if (strcasecmp(text, "slow") == 0)
		rule->news = DESTINATION_NEWS_SLOW;
	else if (strncasecmp(text, "pause ", 6) == 0 &&
		 quantity_parse(QUANTITY_DURATION, text + 6, &rule->pause_ms) == QUANTITY_OK && rule->pause_ms > 0 &&
		 rule->pause_ms <= REPLY_RULE_PAUSE_MAX_MS)
		rule->news = DESTINATION_NEWS_PAUSE;
	else
		return -1;
	return 0;
}

int reply_rule_parse(struct reply_rule *rule, const char *key, char *value, char *error, size_t error_size)
{
	const char *colon = strchr(key, ':');
	char *words[3];
	int count = table_split(value, words, 3);

	memset(rule, 0, sizeof(*rule));
	rule->stage = -1;
	if (colon != NULL && parse_stage(rule, key, (size_t)(colon - key)) != 0)
		snprintf(error, error_size, "\"%.40s\": unknown stage; greeting, ehlo, tls, mail, rcpt, data or dot", key);
	else if (parse_code(rule, colon != NULL ? colon + 1 : key) != 0)
		snprintf(error, error_size, "\"%.40s\": no code such as 421, 45* or 4*", key);
	else if (count != 2)
		snprintf(error, error_size, "an action and a text are needed, each in quotes if there is white space in it: slow "
					    "\"*rate limit*\"");
	else if (parse_action(rule, words[0]) != 0)
		snprintf(error, error_size, "\"%.40s\": unknown action; none, slow, or \"pause TIME\" up to 24h, such as \"pause 5m\"",
			 words[0]);
	else if (words[1][0] == '\0' || strlen(words[1]) > REPLY_RULE_TEXT_MAX)
		snprintf(error, error_size, "a text of 1 to %d bytes is needed; * is any", REPLY_RULE_TEXT_MAX);
	else {
		snprintf(rule->text, sizeof(rule->text), "%s", words[1]);
		return 0;
	}
	return -1;
}

/* 0, or -1 with error. */
static int take_lines(struct reply_rules *rules, struct table *table, const char *path, char *error, size_t error_size)
{
	char reason[200];

	for (size_t i = 0; i < table->count; i++) {
		const struct table_line *line = &table->lines[i];

		if (rules->count == REPLY_RULES_MAX)
			snprintf(reason, sizeof(reason), "more than %d rules", REPLY_RULES_MAX);
		else if (reply_rule_parse(&rules->rules[rules->count], line->key, line->value, reason, sizeof(reason)) == 0) {
			rules->count++;
			continue;
		}
		snprintf(error, error_size, "%s:%zu: %s", path, line->line, reason);
		return -1;
	}
	return 0;
}

static int take_built_in(struct reply_rules *rules, char *error, size_t error_size)
{
	char value[100];

	for (size_t i = 0; i < sizeof(built_in) / sizeof(built_in[0]); i++) {
		snprintf(value, sizeof(value), "%s", built_in[i][1]);
		if (reply_rule_parse(&rules->rules[rules->count++], built_in[i][0], value, error, error_size) != 0)
			return -1;
	}
	return 0;
}

struct reply_rules *reply_rules_create(const char *path, char *error, size_t error_size)
{
	struct reply_rules *rules = calloc(1, sizeof(*rules));
	struct table table = { 0 };
	struct stat status = { 0 };
	int result;

	if (rules == NULL || (rules->rules = calloc(REPLY_RULES_MAX, sizeof(*rules->rules))) == NULL) {
		snprintf(error, error_size, "out of memory");
		reply_rules_destroy(rules);
		return NULL;
	}
	result = table_read(&table, path, &status, error, error_size);
	if (result == 0)
		result = take_lines(rules, &table, path, error, error_size);
	else if (text_file_is_absent(&status))
		result = take_built_in(rules, error, error_size);
	table_wipe(&table);
	if (result == 0)
		return rules;
	reply_rules_destroy(rules);
	return NULL;
}

void reply_rules_destroy(struct reply_rules *rules)
{
	if (rules == NULL)
		return;
	free(rules->rules);
	free(rules);
}

bool reply_rules_find(const struct reply_rules *rules, enum delivery_stage stage, const struct smtp_reply *reply,
		      enum destination_news *news, int64_t *pause_ms)
{
	char line[SMTP_REPLY_TEXT_MAX + 40], code[8];
	const char *text = line;

	smtp_reply_print(reply, line, sizeof(line));
	snprintf(code, sizeof(code), "%03d", reply->code);
	if (strncmp(line, code, 3) == 0 && line[3] == ' ')
		text = line + 4;
	for (size_t i = 0; i < rules->count; i++) {
		const struct reply_rule *rule = &rules->rules[i];

		if ((rule->stage >= 0 && rule->stage != (int)stage) || strncmp(code, rule->code, strlen(rule->code)) != 0 ||
		    !reply_rules_fits(rule->text, text))
			continue;
		*news = rule->news;
		*pause_ms = rule->pause_ms;
		return true;
	}
	return false;
}
