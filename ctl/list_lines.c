/*
 * Editing the text of a table. What a logical line is, lib/table.h says: it begins without
 * white space, goes on in lines that begin with white space, and comments and empty lines in
 * between belong to nobody.
 */
#include "list_lines.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

bool list_lines_word_is_clean(const char *word)
{
	if (word[0] == '\0' || word[0] == '#')
		return false;
	for (; *word != '\0'; word++)
		if ((unsigned char)*word <= ' ' || *word == '"' || *word == '\\' || *word == 0x7f)
			return false;
	return true;
}

static size_t count_lines(const char *text, size_t length)
{
	size_t lines = 0;

	for (size_t i = 0; i < length; i++)
		lines += text[i] == '\n';
	return lines;
}

char *list_lines_append(const char *text, size_t length, char *const *words, size_t word_count,
			  size_t *length_out, size_t *line_out)
{
	size_t size = length + 2, used = length;
	char *result;

	for (size_t i = 0; i < word_count; i++)
		size += strlen(words[i]) + 1;
	result = malloc(size);
	if (result == NULL)
		return NULL;
	if (length > 0)
		memcpy(result, text, length);
	if (length > 0 && text[length - 1] != '\n')
		result[used++] = '\n';
	*line_out = count_lines(result, used) + 1;
	for (size_t i = 0; i < word_count; i++) {
		size_t word_length = strlen(words[i]);

		memcpy(result + used, words[i], word_length);
		used += word_length;
		result[used++] = i + 1 < word_count ? ' ' : '\n';
	}
	*length_out = used;
	return result;
}

/* Empty, white space only, or a comment. */
static bool is_ignored(const char *line, size_t length)
{
	size_t i = 0;

	while (i < length && isspace((unsigned char)line[i]))
		i++;
	return i == length || line[i] == '#';
}

/* One physical line of a text after the other. All zero but for the text at the beginning. */
struct walk {
	const char *text;
	size_t text_length, next;
	const char *line;		/* with its line feed */
	size_t length, number;		/* 1-based */
	bool is_ignored, is_first;	/* of a logical line */
};

static bool next_line(struct walk *walk)
{
	size_t left = walk->text_length - walk->next;
	const char *line_feed;

	if (left == 0)
		return false;
	walk->line = walk->text + walk->next;
	line_feed = memchr(walk->line, '\n', left);
	walk->length = line_feed != NULL ? (size_t)(line_feed - walk->line) + 1 : left;
	walk->next += walk->length;
	walk->number++;
	walk->is_ignored = is_ignored(walk->line, walk->length);
	walk->is_first = !walk->is_ignored && !isspace((unsigned char)walk->line[0]);
	return true;
}

char *list_lines_remove(const char *text, size_t length,
			  bool (*is_removed)(const void *context, size_t line), const void *context,
			  size_t *length_out)
{
	struct walk walk = { .text = text, .text_length = length };
	char *result = malloc(length + 1);
	bool removing = false;
	size_t used = 0;

	if (result == NULL)
		return NULL;
	while (next_line(&walk)) {
		if (walk.is_first)
			removing = is_removed(context, walk.number);
		if (walk.is_ignored || !removing) {
			memcpy(result + used, walk.line, walk.length);
			used += walk.length;
		}
	}
	*length_out = used;
	return result;
}

/* The text being made, and where the last word of the meant line ends in it. */
struct exchange {
	char *result;
	size_t used, end;
};

static bool is_among(const char *word, size_t length, const char *const *words)
{
	/* "rate=1/1m" and rate="1/1m" are one option. */
	if (length > 0 && word[0] == '"') {
		word++;
		length--;
	}
	for (; *words != NULL; words++) {
		size_t wanted = strlen(*words);
		bool is_option = wanted > 0 && (*words)[wanted - 1] == '=';

		if ((is_option ? wanted <= length : wanted == length) && memcmp(*words, word, wanted) == 0)
			return true;
	}
	return false;
}

/* The length of white space, or of a word with its quotes. */
static size_t span(const char *text, size_t length, bool is_word)
{
	bool is_quoted = false;
	size_t i = 0;

	for (; i < length && (is_quoted || (isspace((unsigned char)text[i]) != 0) != is_word); i++) {
		if (is_quoted && text[i] == '\\' && i + 1 < length)
			i++;
		else if (text[i] == '"')
			is_quoted = !is_quoted;
	}
	return i;
}

static void copy(struct exchange *exchange, const char *text, size_t length)
{
	memcpy(exchange->result + exchange->used, text, length);
	exchange->used += length;
}

/* One physical line of the meant one. */
static void exchange_words(struct exchange *exchange, const char *text, size_t length,
			   const char *const *removed)
{
	for (size_t at = 0; at < length;) {
		size_t space = span(text + at, length - at, false);
		size_t word = span(text + at + space, length - at - space, true);

		if (word == 0 || !is_among(text + at + space, word, removed)) {
			copy(exchange, text + at, space + word);
			if (word > 0)
				exchange->end = exchange->used;
		}
		at += space + word;
	}
}

char *list_lines_exchange(const char *text, size_t length, size_t line, const char *const *removed,
			  const char *added, size_t *length_out)
{
	size_t added_length = added != NULL ? strlen(added) + 1 : 0;
	struct walk walk = { .text = text, .text_length = length };
	struct exchange exchange = { .result = malloc(length + added_length + 1) };
	bool is_meant = false;

	if (exchange.result == NULL)
		return NULL;
	while (next_line(&walk)) {
		if (walk.is_first)
			is_meant = walk.number == line;
		if (is_meant && !walk.is_ignored)
			exchange_words(&exchange, walk.line, walk.length, removed);
		else
			copy(&exchange, walk.line, walk.length);
	}
	if (added_length > 0 && exchange.end > 0) {
		memmove(exchange.result + exchange.end + added_length, exchange.result + exchange.end,
			exchange.used - exchange.end);
		exchange.result[exchange.end] = ' ';
		memcpy(exchange.result + exchange.end + 1, added, added_length - 1);
		exchange.used += added_length;
	}
	*length_out = exchange.used;
	return exchange.result;
}
