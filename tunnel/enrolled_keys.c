/*
 * Reading the file of enrolled keys. It is written by a process that may be killed at any byte, on a
 * disk that may be full or lose its power, so any bytes may stand in it, NULs too; each good line
 * counts all the same.
 */
#include "enrolled_keys.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base64_key.h"
#include "lib/text_file.h"
#include "noise.h"

#define FIRST_CAPACITY 4096

struct reading {
	struct enrolled_keys *keys;
	const char *path;
	enrolled_keys_complain_fn *complain;
	void *context;
};

/* ---- one line ---- */

static bool parse(struct enrolled_key *key, const char *line, size_t length)
{
	char time[UTC_TIME_TEXT + 1];

	if (length != 2 * (BASE64_KEY_TEXT + 1) + UTC_TIME_TEXT || line[BASE64_KEY_TEXT] != ' ' ||
	    line[2 * BASE64_KEY_TEXT + 1] != ' ')
		return false;
	memcpy(time, line + 2 * (BASE64_KEY_TEXT + 1), UTC_TIME_TEXT);
	time[UTC_TIME_TEXT] = '\0';
	return base64_key_decode(key->invite_key, line, BASE64_KEY_TEXT) == 0 &&
	       base64_key_decode(key->client_key, line + BASE64_KEY_TEXT + 1, BASE64_KEY_TEXT) ==
		       0 &&
	       !noise_key_looks_secret(key->client_key) && utc_time_parse(&key->time, time) == 0;
}

void enrolled_keys_print(const struct enrolled_key *key, char out[ENROLLED_KEYS_LINE_MAX])
{
	char time[UTC_TIME_TEXT + 1];

	base64_key_encode(out, key->invite_key);
	out[BASE64_KEY_TEXT] = ' ';
	base64_key_encode(out + BASE64_KEY_TEXT + 1, key->client_key);
	sprintf(out + 2 * BASE64_KEY_TEXT + 1, " %s\n", utc_time_print(key->time, time));
}

/* ---- the file ---- */

static void complain(struct reading *reading, size_t line, const char *reason)
{
	char message[512];

	reading->keys->bad_lines++;
	if (reading->complain == NULL)
		return;
	snprintf(message, sizeof(message), "%.400s:%zu: %s", reading->path, line, reason);
	reading->complain(reading->context, message);
}

/* 0, or -1: no memory. */
static int take_line(struct reading *reading, const char *line, size_t length, size_t number)
{
	struct enrolled_keys *keys = reading->keys;
	struct enrolled_key key = { .line = number };
	struct enrolled_key *larger;

	if (!parse(&key, line, length)) {
		complain(reading, number, "not a line of enrolled keys, or a damaged one");
		return 0;
	}
	/* Grows at powers of two. */
	if ((keys->count & (keys->count - 1)) == 0) {
		larger = reallocarray(keys->keys, keys->count > 0 ? 2 * keys->count : 1,
				      sizeof(*larger));
		if (larger == NULL)
			return -1;
		keys->keys = larger;
	}
	keys->keys[keys->count++] = key;
	return 0;
}

static int take_lines(struct reading *reading, const char *text, size_t length)
{
	size_t number = 1;

	for (const char *end; length > 0; number++) {
		end = memchr(text, '\n', length);
		if (end == NULL) {
			reading->keys->is_torn = true;
			return 0;
		}
		if (take_line(reading, text, (size_t)(end - text), number) < 0)
			return -1;
		length -= (size_t)(end + 1 - text);
		text = end + 1;
	}
	return 0;
}

/* On the heap; NULL with errno. */
static char *read_all(int fd, size_t *length)
{
	size_t capacity = 0;
	char *text = NULL, *larger;
	ssize_t got;

	*length = 0;
	do {
		if (*length == capacity) {
			capacity = capacity > 0 ? 2 * capacity : FIRST_CAPACITY;
			larger = capacity <= 2 * (size_t)ENROLLED_KEYS_BYTES_MAX
					 ? realloc(text, capacity)
					 : NULL;
			if (larger == NULL) {
				free(text);
				errno = capacity <= 2 * (size_t)ENROLLED_KEYS_BYTES_MAX ? ENOMEM
											: EFBIG;
				return NULL;
			}
			text = larger;
		}
		got = read(fd, text + *length, capacity - *length);
		if (got > 0)
			*length += (size_t)got;
	} while (got > 0 || (got < 0 && errno == EINTR));
	if (got == 0)
		return text;
	free(text);
	return NULL;
}

static int read_file(struct reading *reading, int fd)
{
	size_t length;
	char *text;
	int result;

	if (fstat(fd, &reading->keys->status) != 0)
		return -1;
	if (!S_ISREG(reading->keys->status.st_mode)) {
		errno = EINVAL;
		return -1;
	}
	text = read_all(fd, &length);
	if (text == NULL)
		return -1;
	result = take_lines(reading, text, length);
	free(text);
	return result;
}

static int by_invite_and_line(const void *left, const void *right)
{
	const struct enrolled_key *a = left, *b = right;
	int order = memcmp(a->invite_key, b->invite_key, sizeof(a->invite_key));

	return order != 0 ? order : (a->line > b->line) - (a->line < b->line);
}

/* Of one invite the first line stays; a second with the same key says nothing new. */
static void remove_later(struct reading *reading)
{
	struct enrolled_keys *keys = reading->keys;
	size_t kept = 0;

	if (keys->count > 0)
		qsort(keys->keys, keys->count, sizeof(*keys->keys), by_invite_and_line);
	for (size_t i = 0; i < keys->count; i++) {
		const struct enrolled_key *last = kept > 0 ? &keys->keys[kept - 1] : NULL;
		const struct enrolled_key *key = &keys->keys[i];

		if (last == NULL ||
		    memcmp(last->invite_key, key->invite_key, sizeof(key->invite_key)) != 0)
			keys->keys[kept++] = *key;
		else if (memcmp(last->client_key, key->client_key, sizeof(key->client_key)) != 0)
			complain(
				reading, key->line,
				"another key for an invite that was used before; the first counts");
	}
	keys->count = kept;
}

int enrolled_keys_read(struct enrolled_keys *keys, const char *path,
		       enrolled_keys_complain_fn *complain_fn, void *context, char *error,
		       size_t error_size)
{
	struct reading reading = { keys, path, complain_fn, context };
	int fd = text_file_open(path), result;

	memset(keys, 0, sizeof(*keys));
	if (fd < 0 && errno == ENOENT)
		return 0;
	result = fd >= 0 ? read_file(&reading, fd) : -1;
	if (result < 0) {
		snprintf(error, error_size, "%s: %s", path, strerror(errno));
		enrolled_keys_wipe(keys);
	}
	if (fd >= 0)
		close(fd);
	if (result == 0)
		remove_later(&reading);
	return result;
}

void enrolled_keys_wipe(struct enrolled_keys *keys)
{
	free(keys->keys);
	memset(keys, 0, sizeof(*keys));
}

static int by_invite(const void *key, const void *element)
{
	const struct enrolled_key *enrolled = element;

	return memcmp(key, enrolled->invite_key, sizeof(enrolled->invite_key));
}

const struct enrolled_key *enrolled_keys_find(const struct enrolled_keys *keys,
					      const uint8_t invite_key[32])
{
	if (keys->count == 0)
		return NULL;
	return bsearch(invite_key, keys->keys, keys->count, sizeof(*keys->keys), by_invite);
}
