/*
 * Editing the text of an allow-list. What a logical line is, lib/table.h says: it begins without
 * white space, goes on in lines that begin with white space, and comments and empty lines in
 * between belong to nobody.
 */
#include "client_lines.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

bool client_lines_word_is_clean(const char *word)
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

char *client_lines_append(const char *text, size_t length, char *const *words, size_t word_count,
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

char *client_lines_remove(const char *text, size_t length,
			  bool (*is_removed)(const void *context, size_t line), const void *context,
			  size_t *length_out)
{
	char *result = malloc(length + 1);
	size_t used = 0, number = 0;
	bool removing = false;

	if (result == NULL)
		return NULL;
	for (size_t at = 0; at < length;) {
		const char *line = text + at, *line_feed = memchr(line, '\n', length - at);
		size_t line_length = line_feed != NULL ? (size_t)(line_feed - line) + 1
						       : length - at;
		bool ignored = is_ignored(line, line_length);

		number++;
		if (!ignored && !isspace((unsigned char)line[0]))
			removing = is_removed(context, number);
		if (ignored || !removing) {
			memcpy(result + used, line, line_length);
			used += line_length;
		}
		at += line_length;
	}
	*length_out = used;
	return result;
}
