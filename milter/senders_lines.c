/*
 * The lines of a text table: one hash over all keys. A network's key is its bits with their number,
 * so the longest match is one look into the hash for each length that occurs in the table.
 *
 * A mistake spoils one key: what stands in its line is not guessed at. Two lines for one key spoil
 * it too, unless they say the same; that postmap(1) would take the first is no help where the second
 * was to take rights away.
 */
/* Memory that is not there is an outcome like others; uthash would exit. */
#define HASH_NONFATAL_OOM 1

#include "senders_lines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "lib/log.h"
#include "lib/table.h"

#define KEY_BYTES_MAX (1 + SENDERS_KEY_TEXT_MAX)
#define MISTAKE_MAX 1024

struct entry {
	struct senders_line line;	/* its mistake is one of those below */
	size_t index;			/* in the table, while that exists */
	UT_hash_handle hh;
	uint8_t key[];
};

struct senders_lines {
	struct entry *by_key;
	size_t count;
	bool has_prefix[2][129];	/* IPv4, IPv6: does a network of that length have a line? */
	char **mistakes;
	size_t mistake_count, mistake_capacity;
};

/* While a table is read. */
struct reader {
	struct senders_lines *lines;
	const struct table *table;
	const char *path, *delimiter;
};

static size_t key_bytes(const struct senders_key *key, uint8_t bytes[KEY_BYTES_MAX])
{
	size_t length = strlen(key->text);

	bytes[0] = (uint8_t)key->kind;
	if (key->kind == SENDERS_KEY_NETWORK) {
		bytes[1] = (uint8_t)key->prefix;
		memcpy(bytes + 2, key->address, key->octets);
		return 2 + key->octets;
	}
	memcpy(bytes + 1, key->text, length);
	return 1 + length;
}

static struct entry *find(const struct senders_lines *lines, const struct senders_key *key)
{
	uint8_t bytes[KEY_BYTES_MAX];
	size_t length = key_bytes(key, bytes);
	struct entry *found;

	HASH_FIND(hh, lines->by_key, bytes, length, found);
	return found;
}

/* NULL: out of memory. */
static struct entry *add(struct senders_lines *lines, const struct senders_key *key)
{
	uint8_t bytes[KEY_BYTES_MAX];
	size_t length = key_bytes(key, bytes);
	struct entry *fresh = calloc(1, sizeof(*fresh) + length);

	if (fresh == NULL)
		return NULL;
	memcpy(fresh->key, bytes, length);
	HASH_ADD_KEYPTR(hh, lines->by_key, fresh->key, length, fresh);
	if (fresh->hh.tbl == NULL) {
		free(fresh);
		return NULL;
	}
	if (key->kind == SENDERS_KEY_NETWORK)
		lines->has_prefix[key->octets == 16][key->prefix] = true;
	return fresh;
}

void senders_lines_destroy(struct senders_lines *lines)
{
	struct entry *entry, *next;

	if (lines == NULL)
		return;
	HASH_ITER(hh, lines->by_key, entry, next) {
		HASH_DEL(lines->by_key, entry);
		sender_list_release(entry->line.list);
		free(entry);
	}
	for (size_t i = 0; i < lines->mistake_count; i++)
		free(lines->mistakes[i]);
	free(lines->mistakes);
	free(lines);
}

/* "PATH:LINE: what"; NULL: out of memory. */
static const char *add_mistake(struct reader *reader, size_t line, const char *what)
{
	struct senders_lines *lines = reader->lines;
	char text[MISTAKE_MAX];

	if (lines->mistake_count == lines->mistake_capacity) {
		size_t larger = lines->mistake_capacity > 0 ? lines->mistake_capacity * 2 : 16;
		char **mistakes = realloc(lines->mistakes, larger * sizeof(*mistakes));

		if (mistakes == NULL)
			return NULL;
		lines->mistakes = mistakes;
		lines->mistake_capacity = larger;
	}
	snprintf(text, sizeof(text), "%s:%zu: %s", reader->path, line, what);
	lines->mistakes[lines->mistake_count] = strdup(text);
	if (lines->mistakes[lines->mistake_count] == NULL)
		return NULL;
	return lines->mistakes[lines->mistake_count++];
}

/* The key of this line has one already. */
static int take_double(struct reader *reader, struct entry *first, const struct table_line *line)
{
	bool is_same = strcmp(reader->table->lines[first->index].value, line->value) == 0;
	char printable[SENDERS_KEY_TEXT_MAX], what[MISTAKE_MAX];
	const char *mistake;

	snprintf(what, sizeof(what), "\"%.200s\" stands in line %zu already, %s",
		 log_printable(printable, sizeof(printable), line->key, strlen(line->key)), first->line.line,
		 is_same ? "with the same addresses; remove one of the two lines" :
			   "with other addresses; leave one of the two lines");
	mistake = add_mistake(reader, line->line, what);
	if (mistake == NULL)
		return -1;
	if (is_same)
		return 0;
	sender_list_release(first->line.list);
	first->line.list = NULL;
	first->line.mistake = mistake;
	return 0;
}

/* -1: out of memory. */
static int take_line(struct reader *reader, size_t index)
{
	const struct table_line *line = &reader->table->lines[index];
	char reason[MISTAKE_MAX];
	struct senders_key key;
	struct entry *entry;

	if (senders_key_parse(&key, line->key, reason, sizeof(reason)) != 0)
		return add_mistake(reader, line->line, reason) != NULL ? 0 : -1;
	entry = find(reader->lines, &key);
	if (entry != NULL)
		return take_double(reader, entry, line);
	entry = add(reader->lines, &key);
	if (entry == NULL)
		return -1;
	entry->index = index;
	entry->line.line = line->line;
	entry->line.list = sender_list_parse(line->value, reader->delimiter, reason, sizeof(reason));
	if (entry->line.list == NULL)
		entry->line.mistake = add_mistake(reader, line->line, reason);
	return entry->line.list != NULL || entry->line.mistake != NULL ? 0 : -1;
}

struct senders_lines *senders_lines_read(const char *path, const char *delimiter, struct stat *status, char *error,
					 size_t error_size)
{
	struct senders_lines *lines = NULL;
	struct reader reader = { .path = path, .delimiter = delimiter };
	struct table table;
	int result = -1;

	if (table_read(&table, path, status, error, error_size) != 0)
		return NULL;
	lines = calloc(1, sizeof(*lines));
	if (lines != NULL) {
		reader.lines = lines;
		reader.table = &table;
		lines->count = table.count;
		result = 0;
	}
	for (size_t i = 0; result == 0 && i < table.count; i++)
		result = take_line(&reader, i);
	table_wipe(&table);
	if (result == 0)
		return lines;
	snprintf(error, error_size, "%s: out of memory", path);
	senders_lines_destroy(lines);
	return NULL;
}

static const struct entry *find_longest(const struct senders_lines *lines, struct senders_key *key)
{
	const bool *has_prefix = lines->has_prefix[key->octets == 16];
	struct senders_key wider = *key;

	for (unsigned above = key->prefix + 1; above > 0; above--) {
		const struct entry *found;

		if (!has_prefix[above - 1])
			continue;
		senders_key_widen(&wider, above - 1);
		found = find(lines, &wider);
		if (found == NULL)
			continue;
		*key = wider;
		return found;
	}
	return NULL;
}

const struct senders_line *senders_lines_find(const struct senders_lines *lines, struct senders_key *key)
{
	const struct entry *found = key->kind == SENDERS_KEY_NETWORK ? find_longest(lines, key) : find(lines, key);

	return found != NULL ? &found->line : NULL;
}

size_t senders_lines_count(const struct senders_lines *lines)
{
	return lines->count;
}

size_t senders_lines_mistake_count(const struct senders_lines *lines)
{
	return lines->mistake_count;
}

const char *senders_lines_mistake(const struct senders_lines *lines, size_t index)
{
	return lines->mistakes[index];
}
