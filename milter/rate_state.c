/*
 * Reads and writes the state file of the limits. It is not read with lib/text_file.c, which refuses
 * a file with a NUL byte as a whole: damage shall cost the lines that it hit, no more.
 */
#include "rate_state.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/ascii.h"
#include "lib/durable_file.h"
#include "lib/log.h"
#include "lib/quantity.h"

#define MAGIC "postern-limits"
#define VERSION "1"
#define TEMPORARY_SUFFIX ".new"
#define FIELDS 5
/* A line of ours has fewer: three bytes for each of the owner, and four numbers. */
#define LINE_MAX_BYTES 1024
/* Far above what a table holds. */
#define FILE_BYTES_MAX (128 * 1024 * 1024)
/* Damaged lines that are told one by one. */
#define COMPLAINTS_MAX 10
#define MODE 0600

/* ---- reading ---- */

struct reader {
	struct bucket_table *table;
	const char *path;
	size_t line, complaints, left_out;
	int64_t now_ms, age_ms;
};

static void complain(struct reader *reader, const char *reason)
{
	if (++reader->complaints <= COMPLAINTS_MAX)
		log_warning("%s:%zu: %s; the line is skipped", reader->path, reader->line, reason);
}

static int read_number(const char *text, int64_t maximum, int64_t *number)
{
	return quantity_parse(QUANTITY_PLAIN, text, number) == QUANTITY_OK && *number <= maximum ? 0 : -1;
}

/* %XX to bytes, in place. */
static int unescape(char *text)
{
	char *out = text;

	for (; *text != '\0'; text++) {
		int high, low;

		if (*text != '%') {
			*out++ = *text;
			continue;
		}
		high = ascii_hex_value(text[1]);
		low = high >= 0 ? ascii_hex_value(text[2]) : -1;
		if (low < 0 || (high == 0 && low == 0))
			return -1;
		*out++ = (char)(high << 4 | low);
		text += 2;
	}
	*out = '\0';
	return 0;
}

/* In the one form that is looked up: nothing else would ever be found, or dropped by name. */
static int read_owner(struct rate_key *owner, char *text)
{
	struct rate_network network;
	char reason[200];

	if (unescape(text) < 0 || rate_key_parse(owner, &network, text, reason, sizeof(reason)) < 0)
		return -1;
	return strcmp(owner->text, text) == 0 ? 0 : -1;
}

static void take_fields(struct reader *reader, char *const *fields)
{
	struct token_bucket *bucket;
	struct token_rate rate;
	struct rate_key owner;
	enum limit_rate kind;
	int64_t level_milli;

	if (read_owner(&owner, fields[0]) < 0 || limit_rate_find(&kind, fields[1]) < 0 ||
	    read_number(fields[2], TOKEN_RATE_TOKENS_MAX, &rate.tokens) < 0 ||
	    read_number(fields[3], TOKEN_RATE_DURATION_MAX_MS, &rate.duration_ms) < 0 || !token_rate_is_valid(rate) ||
	    read_number(fields[4], rate.tokens * 1000, &level_milli) < 0) {
		complain(reader, "not understood");
		return;
	}
	reader->left_out += bucket_table_make_room(reader->table, 1, reader->now_ms);
	bucket = bucket_table_use(reader->table, &owner, kind, rate, reader->now_ms);
	if (bucket != NULL)
		token_bucket_restore(bucket, rate, level_milli, reader->age_ms, reader->now_ms);
	else
		complain(reader, "out of memory");
}

static void take_line(struct reader *reader, char *line)
{
	char *fields[FIELDS], *rest = line;
	size_t count = 0;

	while (count < FIELDS && rest != NULL)
		fields[count++] = strsep(&rest, " ");
	if (count == FIELDS && rest == NULL)
		take_fields(reader, fields);
	else
		complain(reader, "not five words");
}

/*
 * The next line without its end; false at the end of the file. What we cannot have written (a NUL, a
 * line too long, one without an end) is made empty, which no line of ours is.
 */
static bool next_line(struct reader *reader, FILE *in, char line[LINE_MAX_BYTES])
{
	bool is_damaged = false;
	size_t length = 0;
	int byte;

	while ((byte = getc(in)) != EOF && byte != '\n') {
		if (byte != '\0' && length < LINE_MAX_BYTES - 1)
			line[length++] = (char)byte;
		else
			is_damaged = true;
	}
	if (byte == EOF && length == 0 && !is_damaged)
		return false;
	line[is_damaged || byte == EOF ? 0 : length] = '\0';
	reader->line++;
	return true;
}

static bool take_header(struct reader *reader, const char *line, int64_t wall_ms)
{
	const char *expected = MAGIC " " VERSION " ";
	int64_t written_ms;

	if (strncmp(line, expected, strlen(expected)) != 0 || read_number(line + strlen(expected), INT64_MAX, &written_ms) < 0)
		return false;
	reader->age_ms = wall_ms > written_ms ? wall_ms - written_ms : 0;
	return true;
}

static void read_lines(struct reader *reader, FILE *in, int64_t wall_ms)
{
	char line[LINE_MAX_BYTES];

	if (!next_line(reader, in, line) || !take_header(reader, line, wall_ms)) {
		log_warning("%s:1: not \"" MAGIC " " VERSION " TIME\"; all limits start with full buckets", reader->path);
		return;
	}
	while (next_line(reader, in, line))
		take_line(reader, line);
	if (ferror(in))
		log_warning("%s:%zu: %s; what follows is lost", reader->path, reader->line + 1, strerror(errno));
	if (reader->complaints > COMPLAINTS_MAX)
		log_warning("%s: %zu more lines are damaged", reader->path, reader->complaints - COMPLAINTS_MAX);
	if (reader->left_out > 0)
		log_warning("%s: %zu buckets are more than there is room for; their owners start with full ones", reader->path,
			    reader->left_out);
}

/* NULL with errno; what is no regular file might never end. */
static FILE *open_state(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat status;
	FILE *in = NULL;
	int failed;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &status) == 0) {
		errno = !S_ISREG(status.st_mode) ? EINVAL : EFBIG;
		if (S_ISREG(status.st_mode) && status.st_size <= FILE_BYTES_MAX)
			in = fdopen(fd, "r");
	}
	failed = errno;
	if (in == NULL)
		close(fd);
	errno = failed;
	return in;
}

void rate_state_read(struct bucket_table *table, const char *path, int64_t now_ms, int64_t wall_ms)
{
	struct reader reader = { .table = table, .path = path, .now_ms = now_ms };
	FILE *in = open_state(path);

	if (in != NULL) {
		read_lines(&reader, in, wall_ms);
		fclose(in);
	} else if (errno != ENOENT) {
		log_warning("%s: %s; all limits start with full buckets", path, strerror(errno));
	}
}

/* ---- writing ---- */

static void put_row(FILE *out, const struct bucket_row *row)
{
	for (const char *at = row->owner; *at != '\0'; at++)
		if (*at == '%' || *at <= ' ' || *at > '~')
			fprintf(out, "%%%02X", (unsigned char)*at);
		else
			putc(*at, out);
	fprintf(out, " %s %" PRId64 " %" PRId64 " %" PRId64 "\n", limit_rate_name(row->kind), row->bucket.rate.tokens,
		row->bucket.rate.duration_ms, token_bucket_level_milli(&row->bucket));
}

/* NULL: no memory. */
static char *print_state(const struct bucket_list *list, int64_t wall_ms, size_t *length)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, length);

	if (out == NULL)
		return NULL;
	fprintf(out, MAGIC " " VERSION " %" PRId64 "\n", wall_ms);
	for (size_t i = 0; i < list->count; i++)
		put_row(out, &list->rows[i]);
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

/* 0, or -1 with errno. */
static int write_text(const char *path, const char *temporary, const char *text, size_t length)
{
	int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, MODE);
	int failed;

	if (fd < 0)
		return -1;
	failed = fchmod(fd, MODE) == 0 && durable_file_write(fd, text, length) == 0 ? 0 : errno;
	if (close(fd) != 0 && failed == 0)
		failed = errno;
	if (failed == 0 && rename(temporary, path) != 0)
		failed = errno;
	if (failed == 0)
		durable_file_sync_directory(path);
	else
		unlink(temporary);
	errno = failed;
	return failed == 0 ? 0 : -1;
}

int rate_state_write(const struct bucket_list *list, const char *path, int64_t wall_ms, char *error, size_t error_size)
{
	char temporary[PATH_MAX], *text;
	size_t length = 0;
	int result;

	errno = ENAMETOOLONG;
	if (snprintf(temporary, sizeof(temporary), "%s" TEMPORARY_SUFFIX, path) >= (int)sizeof(temporary))
		goto fail;
	errno = ENOMEM;
	text = print_state(list, wall_ms, &length);
	if (text == NULL)
		goto fail;
	result = write_text(path, temporary, text, length);
	free(text);
	if (result == 0)
		return 0;
fail:
	snprintf(error, error_size, "%s: %s", path, strerror(errno));
	return -1;
}
