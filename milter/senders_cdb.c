/*
 * The cdb behind a lock. It is read with read(2) and not mapped: a file that somebody cuts short
 * while it is open shall be an error, not a signal. postmap(1) of some systems writes the NUL at
 * the end of keys and values into the file, of others not; both are understood.
 */
#include "senders_cdb.h"

#include <cdb.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/deadline.h"
#include "lib/log.h"
#include "lib/reminder.h"
#include "lib/socketmap.h"
#include "lib/table.h"

#define LOOK_MS 1000		/* between two looks whether the file has changed */
#define CDB_HEADER_BYTES 2048	/* of every cdb, also of an empty one */

struct senders_cdb {
	pthread_mutex_t lock;	/* protects what is not fixed, and the offset of fd */
	int fd;
	struct stat status;
	struct deadline next_look;
	struct reminder reminder;
	char *path;		/* fixed */
};

/* A descriptor, or -1 with error. */
static int open_cdb(const char *path, struct stat *status, char *error, size_t error_size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0 || fstat(fd, status) != 0) {
		snprintf(error, error_size, "%s: %s", path, strerror(errno));
	} else if (!S_ISREG(status->st_mode) || status->st_size < CDB_HEADER_BYTES) {
		snprintf(error, error_size, "%s: is no cdb file; make it with postmap(1)", path);
	} else {
		return fd;
	}
	if (fd >= 0)
		close(fd);
	return -1;
}

static char *full_path(const char *path)
{
	size_t length = strlen(path);
	bool has_suffix = length > 4 && strcmp(path + length - 4, ".cdb") == 0;
	char *full = malloc(length + sizeof(".cdb"));

	if (full != NULL)
		snprintf(full, length + sizeof(".cdb"), "%s%s", path, has_suffix ? "" : ".cdb");
	return full;
}

struct senders_cdb *senders_cdb_create(const char *path, char *error, size_t error_size)
{
	struct senders_cdb *cdb = calloc(1, sizeof(*cdb));

	if (cdb == NULL || (cdb->path = full_path(path)) == NULL) {
		snprintf(error, error_size, "out of memory");
	} else if ((cdb->fd = open_cdb(cdb->path, &cdb->status, error, error_size)) >= 0) {
		cdb->next_look = deadline_in_ms(LOOK_MS);
		pthread_mutex_init(&cdb->lock, NULL);
		return cdb;
	}
	if (cdb != NULL)
		free(cdb->path);
	free(cdb);
	return NULL;
}

void senders_cdb_destroy(struct senders_cdb *cdb)
{
	if (cdb == NULL)
		return;
	close(cdb->fd);
	pthread_mutex_destroy(&cdb->lock);
	free(cdb->path);
	free(cdb);
}

/* Below, the caller holds the lock. */

static void refresh(struct senders_cdb *cdb)
{
	struct stat status;
	char error[512];
	int fd;

	if (!deadline_has_passed(cdb->next_look))
		return;
	cdb->next_look = deadline_in_ms(LOOK_MS);
	if (!table_has_changed(cdb->path, &cdb->status))
		return;
	fd = open_cdb(cdb->path, &status, error, sizeof(error));
	if (fd >= 0) {
		log_info("%s was opened again", cdb->path);
		close(cdb->fd);
		cdb->fd = fd;
		cdb->status = status;
		reminder_reset(&cdb->reminder);
	} else if (reminder_is_due(&cdb->reminder)) {
		log_error("%s; the file opened before stays in force", error);
	}
}

static enum senders_result fail(const struct senders_cdb *cdb, enum senders_result result, const char *reason, char *error,
				size_t error_size)
{
	snprintf(error, error_size, "%s: %s", cdb->path, reason);
	return result;
}

/* Reads the value that cdb_seek() has found. */
static enum senders_result read_value(const struct senders_cdb *cdb, size_t length, char **value_out, char *error,
				      size_t error_size)
{
	char *value;

	if (length > SOCKETMAP_VALUE_MAX)
		return fail(cdb, SENDERS_BAD_LINE, "the value is too long", error, error_size);
	value = calloc(1, length + 1);
	if (value == NULL)
		return fail(cdb, SENDERS_TROUBLE, "out of memory", error, error_size);
	if (length > 0 && cdb_bread(cdb->fd, value, (int)length) != 0) {
		free(value);
		return fail(cdb, SENDERS_TROUBLE, "is damaged; make it again with postmap(1)", error, error_size);
	}
	if (length > 0 && value[length - 1] == '\0')
		length--;
	if (strlen(value) != length) {
		free(value);
		return fail(cdb, SENDERS_BAD_LINE, "the value has a NUL inside", error, error_size);
	}
	*value_out = value;
	return SENDERS_FOUND;
}

/* `length`: without or with its NUL. */
static enum senders_result find(const struct senders_cdb *cdb, const char *key, size_t length, char **value_out,
				char *error, size_t error_size)
{
	unsigned value_length;
	int found = cdb_seek(cdb->fd, key, (unsigned)length, &value_length);

	if (found < 0)
		return fail(cdb, SENDERS_TROUBLE, "is damaged or cannot be read; make it again with postmap(1)", error,
			    error_size);
	return found > 0 ? read_value(cdb, value_length, value_out, error, error_size) : SENDERS_NONE;
}

/* Above, the caller holds the lock. */

enum senders_result senders_cdb_find(struct senders_cdb *cdb, const char *key, char **value_out, char *error,
				     size_t error_size)
{
	enum senders_result result;

	pthread_mutex_lock(&cdb->lock);
	refresh(cdb);
	result = find(cdb, key, strlen(key), value_out, error, error_size);
	if (result == SENDERS_NONE)
		result = find(cdb, key, strlen(key) + 1, value_out, error, error_size);
	pthread_mutex_unlock(&cdb->lock);
	return result;
}
