/*
 * The text table as the running milter sees it. The file is read beside the lock: a big one takes a
 * while, during which the others go on with the lines that they have.
 *
 * A file that was written within the last second is left alone for a moment, as Postfix does with
 * texthash:, so that nobody is refused because his line is not there yet. Who cannot wait for that
 * moment replaces the file with rename(2).
 */
#include "senders_text.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/deadline.h"
#include "lib/log.h"
#include "lib/reminder.h"
#include "lib/table.h"
#include "senders_lines.h"

#define LOOK_MS 1000			/* between two looks at the file */
#define FRESH_MS 1000			/* a file written since may not be complete */
#define FRESH_LOOKS_MAX 10		/* so often it is given a moment more */
#define MISTAKES_LOGGED_MAX 20

struct senders_text {
	pthread_mutex_t lock;		/* protects what is not fixed */
	struct senders_lines *lines;
	struct stat status;		/* of the file that they came from */
	struct deadline next_look;
	struct reminder reminder;
	bool is_reading;		/* one thread does, without the lock */
	unsigned fresh_looks;		/* of the thread that reads */
	char *path, *delimiter;		/* fixed */
};

static void log_mistakes(const struct senders_lines *lines, const char *path)
{
	size_t count = senders_lines_mistake_count(lines);

	for (size_t i = 0; i < count && i < MISTAKES_LOGGED_MAX; i++)
		log_error("%s", senders_lines_mistake(lines, i));
	if (count > MISTAKES_LOGGED_MAX)
		log_error("%s: %zu more mistakes; postern-milter --check shows them all", path, count - MISTAKES_LOGGED_MAX);
}

struct senders_text *senders_text_create(const char *path, const char *delimiter, char *error, size_t error_size)
{
	struct senders_text *text = calloc(1, sizeof(*text));

	if (text == NULL || (text->path = strdup(path)) == NULL || (text->delimiter = strdup(delimiter)) == NULL) {
		snprintf(error, error_size, "out of memory");
	} else if ((text->lines = senders_lines_read(path, delimiter, &text->status, error, error_size)) != NULL) {
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
	senders_lines_destroy(text->lines);
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

static void complain(struct senders_text *text, const char *error)
{
	bool is_due;

	pthread_mutex_lock(&text->lock);
	is_due = reminder_is_due(&text->reminder);
	pthread_mutex_unlock(&text->lock);
	if (is_due)
		log_error("%s; the lines read before stay in force", error);
}

static void read_again(struct senders_text *text)
{
	struct senders_lines *lines, *old;
	struct stat status;
	char error[512];

	lines = senders_lines_read(text->path, text->delimiter, &status, error, sizeof(error));
	if (lines == NULL) {
		complain(text, error);
		return;
	}
	log_info("%s was read again: %zu lines, %zu mistakes", text->path, senders_lines_count(lines),
		 senders_lines_mistake_count(lines));
	log_mistakes(lines, text->path);
	pthread_mutex_lock(&text->lock);
	old = text->lines;
	text->lines = lines;
	text->status = status;
	reminder_reset(&text->reminder);
	pthread_mutex_unlock(&text->lock);
	senders_lines_destroy(old);
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
static enum senders_result tell_line(const struct senders_text *text, const struct senders_line *found,
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
	const struct senders_line *found;

	refresh(text);
	pthread_mutex_lock(&text->lock);
	found = senders_lines_find(text->lines, key);
	if (found != NULL)
		result = tell_line(text, found, entry, error, error_size);
	pthread_mutex_unlock(&text->lock);
	return result;
}

size_t senders_text_check(struct senders_text *text, senders_tell_fn *tell, void *context)
{
	size_t count;

	pthread_mutex_lock(&text->lock);
	count = senders_lines_mistake_count(text->lines);
	for (size_t i = 0; i < count; i++)
		tell(context, senders_lines_mistake(text->lines, i));
	pthread_mutex_unlock(&text->lock);
	return count;
}

void senders_text_log_mistakes(struct senders_text *text)
{
	pthread_mutex_lock(&text->lock);
	log_mistakes(text->lines, text->path);
	pthread_mutex_unlock(&text->lock);
}

size_t senders_text_count(struct senders_text *text)
{
	size_t count;

	pthread_mutex_lock(&text->lock);
	count = senders_lines_count(text->lines);
	pthread_mutex_unlock(&text->lock);
	return count;
}
