/*
 * The life of one message from both ends: lines of this host's mail log and of the edges', in the order in which
 * they happened.
 *
 * The order of each log is kept, and the logs are merged by time. An edge's times are corrected by the difference of the
 * clocks. Where a log tells no more than the second, what tells of an outcome comes after the edge's lines of that second, and
 * the rest before them.
 */
#ifndef MESSAGE_STORY_H
#define MESSAGE_STORY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "log_line.h"

struct message_story_line {
	int64_t time_ms;	/* by the clock of this host */
	bool is_whole_second;
	bool is_outcome;
	char *edge;		/* NULL: of this host */
	char *text;		/* printable; without the time */
};

struct message_story {
	struct message_story_line *lines;	/* in order after message_story_sort() */
	size_t count, capacity;
};

/* 0, or -1: no memory. */
int message_story_add_host(struct message_story *story, const struct log_line *line);
/* All lines of an edge's answer to "log" (edge/question_log.h); offset_ms: its clock less ours. */
int message_story_add_edge(struct message_story *story, const char *edge, const json_t *answer, int64_t offset_ms);
/* Merges; what was added one after the other of one log is in order already. 0, or -1: no memory. */
int message_story_sort(struct message_story *story);
/* A line each: local time, who says it, what. */
void message_story_print(const struct message_story *story, FILE *out);
/*
 * A new reference to an array of {"time_ms": ..., "edge": "vps", "text": "..."}, "edge" only where it is one;
 * NULL: no memory.
 */
json_t *message_story_json(const struct message_story *story);
void message_story_wipe(struct message_story *story);

#endif
