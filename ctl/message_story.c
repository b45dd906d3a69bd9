/* Each log is a sequence in itself; the merge only decides whose turn it is. */
#include "message_story.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "answer_number.h"
#include "lib/log.h"

static struct message_story_line *add(struct message_story *story)
{
	struct message_story_line *lines;

	if (story->count == story->capacity) {
		size_t capacity = story->capacity > 0 ? 2 * story->capacity : 64;

		lines = realloc(story->lines, capacity * sizeof(*lines));
		if (lines == NULL)
			return NULL;
		story->lines = lines;
		story->capacity = capacity;
	}
	story->lines[story->count] = (struct message_story_line){ .text = NULL };
	return &story->lines[story->count++];
}

static char *copy_printable(const char *text)
{
	size_t length = strlen(text);
	char *copy = malloc(length + 1);

	return copy != NULL ? log_printable(copy, length + 1, text, length) : NULL;
}

int message_story_add_host(struct message_story *story, const struct log_line *line)
{
	struct message_story_line *fresh = add(story);

	if (fresh == NULL || (fresh->text = copy_printable(line->rest)) == NULL)
		return -1;
	fresh->time_ms = line->time_ms;
	fresh->is_whole_second = line->is_whole_second;
	fresh->is_outcome = log_line_is_outcome(fresh->text);
	return 0;
}

int message_story_add_edge(struct message_story *story, const char *edge, const json_t *answer, int64_t offset_ms)
{
	json_t *line;
	size_t i;

	json_array_foreach(json_object_get(answer, "lines"), i, line)
	{
		const char *text = json_string_value(json_object_get(line, "text"));
		struct message_story_line *fresh = add(story);

		if (fresh == NULL || (fresh->edge = copy_printable(edge)) == NULL ||
		    (fresh->text = copy_printable(text != NULL ? text : "")) == NULL)
			return -1;
		fresh->time_ms = answer_number(line, "time_ms") - offset_ms;
	}
	return 0;
}

static bool is_same_log(const struct message_story_line *a, const struct message_story_line *b)
{
	if (a->edge == NULL || b->edge == NULL)
		return a->edge == b->edge;
	return strcmp(a->edge, b->edge) == 0;
}

/* Of lines of different logs: is it a's turn? */
static bool is_before(const struct message_story_line *a, const struct message_story_line *b)
{
	int64_t a_ms = a->time_ms, b_ms = b->time_ms;

	if (a->is_whole_second || b->is_whole_second) {
		a_ms /= 1000;
		b_ms /= 1000;
	}
	if (a_ms != b_ms)
		return a_ms < b_ms;
	return a->edge == NULL ? !a->is_outcome : b->edge == NULL && b->is_outcome;
}

/* What is left of a log: its lines stand together. */
struct run {
	size_t at, end;
};

/* Fills in the runs; returns how many. */
static size_t find_runs(const struct message_story *story, struct run *runs)
{
	size_t count = 0;

	for (size_t i = 0; i < story->count; i++) {
		if (i > 0 && is_same_log(&story->lines[i - 1], &story->lines[i]))
			runs[count - 1].end++;
		else
			runs[count++] = (struct run){ i, i + 1 };
	}
	return count;
}

static size_t take_next(const struct message_story *story, struct run *runs, size_t count)
{
	struct run *next = NULL;

	for (struct run *run = runs; run < runs + count; run++)
		if (run->at < run->end &&
		    (next == NULL || is_before(&story->lines[run->at], &story->lines[next->at])))
			next = run;
	return next->at++;
}

int message_story_sort(struct message_story *story)
{
	struct message_story_line *sorted = calloc(story->count + 1, sizeof(*sorted));
	struct run *runs = calloc(story->count + 1, sizeof(*runs));
	size_t run_count;

	if (sorted == NULL || runs == NULL) {
		free(runs);
		free(sorted);
		return -1;
	}
	run_count = find_runs(story, runs);
	for (size_t i = 0; i < story->count; i++)
		sorted[i] = story->lines[take_next(story, runs, run_count)];
	if (story->count > 0)
		memcpy(story->lines, sorted, story->count * sizeof(*sorted));
	free(runs);
	free(sorted);
	return 0;
}

void message_story_print(const struct message_story *story, FILE *out)
{
	for (size_t i = 0; i < story->count; i++) {
		const struct message_story_line *line = &story->lines[i];
		time_t seconds = (time_t)(line->time_ms / 1000);
		char clock[40] = "?";
		struct tm local;

		if (localtime_r(&seconds, &local) != NULL)
			strftime(clock, sizeof(clock), "%Y-%m-%d %H:%M:%S", &local);
		if (line->is_whole_second)
			fprintf(out, "%s     ", clock);
		else
			fprintf(out, "%s.%03d ", clock, (int)(line->time_ms % 1000));
		if (line->edge != NULL)
			fprintf(out, "%s postern/edge: ", line->edge);
		fprintf(out, "%s\n", line->text);
	}
}

json_t *message_story_json(const struct message_story *story)
{
	json_t *array = json_array();

	for (size_t i = 0; array != NULL && i < story->count; i++) {
		const struct message_story_line *line = &story->lines[i];
		json_t *object = json_pack("{s:I, s:s}", "time_ms", (json_int_t)line->time_ms, "text", line->text);

		if (object == NULL ||
		    (line->edge != NULL && json_object_set_new(object, "edge", json_string(line->edge)) < 0) ||
		    json_array_append_new(array, object) < 0) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

void message_story_wipe(struct message_story *story)
{
	for (size_t i = 0; i < story->count; i++) {
		free(story->lines[i].edge);
		free(story->lines[i].text);
	}
	free(story->lines);
	memset(story, 0, sizeof(*story));
}
