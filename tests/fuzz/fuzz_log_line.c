/*
 * Any lines as a mail log, which anybody who sends mail may have a word in: what is taken for a time
 * is one, the rest is in the line, and a queue id that the trail of a message takes is one that a
 * mail system makes, and stands in a line as a word. The story made of them has all of them, and nothing that
 * moves a cursor.
 *
 * feeds: lines of a mail log
 * covers: ctl/log_line.c ctl/message_trail.c ctl/message_story.c:message_story_add_host, message_story_sort,
 *     message_story_print
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/log_line.h"
#include "ctl/message_story.h"
#include "ctl/message_trail.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

#define NOW INT64_C(1795318682)
#define YEAR_MS (INT64_C(367) * 86400 * 1000)

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void take(struct message_story *story, struct message_trail *trail, const char *line)
{
	char before[QUEUE_ID_MAX + 1];
	struct log_line parsed;

	if (!log_line_parse(&parsed, line, NOW))
		return;
	require(parsed.rest >= line && parsed.rest <= line + strlen(line));
	require(parsed.time_ms >= -86400000);
	/* without a year it is of the last one */
	require(line[0] >= '0' && line[0] <= '9' ? true
						  : parsed.time_ms <= NOW * 1000 + 2 * 86400000 &&
							    parsed.time_ms >= NOW * 1000 - YEAR_MS - 86400000);
	strcpy(before, trail->queue_id);
	if (message_trail_take(trail, parsed.rest)) {
		require(envelope_queue_id_is_valid(trail->queue_id, strlen(trail->queue_id)));
		require(before[0] == '\0' || log_line_names(parsed.rest, before));
		require(log_line_names(parsed.rest, trail->queue_id) || before[0] != '\0');
	}
	require(strlen(trail->reply) < sizeof(trail->reply));
	require(message_story_add_host(story, &parsed) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	struct message_trail trail = { .token = "TOKEN", .recipient = "a@b" };
	struct message_story story = { .count = 0 };
	char *text = malloc(length + 1), *rest = NULL, *printed = NULL;
	size_t printed_length, before;
	FILE *out;

	memcpy(text, bytes, length);
	text[length] = '\0';
	for (char *line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest))
		take(&story, &trail, line);
	before = story.count;
	require(message_story_sort(&story) == 0 && story.count == before);
	out = open_memstream(&printed, &printed_length);
	message_story_print(&story, out);
	fclose(out);
	for (size_t i = 0; i < printed_length; i++) {
		require(printed[i] == '\n' || (printed[i] >= ' ' && printed[i] <= '~'));
		before -= printed[i] == '\n';
	}
	require(before == 0);
	free(printed);
	message_story_wipe(&story);
	free(text);
	return 0;
}
