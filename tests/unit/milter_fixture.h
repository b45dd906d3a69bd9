/*
 * For tests of the rules: a configuration from text, a message from its header section as it stands
 * in a file, and what is left of it after the edits, as a mail system applies them.
 */
#ifndef MILTER_FIXTURE_H
#define MILTER_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "milter/finding.h"
#include "milter/header_section.h"
#include "milter/message.h"
#include "milter/milter_conf.h"

#define FIXTURE_COUNT_LIMIT 1000
#define FIXTURE_SIZE_LIMIT (512 * 1024)

static inline void fixture_need(bool condition, const char *what)
{
	if (!condition) {
		fprintf(stderr, "fixture: %s\n", what);
		abort();
	}
}

/* Wipe it with conf_wipe(conf, milter_conf_settings). */
static inline void fixture_conf(struct milter_conf *conf, const char *text)
{
	char path[] = "/tmp/postern-milter.XXXXXX", error[500] = "";
	int fd = mkstemp(path);

	fixture_need(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text), "a file in /tmp");
	close(fd);
	fixture_need(milter_conf_read(conf, path, error, sizeof(error)) == 0, error);
	unlink(path);
}

static inline void fixture_message_bytes(struct message *message, const void *bytes, size_t length)
{
	FILE *in = fmemopen((void *)(uintptr_t)bytes, length, "r");

	message_init(message);
	if (length == 0)
		return;
	fixture_need(in != NULL, "fmemopen");
	fixture_need(header_section_read(message, in, FIXTURE_COUNT_LIMIT, FIXTURE_SIZE_LIMIT) == 0,
		     "header_section_read");
	fclose(in);
}

static inline void fixture_message(struct message *message, const char *text)
{
	fixture_message_bytes(message, text, strlen(text));
}

static inline size_t fixture_find(const struct message *message, const struct field_edit *edit)
{
	size_t seen = 0;

	for (size_t i = 0; i < message->field_count; i++)
		if (strcasecmp(message->fields[i].name, edit->name) == 0 && ++seen == edit->index)
			return i;
	fixture_need(false, "an edit without its field");
	return 0;
}

/* As smfi_chgheader(3): the index counts the fields that are there at that moment. */
static inline void fixture_apply_edit(struct message *message, const struct field_edit *edit)
{
	size_t at;

	if (edit->kind == FIELD_EDIT_ADD) {
		fixture_need(message_add_field(message, edit->name, edit->value, (size_t)-1, (size_t)-1) == 0,
			     "memory");
		return;
	}
	at = fixture_find(message, edit);
	if (edit->kind == FIELD_EDIT_REPLACE) {
		message->fields[at].value = text_pool_add(&message->texts, edit->value);
		fixture_need(message->fields[at].value != NULL, "memory");
		return;
	}
	memmove(&message->fields[at], &message->fields[at + 1],
		(message->field_count - at - 1) * sizeof(*message->fields));
	message->field_count--;
}

/* The fields are then as if they had come in like that. */
static inline void fixture_apply(struct message *message, const struct findings *findings)
{
	for (size_t i = findings->edit_count; i > 0; i--)
		fixture_apply_edit(message, &findings->edits[i - 1]);
	for (size_t i = 0; i < message->field_count; i++) {
		message->fields[i].index = 1;
		for (size_t k = 0; k < i; k++)
			message->fields[i].index += strcasecmp(message->fields[k].name, message->fields[i].name) == 0;
	}
}

/* "Name: value\n"...; heap. */
static inline char *fixture_print(const struct message *message)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	fixture_need(out != NULL, "open_memstream");
	for (size_t i = 0; i < message->field_count; i++)
		fprintf(out, "%s: %s\n", message->fields[i].name, message->fields[i].value);
	fclose(out);
	return text;
}

/* "rule action; rule action" in the order of enum rule. */
static inline const char *fixture_rules(const struct findings *findings, char *out, size_t size)
{
	out[0] = '\0';
	for (int rule = 0; rule < RULE_COUNT; rule++)
		for (size_t i = 0; i < findings->count; i++)
			if (findings->items[i].rule == (enum rule)rule)
				snprintf(out + strlen(out), size - strlen(out), "%s%s %s", out[0] != '\0' ? "; " : "",
					 rule_name((enum rule)rule), rule_action_name(findings->items[i].action));
	return out;
}

#endif
