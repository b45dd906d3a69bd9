/*
 * The settings are those of conf.examples/main.cf and master.cf; what each is for stands there.
 *
 * An entry of master.cf that already starts the transport, or speaks LMTP to it, is left as it is,
 * and so is a limit that somebody set. What is overwritten is default_transport, and services of the
 * same name that are something else; their old values are in the list.
 */
#include "postfix_change.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "join_exit.h"
#include "lib/table.h"
#include "lib/text_file.h"
#include "own_directory.h"

const char *const postfix_file_names[POSTFIX_FILES] = { "main.cf", "master.cf" };

struct wanted {
	bool is_service;
	const char *name;
	const char *value;
	const char *mark; /* what is there already and has this in it stays */
};

/* Services first: postconf knows parameters that begin with the name of a service only then. */
static const struct wanted wanted[] = {
	{ true, "postern-spawn/unix",
	  "postern-spawn unix - n n - 0 spawn user=_postern argv=" POSTERN_LIBEXECDIR "/postern-transport",
	  "/postern-transport" },
	{ true, "postern/unix",
	  "postern unix - - n - 100 lmtp -o lmtp_send_xforward_command=yes -o lmtp_data_done_timeout=1020s",
	  "lmtp_send_xforward_command=yes" },
	{ false, "default_transport", "postern:unix:private/postern-spawn", "postern" },
	{ false, "postern-spawn_time_limit", "86400", "" },
	{ false, "postern_destination_concurrency_limit", "100", "" },
	{ false, "postern_initial_destination_concurrency", "100", "" },
	{ false, "enable_long_queue_ids", "yes", "" },
};

/* How old the copies look. */
#define SETTLED_S 60
#define WANTED (sizeof(wanted) / sizeof(wanted[0]))

struct scratch {
	char directory[64];
};

/* With an end to its last line: postconf would write the next one behind it. */
static int copy_in(const struct scratch *scratch, const char *name, const char *text)
{
	char path[PATH_MAX];
	size_t length = strlen(text);
	bool has_end = length == 0 || text[length - 1] == '\n';
	int fd, result;

	snprintf(path, sizeof(path), "%s/%s", scratch->directory, name);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return -1;
	result = write(fd, text, length) == (ssize_t)length && (has_end || write(fd, "\n", 1) == 1) ? 0 : -1;
	return close(fd) == 0 ? result : -1;
}

/*
 * Postfix's programs wait up to two seconds before they read a file that was changed just now, as it
 * may be half written. These are not.
 */
static void settle(const struct scratch *scratch)
{
	struct timespec times[2];
	char path[PATH_MAX];

	clock_gettime(CLOCK_REALTIME, &times[0]);
	times[0].tv_sec -= SETTLED_S;
	times[1] = times[0];
	for (size_t i = 0; i < POSTFIX_FILES; i++) {
		snprintf(path, sizeof(path), "%s/%s", scratch->directory, postfix_file_names[i]);
		utimensat(AT_FDCWD, path, times, 0);
	}
}

static char *read_whole(const char *directory, const char *name, char *error, size_t error_size)
{
	struct text_file file = { 0 };
	char path[PATH_MAX + 16];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	if (text_file_read(&file, path, TABLE_BYTES_MAX, NULL, error, error_size) != 0)
		return NULL;
	return file.text;
}

/* Copies of both files; their texts are kept as `before`. */
static int scratch_open(struct scratch *scratch, struct postfix_changes *changes,
			const struct postfix *postfix, char *error, size_t error_size)
{
	snprintf(scratch->directory, sizeof(scratch->directory), "/tmp/postern.XXXXXX");
	if (mkdtemp(scratch->directory) == NULL) {
		snprintf(error, error_size, "/tmp: a directory for copies cannot be made: %s",
			 strerror(errno));
		scratch->directory[0] = '\0';
		return JOIN_SYSTEM;
	}
	for (size_t i = 0; i < POSTFIX_FILES; i++) {
		changes->before[i] =
			read_whole(postfix->directory, postfix_file_names[i], error, error_size);
		if (changes->before[i] == NULL)
			return JOIN_POSTFIX;
		if (copy_in(scratch, postfix_file_names[i], changes->before[i]) != 0) {
			snprintf(error, error_size, "%s: %s", scratch->directory, strerror(errno));
			return JOIN_SYSTEM;
		}
	}
	settle(scratch);
	return 0;
}

/* Whatever postconf left there, too. */
static void scratch_close(struct scratch *scratch)
{
	if (scratch->directory[0] != '\0')
		own_directory_remove(scratch->directory);
}

static int take_texts(const struct scratch *scratch, struct postfix_changes *changes, char *error,
		      size_t error_size)
{
	for (size_t i = 0; i < POSTFIX_FILES; i++) {
		changes->after[i] =
			read_whole(scratch->directory, postfix_file_names[i], error, error_size);
		if (changes->after[i] == NULL)
			return JOIN_SYSTEM;
	}
	return 0;
}

static char *look_up(const struct scratch *scratch, bool is_service, const char *name)
{
	return is_service ? postfix_entry(scratch->directory, name) :
			    postfix_setting(scratch->directory, name);
}

/* postconf -M "postern/unix=postern unix ...", or -e "default_transport = ...". `value` NULL: it goes. */
static int set(const struct scratch *scratch, bool is_service, const char *name, const char *value,
	       char *error, size_t error_size)
{
	const char *option = value == NULL ? (is_service ? "-MX" : "-X") : (is_service ? "-M" : "-e");
	char *what = NULL;
	int result;

	if (value != NULL && asprintf(&what, is_service ? "%s=%s" : "%s = %s", name, value) < 0) {
		snprintf(error, error_size, "out of memory");
		return JOIN_SYSTEM;
	}
	result = postfix_edit(scratch->directory, option, value != NULL ? what : name, error, error_size);
	free(what);
	settle(scratch);
	return result == 0 ? 0 : JOIN_POSTFIX;
}

static bool is_good_already(const struct wanted *want, const char *old)
{
	if (old == NULL)
		return false;
	/* Of a transport's name only the beginning counts: "postern:..." and "postern-pipe:", not "smtp:postern...". */
	if (strcmp(want->name, "default_transport") == 0)
		return strncmp(old, want->mark, strlen(want->mark)) == 0;
	return strstr(old, want->mark) != NULL;
}

static int plan_one(struct postfix_changes *changes, const struct scratch *scratch,
		    const struct wanted *want, char *error, size_t error_size)
{
	char *old = look_up(scratch, want->is_service, want->name);
	struct postfix_change *change = &changes->list[changes->count];

	if (is_good_already(want, old)) {
		free(old);
		return 0;
	}
	*change = (struct postfix_change){ want->is_service, strdup(want->name), old, strdup(want->value) };
	changes->count++;
	if (change->name == NULL || change->new == NULL) {
		snprintf(error, error_size, "out of memory");
		return JOIN_SYSTEM;
	}
	return set(scratch, want->is_service, want->name, want->value, error, error_size);
}

int postfix_changes_plan(struct postfix_changes *changes, const struct postfix *postfix, char *error,
			 size_t error_size)
{
	struct scratch scratch;
	int result;

	memset(changes, 0, sizeof(*changes));
	result = scratch_open(&scratch, changes, postfix, error, error_size);
	for (size_t i = 0; i < WANTED && result == 0; i++)
		result = plan_one(changes, &scratch, &wanted[i], error, error_size);
	if (result == 0)
		result = take_texts(&scratch, changes, error, error_size);
	scratch_close(&scratch);
	return result;
}

/* Are they the same words? postconf prints entries in columns. */
static bool is_same_value(const char *one, const char *other)
{
	for (;;) {
		size_t length;

		one += strspn(one, " \t\n");
		other += strspn(other, " \t\n");
		length = strcspn(one, " \t\n");
		if (length != strcspn(other, " \t\n") || strncmp(one, other, length) != 0)
			return false;
		if (length == 0)
			return true;
		one += length;
		other += length;
	}
}

/* The parameters before the services whose names they begin with. */
int postfix_changes_undo(struct postfix_changes *undo, const struct postfix_changes *made,
			 const struct postfix *postfix, const char **kept, size_t *kept_count,
			 char *error, size_t error_size)
{
	struct scratch scratch;
	int result;

	memset(undo, 0, sizeof(*undo));
	*kept_count = 0;
	result = scratch_open(&scratch, undo, postfix, error, error_size);
	for (size_t i = made->count; i-- > 0 && result == 0;) {
		const struct postfix_change *change = &made->list[i];
		char *now = look_up(&scratch, change->is_service, change->name);

		if (now != NULL && is_same_value(now, change->new))
			result = set(&scratch, change->is_service, change->name, change->old, error,
				     error_size);
		else if (now != NULL && (change->old == NULL || !is_same_value(now, change->old)))
			kept[(*kept_count)++] = change->name;
		free(now);
	}
	if (result == 0)
		result = take_texts(&scratch, undo, error, error_size);
	scratch_close(&scratch);
	return result;
}

void postfix_changes_wipe(struct postfix_changes *changes)
{
	for (size_t i = 0; i < changes->count; i++) {
		free(changes->list[i].name);
		free(changes->list[i].old);
		free(changes->list[i].new);
	}
	for (size_t i = 0; i < POSTFIX_FILES; i++) {
		free(changes->before[i]);
		free(changes->after[i]);
	}
	memset(changes, 0, sizeof(*changes));
}

static void print_old(const struct postfix_change *change)
{
	if (change->old != NULL)
		printf("        instead of: %s\n", change->old);
}

void postfix_changes_print(const struct postfix_changes *changes, const struct postfix *postfix)
{
	printf("Changes in %s (Postfix %s):\n", postfix->directory, postfix->version);
	for (size_t i = 0; i < changes->count; i++) {
		const struct postfix_change *change = &changes->list[i];

		printf(change->is_service ? "    postconf -M '%s=%s'\n" : "    postconf -e '%s = %s'\n",
		       change->name, change->new);
		print_old(change);
	}
	if (changes->count == 0)
		printf("    none: all that is needed is there already\n");
}
