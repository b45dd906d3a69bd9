/* A line may have some 4 KiB, and JSON may double it: so the answer is kept under its bound by counting. */
#include "question_log.h"

#include <string.h>
#include <time.h>

#include "lib/envelope.h"
#include "lib/log.h"
#include "tunnel/tunnel_limits.h"

/* Of text; quoting and times come on top. */
#define TEXT_BYTES_MAX (TUNNEL_ANSWER_MAX / 3)
#define LINE_BYTES_EXTRA 40
/* Longer than any line of the log. */
#define LINE_TEXT_MAX 4200

struct collection {
	json_t *lines;
	size_t bytes;
	bool has_failed, is_cut;
};

static void drop_first(struct collection *collection)
{
	const json_t *text = json_object_get(json_array_get(collection->lines, 0), "text");

	collection->bytes -= json_string_length(text) + LINE_BYTES_EXTRA;
	json_array_remove(collection->lines, 0);
	collection->is_cut = true;
}

/* A message_log_line_fn. */
static void collect(void *context, int64_t time_ms, const char *text)
{
	struct collection *collection = context;
	char clean[LINE_TEXT_MAX];
	json_t *line;

	/* The log keeps 8-bit bytes as they are, and JSON has no place for those that are no UTF-8. */
	log_printable(clean, sizeof(clean), text, strlen(text));
	line = json_pack("{s:I, s:s}", "time_ms", (json_int_t)time_ms, "text", clean);
	if (json_array_append_new(collection->lines, line) < 0) {
		collection->has_failed = true;
		return;
	}
	collection->bytes += strlen(text) + LINE_BYTES_EXTRA;
	while (collection->bytes > TEXT_BYTES_MAX)
		drop_first(collection);
}

json_t *question_log(const struct edge_question *question)
{
	struct edge_setup *setup;
	struct collection collection = { .lines = json_array() };
	struct timespec now;
	int64_t since_ms;
	json_t *answer;

	if (!envelope_queue_id_is_valid(question->argument, strlen(question->argument))) {
		json_decref(collection.lines);
		return edge_question_error("\"%s\" is no queue id", question->argument);
	}
	since_ms = message_log_find(&question->edge->messages, question->client, question->argument, collect, &collection);
	if (collection.has_failed) {
		json_decref(collection.lines);
		return NULL;
	}
	clock_gettime(CLOCK_REALTIME, &now);
	setup = edge_acquire_setup(question->edge);
	answer = json_pack("{s:s, s:I, s:I, s:o, s:b}", "name", setup->conf.ehlo_name, "time_ms",
			   (json_int_t)now.tv_sec * 1000 + now.tv_nsec / 1000000, "since_ms", (json_int_t)since_ms,
			   "lines", collection.lines, "is_cut", (int)collection.is_cut);
	edge_setup_release(setup);
	return answer;
}
