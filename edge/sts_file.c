/*
 * The file of MTA-STS policies. It is not read with lib/text_file.c, which refuses a file with a
 * NUL byte as a whole: after a power failure that is just what one lost line looks like.
 */
#include "sts_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/ascii.h"
#include "lib/durable_file.h"
#include "lib/log.h"
#include "tunnel/content_digest.h"

#define HEADER "# MTA-STS policies (RFC 8461), kept by postern-edge; each line has a checksum.\n"
/* Far above what STS_ENTRIES_MAX and STS_TABLE_MX_MAX leave room for. */
#define FILE_BYTES_MAX (64 * 1024 * 1024)
#define CHECKSUM_TEXT 32
#define FIELDS 6
/* Damaged lines that are told one by one. */
#define COMPLAINTS_MAX 10

static void checksum(const char *text, size_t length, char out[CHECKSUM_TEXT + 1])
{
	uint8_t bytes[CONTENT_DIGEST_SIZE];
	struct content_digest digest;

	content_digest_init(&digest);
	content_digest_update(&digest, text, length);
	content_digest_final(&digest, bytes);
	for (size_t i = 0; i < CHECKSUM_TEXT / 2; i++)
		snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

/* ---- reading ---- */

/* 0, or -1 with errno: EFBIG and EINVAL stand for too big and for no regular file. */
static int read_whole(int fd, char **text, size_t *length)
{
	struct stat status;
	size_t used = 0;

	if (fstat(fd, &status) != 0)
		return -1;
	errno = !S_ISREG(status.st_mode) ? EINVAL : EFBIG;
	if (!S_ISREG(status.st_mode) || status.st_size > FILE_BYTES_MAX)
		return -1;
	*text = malloc((size_t)status.st_size + 1);
	while (*text != NULL && used < (size_t)status.st_size) {
		ssize_t got = read(fd, *text + used, (size_t)status.st_size - used);

		if (got == 0)
			break;
		if (got > 0)
			used += (size_t)got;
		else if (errno != EINTR)
			goto fail;
	}
	*length = used;
	return *text != NULL ? 0 : -1;
fail:
	free(*text);
	*text = NULL;
	return -1;
}

/* Cuts the next word off, in place; NULL: none. One space stands between words. */
static char *next_word(char **rest)
{
	return *rest != NULL ? strsep(rest, " ") : NULL;
}

static bool read_number(const char *text, int64_t maximum, int64_t *number)
{
	size_t length = strlen(text);

	*number = 0;
	if (length == 0 || length > 12)
		return false;
	for (size_t i = 0; i < length; i++) {
		if (!ascii_is_digit(text[i]))
			return false;
		*number = *number * 10 + (text[i] - '0');
	}
	return *number <= maximum;
}

static bool read_mode(const char *text, enum sts_mode *mode)
{
	for (int i = STS_MODE_NONE; i <= STS_MODE_ENFORCE; i++) {
		if (strcmp(text, sts_mode_name((enum sts_mode)i)) != 0)
			continue;
		*mode = (enum sts_mode)i;
		return true;
	}
	return false;
}

struct kept {
	const char *domain, *id;
	struct sts_policy policy;
	int64_t fetched_at, used_at;
};

/* The words of a line whose checksum holds: still nothing that was not written by us. */
static bool read_words(struct kept *kept, char *rest)
{
	char *words[FIELDS], *mx;

	for (size_t i = 0; i < FIELDS; i++)
		if ((words[i] = next_word(&rest)) == NULL)
			return false;
	kept->domain = words[0];
	kept->id = words[1];
	if (words[0][0] == '*' || !sts_pattern_is_valid(words[0], strlen(words[0])) ||
	    !sts_id_is_valid(words[1], strlen(words[1])) ||
	    !read_mode(words[2], &kept->policy.mode) ||
	    !read_number(words[3], STS_MAX_AGE_MAX, &kept->policy.max_age_s) ||
	    !read_number(words[4], INT64_MAX, &kept->fetched_at) ||
	    !read_number(words[5], INT64_MAX, &kept->used_at))
		return false;
	while ((mx = next_word(&rest)) != NULL)
		if (sts_policy_add_mx(&kept->policy, mx, strlen(mx)) < 0)
			return false;
	return kept->policy.mode == STS_MODE_NONE || kept->policy.mx_count > 0;
}

/* NULL, or what is wrong with the line, which is NUL-terminated and may hold others. */
static const char *read_line(struct sts_table *table, char *line, size_t length, int64_t now)
{
	struct kept kept = { 0 };
	struct sts_entry *entry = NULL;
	char sum[CHECKSUM_TEXT + 1];

	if (length <= CHECKSUM_TEXT || line[CHECKSUM_TEXT] != ' ')
		return "damaged";
	checksum(line + CHECKSUM_TEXT + 1, length - CHECKSUM_TEXT - 1, sum);
	if (memcmp(line, sum, CHECKSUM_TEXT) != 0)
		return "damaged";
	if (read_words(&kept, line + CHECKSUM_TEXT + 1) &&
	    sts_table_find(table, kept.domain) == NULL)
		entry = sts_table_add(table, kept.domain);
	if (entry == NULL) {
		sts_policy_wipe(&kept.policy);
		return "no policy, or a second one for its domain";
	}
	sts_table_set_policy(table, entry, &kept.policy, kept.id, kept.fetched_at);
	entry->used_at = kept.used_at;
	if (!sts_entry_is_in_force(entry, now))
		sts_table_remove(table, entry);
	return NULL;
}

static void read_lines(struct sts_table *table, const char *path, char *text, size_t length,
		       int64_t now)
{
	size_t complaints = 0, number = 0;

	for (char *line = text, *end = text + length; line < end; number++) {
		char *newline = memchr(line, '\n', (size_t)(end - line));
		size_t line_length = (size_t)((newline != NULL ? newline : end) - line);
		const char *wrong = NULL;

		line[line_length] = '\0';
		if (line_length > 0 && line[0] != '#')
			wrong = read_line(table, line, line_length, now);
		if (wrong != NULL && complaints++ < COMPLAINTS_MAX)
			log_warning("%s:%zu: %s; this MTA-STS policy is dropped and will be "
				    "fetched again",
				    path, number + 1, wrong);
		line += line_length + 1;
	}
	if (complaints > COMPLAINTS_MAX)
		log_warning("%s: %zu more lines like that", path, complaints - COMPLAINTS_MAX);
}

int sts_file_read(struct sts_table *table, const char *path, int64_t now, char *error,
		  size_t error_size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char *text = NULL;
	size_t length = 0;
	int result = 0;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 || read_whole(fd, &text, &length) < 0) {
		snprintf(error, error_size, "%s: %s", path,
			 errno == EINVAL ? "is not a regular file" : strerrordesc_np(errno));
		result = -1;
	}
	if (fd >= 0)
		close(fd);
	if (result == 0)
		read_lines(table, path, text, length, now);
	free(text);
	return result;
}

/* ---- writing ---- */

/* Without checksum and newline. */
static int print_entry(FILE *out, const struct sts_entry *entry)
{
	fprintf(out, "%s %s %s %" PRId64 " %" PRId64 " %" PRId64, entry->domain, entry->id,
		sts_mode_name(entry->policy.mode), entry->policy.max_age_s, entry->fetched_at,
		entry->used_at);
	for (size_t i = 0; i < entry->policy.mx_count; i++)
		fprintf(out, " %s", entry->policy.mx[i]);
	return ferror(out) ? -1 : 0;
}

static int print_line(FILE *out, const struct sts_entry *entry)
{
	char *line = NULL, sum[CHECKSUM_TEXT + 1];
	size_t length = 0;
	FILE *memory = open_memstream(&line, &length);
	int result;

	if (memory == NULL)
		return -1;
	result = print_entry(memory, entry);
	if (fclose(memory) != 0)
		result = -1;
	if (result == 0) {
		checksum(line, length, sum);
		fprintf(out, "%s %s\n", sum, line);
	}
	free(line);
	return result;
}

char *sts_file_print(const struct sts_table *table, int64_t now, size_t *length)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, length);
	int result = 0;

	if (out == NULL)
		return NULL;
	fputs(HEADER, out);
	for (size_t i = 0; i < table->count && result == 0; i++)
		if (sts_entry_is_in_force(table->entries[i], now))
			result = print_line(out, table->entries[i]);
	if (ferror(out))
		result = -1;
	if (fclose(out) == 0 && result == 0)
		return text;
	free(text);
	return NULL;
}

int sts_file_write(const char *path, const char *text, size_t length, char *error,
		   size_t error_size)
{
	size_t size = strlen(path) + sizeof(".new");
	char *fresh = malloc(size);
	int fd, result = -1;

	if (fresh == NULL) {
		snprintf(error, error_size, "%s: out of memory", path);
		return -1;
	}
	snprintf(fresh, size, "%s.new", path);
	unlink(fresh);
	fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd >= 0) {
		result = durable_file_write(fd, text, length);
		if (close(fd) != 0)
			result = -1;
	}
	if (result == 0 && rename(fresh, path) == 0) {
		durable_file_sync_directory(path);
		free(fresh);
		return 0;
	}
	snprintf(error, error_size, "%s: %s", fresh, strerrordesc_np(errno));
	unlink(fresh);
	free(fresh);
	return -1;
}
