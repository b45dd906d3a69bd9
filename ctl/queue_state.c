/* `postqueue -j': a line of JSON for each message, postqueue(1). What it says of other messages is passed over. */
#include "queue_state.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text != NULL ? text : "";
}

static void describe(const json_t *message, char *out, size_t size)
{
	const json_t *recipient = json_array_get(json_object_get(message, "recipients"), 0);
	const char *reason = text_of(recipient, "delay_reason");
	char text[1000];

	snprintf(text, sizeof(text), "in the %s queue%s%s", text_of(message, "queue_name"), reason[0] != '\0' ? ": " : "",
		 reason);
	log_printable(out, size, text, strlen(text));
}

/* false: the line is about another message. */
static bool take_line(const char *line, const char *queue_id, char *out, size_t size)
{
	json_t *message = json_loads(line, 0, NULL);
	bool is_it = strcmp(text_of(message, "queue_id"), queue_id) == 0;

	if (is_it)
		describe(message, out, size);
	json_decref(message);
	return is_it;
}

char *queue_state_describe(const char *queue_id, char *out, size_t size)
{
	FILE *lines = popen("postqueue -j 2>/dev/null", "re");
	size_t capacity = 0;
	char *line = NULL;
	bool is_found = false;

	snprintf(out, size, "not in the queue any more");
	while (lines != NULL && getline(&line, &capacity, lines) >= 0)
		is_found = is_found || take_line(line, queue_id, out, size);
	free(line);
	if ((lines == NULL || pclose(lines) != 0) && !is_found)
		snprintf(out, size, "somewhere: `postqueue -j' cannot be run");
	return out;
}
