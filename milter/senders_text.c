/*
 * The text table behind a lock: one hash over all keys. A network's key is its bits with their
 * number, so the longest match is one look into the hash for each length that occurs in the table.
 *
 * The file is read beside the lock: a big one takes a while, during which the others go on with the
 * lines that they have. A file that was written within the last second is left alone for a moment,
 * like Postfix does with texthash:, so that nobody is refused because his line is not there yet.
 * Who cannot wait for that moment replaces the file with rename(2).
 */
/* Memory that is not there is an outcome like others; uthash would exit. */
#define HASH_NONFATAL_OOM 1

#include "senders_text.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uthash.h>

#include "lib/deadline.h"
#include "lib/log.h"
#include "lib/table.h"

#define LOOK_MS 1000			/* between two looks at the file */
#define REMINDER_MS 60000		/* between two complaints about one that cannot be read */
#define FRESH_MS 1000			/* a file written since may not be complete */
#define FRESH_LOOKS_MAX 10		/* so often it is given a moment more */
#define MISTAKES_LOGGED_MAX 20

#define KEY_BYTES_MAX (1 + SENDERS_KEY_TEXT_MAX)
#define MISTAKE_MAX 1024

struct entry {
	size_t line, index;		/* in the file; in table.lines while that exists */
	struct sender_list *list;	/* NULL: there is a mistake */
	const char *mistake;		/* one of lines.mistakes */
	UT_hash_handle hh;
	uint8_t key[];
};

struct lines {
	struct entry *by_key;
	size_t count;
	bool has_prefix[2][129];	/* IPv4, IPv6: does a network of that length have a line? */
	char **mistakes;
	size_t mistake_count, mistake_capacity;
};

struct senders_text {
	pthread_mutex_t lock;		/* protects what is not fixed */
	struct lines lines;
	struct stat status;		/* of the file that they came from */
	struct deadline next_look;
	struct deadline reminder;
	bool is_reading;		/* one thread does, without the lock */
	unsigned fresh_looks;		/* of the thread that reads */
	char *path, *delimiter;		/* fixed */
};

/* While a table is read. */
struct reader {
	struct lines *lines;
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

static struct entry *find(const struct lines *lines, const struct senders_key *key)
{
	uint8_t bytes[KEY_BYTES_MAX];
	size_t length = key_bytes(key, bytes);
	struct entry *found;

	HASH_FIND(hh, lines->by_key, bytes, length, found);
	return found;
}

/* NULL: out of memory. */
static struct entry *add(struct lines *lines, const struct senders_key *key)
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

static void lines_wipe(struct lines *lines)
{
	struct entry *entry, *next;

	HASH_ITER(hh, lines->by_key, entry, next) {
		HASH_DEL(lines->by_key, entry);
		sender_list_release(entry->list);
		free(entry);
	}
	for (size_t i = 0; i < lines->mistake_count; i++)
		free(lines->mistakes[i]);
	free(lines->mistakes);
	*lines = (struct lines){ 0 };
}

/* "PATH:LINE: what"; NULL: out of memory. */
static const char *add_mistake(struct reader *reader, size_t line, const char *what)
{
	struct lines *lines = reader->lines;
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
		 log_printable(printable, sizeof(printable), line->key, strlen(line->key)), first->line,
		 is_same ? "with the same addresses; remove one of the two lines" :
			   "with other addresses; leave one of the two lines");
	mistake = add_mistake(reader, line->line, what);
	if (mistake == NULL)
		return -1;
	if (is_same)
		return 0;
	sender_list_release(first->list);
	first->list = NULL;
	first->mistake = mistake;
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
	entry->line = line->line;
	entry->index = index;
	entry->list = sender_list_parse(line->value, reader->delimiter, reason, sizeof(reason));
	if (entry->list == NULL)
		entry->mistake = add_mistake(reader, line->line, reason);
	return entry->list != NULL || entry->mistake != NULL ? 0 : -1;
}

/* 0, or -1 with error and nothing to wipe; *status is filled in either case. */
static int read_lines(struct lines *lines, const struct senders_text *text, struct stat *status, char *error,
		      size_t error_size)
{
	struct reader reader = { .lines = lines, .path = text->path, .delimiter = text->delimiter };
	struct table table;
	int result = 0;

	*lines = (struct lines){ 0 };
	if (table_read(&table, text->path, status, error, error_size) != 0)
		return -1;
	reader.table = &table;
	for (size_t i = 0; i < table.count && result == 0; i++)
		result = take_line(&reader, i);
	lines->count = table.count;
	table_wipe(&table);
	if (result != 0) {
		snprintf(error, error_size, "%s: out of memory", text->path);
		lines_wipe(lines);
	}
	return result;
}

static void log_mistakes(const struct lines *lines, const char *path)
{
	for (size_t i = 0; i < lines->mistake_count && i < MISTAKES_LOGGED_MAX; i++)
		log_error("%s", lines->mistakes[i]);
	if (lines->mistake_count > MISTAKES_LOGGED_MAX)
		log_error("%s: %zu more mistakes are not shown here", path,
			  lines->mistake_count - MISTAKES_LOGGED_MAX);
}

struct senders_text *senders_text_create(const char *path, const char *delimiter, char *error, size_t error_size)
{
	struct senders_text *text = calloc(1, sizeof(*text));

	if (text == NULL || (text->path = strdup(path)) == NULL || (text->delimiter = strdup(delimiter)) == NULL) {
		snprintf(error, error_size, "out of memory");
	} else if (read_lines(&text->lines, text, &text->status, error, error_size) == 0) {
		log_mistakes(&text->lines, path);
		text->reminder = deadline_in_ms(0);
		text->next_look = deadline_in_ms(LOOK_MS);
		pthread_mutex_init(&text->lock, NULL);
		return text;
	}
	if (text != NULL) {
		free(text->path);
		free(text->delimiter);
	}
	free(text);
	return NULL;
}

void senders_text_destroy(struct senders_text *text)
{
	if (text == NULL)
		return;
	lines_wipe(&text->lines);
	pthread_mutex_destroy(&text->lock);
	free(text->path);
	free(text->delimiter);
	free(text);
}

/* Perhaps somebody writes it at this moment. */
static bool is_fresh(struct senders_text *text)
{
	struct timespec now;
	struct stat status;
	int64_t age_ms;

	clock_gettime(CLOCK_REALTIME, &now);
	if (stat(text->path, &status) != 0)
		return false;
	age_ms = (now.tv_sec - status.st_mtim.tv_sec) * INT64_C(1000) + (now.tv_nsec - status.st_mtim.tv_nsec) / 1000000;
	text->fresh_looks = age_ms >= 0 && age_ms < FRESH_MS ? text->fresh_looks + 1 : 0;
	return text->fresh_looks > 0 && text->fresh_looks <= FRESH_LOOKS_MAX;
}

/* Caller holds the lock. */
static void take_fresh(struct senders_text *text, struct lines *fresh, const struct stat *status)
{
	struct lines old = text->lines;

	text->lines = *fresh;
	text->status = *status;
	text->reminder = deadline_in_ms(0);
	*fresh = old;
}

/* Caller holds the lock. Is it time to say so again? */
static bool is_time_to_complain(struct senders_text *text)
{
	if (!deadline_has_passed(text->reminder))
		return false;
	text->reminder = deadline_in_ms(REMINDER_MS);
	return true;
}

static void read_again(struct senders_text *text)
{
	char error[MISTAKE_MAX];
	struct lines lines;
	struct stat status;
	bool complain;

	if (read_lines(&lines, text, &status, error, sizeof(error)) != 0) {
		pthread_mutex_lock(&text->lock);
		complain = is_time_to_complain(text);
		pthread_mutex_unlock(&text->lock);
		if (complain)
			log_error("%s; the lines read before stay in force", error);
		return;
	}
	log_info("%s was read again: %zu lines, %zu mistakes", text->path, lines.count, lines.mistake_count);
	log_mistakes(&lines, text->path);
	pthread_mutex_lock(&text->lock);
	take_fresh(text, &lines, &status);
	pthread_mutex_unlock(&text->lock);
	lines_wipe(&lines);
}

/* Is it this thread's turn to look at the file? */
static bool claim_look(struct senders_text *text, struct stat *status)
{
	bool is_mine;

	pthread_mutex_lock(&text->lock);
	is_mine = !text->is_reading && deadline_has_passed(text->next_look);
	if (is_mine) {
		text->is_reading = true;
		*status = text->status;
	}
	pthread_mutex_unlock(&text->lock);
	return is_mine;
}

static void refresh(struct senders_text *text)
{
	struct stat status;

	if (!claim_look(text, &status))
		return;
	if (table_has_changed(text->path, &status) && !is_fresh(text))
		read_again(text);
	pthread_mutex_lock(&text->lock);
	text->is_reading = false;
	text->next_look = deadline_in_ms(LOOK_MS);
	pthread_mutex_unlock(&text->lock);
}

/* Caller holds the lock. */
static const struct entry *find_longest(const struct lines *lines, struct senders_key *key)
{
	const bool *has_prefix = lines->has_prefix[key->octets == 16];

	for (unsigned above = key->prefix + 1; above > 0; above--) {
		const struct entry *found;

		if (!has_prefix[above - 1])
			continue;
		senders_key_widen(key, above - 1);
		found = find(lines, key);
		if (found != NULL)
			return found;
	}
	return NULL;
}

/* Caller holds the lock. */
static enum senders_result tell_entry(const struct senders_text *text, const struct entry *found,
				      struct senders_entry *entry, char *error, size_t error_size)
{
	snprintf(entry->where, sizeof(entry->where), "%s:%zu", text->path, found->line);
	if (found->list == NULL) {
		snprintf(error, error_size, "%s", found->mistake);
		return SENDERS_BAD_LINE;
	}
	entry->list = sender_list_acquire(found->list);
	return SENDERS_FOUND;
}

enum senders_result senders_text_find(struct senders_text *text, struct senders_key *key, struct senders_entry *entry,
				      char *error, size_t error_size)
{
	enum senders_result result = SENDERS_NONE;
	struct senders_key asked = *key;
	const struct entry *found;

	refresh(text);
	pthread_mutex_lock(&text->lock);
	found = key->kind == SENDERS_KEY_NETWORK ? find_longest(&text->lines, &asked) : find(&text->lines, key);
	if (found != NULL) {
		*key = asked;
		result = tell_entry(text, found, entry, error, error_size);
	}
	pthread_mutex_unlock(&text->lock);
	return result;
}

size_t senders_text_check(struct senders_text *text, senders_tell_fn *tell, void *context)
{
	size_t count;

	pthread_mutex_lock(&text->lock);
	count = text->lines.mistake_count;
	for (size_t i = 0; i < count; i++)
		tell(context, text->lines.mistakes[i]);
	pthread_mutex_unlock(&text->lock);
	return count;
}

size_t senders_text_count(struct senders_text *text)
{
	size_t count;

	pthread_mutex_lock(&text->lock);
	count = text->lines.count;
	pthread_mutex_unlock(&text->lock);
	return count;
}
