/*
 * postmap-style text tables, with the line rules of Postfix (postmap(1), DATABASE_README):
 *
 *	- empty lines, lines of white space, and lines whose first other character is "#" are
 *	  ignored, also in the middle of a continued line;
 *	- a line that starts with white space continues the one before it;
 *	- the first white space ends the key.
 *
 * Where Postfix warns and goes on (a continuation of nothing) this is an error. It knows nothing of
 * what keys and values mean, and changes no letter of them.
 */
#include "table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text_file.h"

#define FIRST_CAPACITY 64

struct table_reader {
	struct table *table;
	size_t capacity;
	const char *path;
	size_t line;		/* of the physical line being looked at, 1-based */
	char *logical;		/* the logical line under construction; NULL: none yet */
	char *end;		/* where its next part goes; never beyond what has been read */
	char *error;
	size_t error_size;
};

static int fail(struct table_reader *reader, size_t line, const char *reason)
{
	snprintf(reader->error, reader->error_size, "%s:%zu: %s", reader->path, line, reason);
	return -1;
}

static int is_space(char byte)
{
	return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\v' || byte == '\f';
}

static char *skip_space(char *text)
{
	while (is_space(*text))
		text++;
	return text;
}

static int make_room(struct table_reader *reader)
{
	struct table *table = reader->table;
	size_t larger = reader->capacity > 0 ? reader->capacity * 2 : FIRST_CAPACITY;
	struct table_line *lines;

	if (table->count >= TABLE_LINES_MAX)
		return fail(reader, reader->line, "too many lines");
	if (table->count < reader->capacity)
		return 0;
	lines = realloc(table->lines, larger * sizeof(*lines));
	if (lines == NULL)
		return fail(reader, reader->line, strerror(errno));
	table->lines = lines;
	reader->capacity = larger;
	return 0;
}

/* Ends the logical line, if there is one: cuts it into key and value. */
static void finish_logical(struct table_reader *reader)
{
	struct table_line *line;
	char *value;

	if (reader->logical == NULL)
		return;
	while (is_space(reader->end[-1]))
		reader->end--;
	*reader->end = '\0';
	line = &reader->table->lines[reader->table->count - 1];
	line->key = value = reader->logical;
	while (*value != '\0' && !is_space(*value))
		value++;
	line->value = skip_space(value);
	*value = '\0';
	reader->logical = NULL;
}

static int take_physical(struct table_reader *reader, char *text, size_t length)
{
	char *content = text;

	while (content < text + length && is_space(*content))
		content++;
	if (content == text + length || *content == '#')
		return 0;
	if (content == text) {
		finish_logical(reader);
		if (make_room(reader) != 0)
			return -1;
		reader->table->lines[reader->table->count++].line = reader->line;
		reader->logical = reader->end = text;
	} else if (reader->logical == NULL) {
		return fail(reader, reader->line,
			    "starts with white space, but there is no line that it could continue");
	}
	if ((size_t)(reader->end - reader->logical) + length > TABLE_LINE_MAX)
		return fail(reader, reader->table->lines[reader->table->count - 1].line,
			    "the line is too long");
	memmove(reader->end, text, length);
	reader->end += length;
	return 0;
}

static int take_text(struct table_reader *reader, struct text_file *file)
{
	char *text = file->text, *const end = file->text + file->length;

	while (text < end) {
		char *line_feed = memchr(text, '\n', (size_t)(end - text));
		size_t length = (size_t)((line_feed != NULL ? line_feed : end) - text);

		reader->line++;
		if (take_physical(reader, text,
				  length > 0 && text[length - 1] == '\r' ? length - 1 : length) !=
		    0)
			return -1;
		text += length + 1;
	}
	finish_logical(reader);
	return 0;
}

int table_read(struct table *table, const char *path, struct stat *status, char *error,
	       size_t error_size)
{
	struct table_reader reader = {
		.table = table, .path = path, .error = error, .error_size = error_size
	};
	struct text_file file;

	*table = (struct table){ 0 };
	if (text_file_read(&file, path, TABLE_BYTES_MAX, status, error, error_size) != 0)
		return -1;
	table->text = file.text;
	if (take_text(&reader, &file) == 0)
		return 0;
	table_wipe(table);
	return -1;
}

void table_wipe(struct table *table)
{
	free(table->lines);
	free(table->text);
	*table = (struct table){ 0 };
}

static bool is_same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

bool table_has_changed(const char *path, const struct stat *status)
{
	struct stat now;

	if (stat(path, &now) != 0)
		now = (struct stat){ 0 };
	return now.st_dev != status->st_dev || now.st_ino != status->st_ino ||
	       now.st_size != status->st_size || !is_same_time(now.st_mtim, status->st_mtim) ||
	       !is_same_time(now.st_ctim, status->st_ctim);
}

/* Unquotes one word in place; returns what follows it, or NULL for an open quote. */
static char *take_word(char *text)
{
	char *out = text;
	bool quoted = false;

	for (; *text != '\0' && (quoted || !is_space(*text)); text++) {
		if (*text == '"') {
			quoted = !quoted;
			continue;
		}
		if (quoted && *text == '\\' && (text[1] == '"' || text[1] == '\\'))
			text++;
		*out++ = *text;
	}
	if (quoted)
		return NULL;
	if (*text != '\0')
		text++;
	*out = '\0';
	return text;
}

int table_split(char *value, char **words, int max)
{
	int count = 0;

	for (char *text = skip_space(value); *text != '\0'; text = skip_space(text)) {
		if (count == max)
			return -1;
		words[count++] = text;
		text = take_word(text);
		if (text == NULL)
			return -1;
	}
	return count;
}
