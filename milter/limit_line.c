/* The options of one line of `limits`. What is not understood is refused, never left out. */
#include "limit_line.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/quantity.h"
#include "lib/table.h"

/* More words than there are options, so that the reason can name the one too many. */
#define WORDS_MAX 16

static const char *const rate_names[LIMIT_RATES] = {
	[LIMIT_MESSAGES] = "messages",
	[LIMIT_RECIPIENTS] = "recipients",
	[LIMIT_MESSAGES_MAX] = "messages_max",
	[LIMIT_RECIPIENTS_MAX] = "recipients_max",
};

const char *limit_rate_name(enum limit_rate rate)
{
	return rate_names[rate];
}

int limit_rate_find(enum limit_rate *rate, const char *name)
{
	for (int i = 0; i < LIMIT_RATES; i++) {
		if (strcmp(rate_names[i], name) != 0)
			continue;
		*rate = (enum limit_rate)i;
		return 0;
	}
	return -1;
}

static int fail(char *reason, size_t reason_size, const char *word, const char *expected)
{
	snprintf(reason, reason_size, "\"%.100s\": %s", word, expected);
	return -1;
}

static int parse_rate(struct token_rate *rate, const char *word, const char *text, char *reason, size_t reason_size)
{
	struct token_rate found;
	const char *wrong = token_rate_parse(&found, text);

	if (wrong != NULL)
		return fail(reason, reason_size, word, wrong);
	if (rate->tokens != 0)
		return fail(reason, reason_size, word, "this limit stands in the line already");
	*rate = found;
	return 0;
}

static int parse_size(uint64_t *size, const char *word, const char *text, char *reason, size_t reason_size)
{
	int64_t bytes;

	if (quantity_parse(QUANTITY_SIZE, text, &bytes) != QUANTITY_OK || bytes < 1)
		return fail(reason, reason_size, word, "not a size in bytes, as 512k, 25M or 65536");
	if (*size != 0)
		return fail(reason, reason_size, word, "this limit stands in the line already");
	*size = (uint64_t)bytes;
	return 0;
}

static int parse_word(struct limit_line *line, char *word, char *reason, size_t reason_size)
{
	char copy[128], *equals;
	enum limit_rate rate;

	snprintf(copy, sizeof(copy), "%s", word);
	equals = strchr(copy, '=');
	if (strlen(word) >= sizeof(copy) || equals == NULL)
		return fail(reason, reason_size, word, "not OPTION=NUMBER");
	*equals = '\0';
	if (strcmp(copy, "size") == 0)
		return parse_size(&line->size, word, equals + 1, reason, reason_size);
	if (limit_rate_find(&rate, copy) == 0)
		return parse_rate(&line->rates[rate], word, equals + 1, reason, reason_size);
	return fail(reason, reason_size, word,
		    "unknown option; there are messages, recipients, messages_max, recipients_max and size");
}

int limit_line_parse(struct limit_line *line, char *value, char *reason, size_t reason_size)
{
	char *words[WORDS_MAX];
	int count = table_split(value, words, WORDS_MAX);

	memset(line, 0, sizeof(*line));
	if (count < 0) {
		snprintf(reason, reason_size, "too many words, or a quote that is not closed");
		return -1;
	}
	if (count == 0) {
		snprintf(reason, reason_size, "no limit; \"unlimited\" is how to say that there is none");
		return -1;
	}
	if (count == 1 && strcmp(words[0], "unlimited") == 0)
		return 0;
	for (int i = 0; i < count; i++)
		if (parse_word(line, words[i], reason, reason_size) < 0)
			return -1;
	return 0;
}
