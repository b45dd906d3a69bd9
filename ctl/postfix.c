/*
 * Asking and telling Postfix. Everything goes by its own programs: main.cf has a grammar with
 * continuation lines, comments and $names that postconf(1) knows best.
 */
#include "postfix.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "doctor/program.h"
#include "join_exit.h"

#define VERSION_MIN 3
#define NAME_MAX_LENGTH 256
#define TIME_LIMIT_MS 60000

/* What it printed, without the line end; NULL if it failed. */
static char *ask(const char *const *argv)
{
	struct program_output output;
	char error[JOIN_ERROR_MAX], *text = NULL;

	if (program_run(&output, argv, NULL, PROGRAM_STDERR_DROPPED, TIME_LIMIT_MS, error, sizeof(error)) != 0)
		return NULL;
	if (output.exit_code == 0)
		text = strndup(output.text, output.length);
	program_output_wipe(&output);
	for (size_t length = text != NULL ? strlen(text) : 0; length > 0 && text[length - 1] == '\n'; length--)
		text[length - 1] = '\0';
	return text;
}

char *postfix_value(const char *directory, const char *name)
{
	const char *const argv[] = { "postconf", "-c", directory, "-xh", name, NULL };
	char *value = ask(argv);

	if (value != NULL && value[0] == '\0') {
		/* Unknown names are not an error for postconf, only a warning; they have no value. */
		free(value);
		return NULL;
	}
	return value;
}

/* What stands behind "name = " in a line of postconf. */
static char *behind(char *line, const char *separator)
{
	char *at = line != NULL ? strstr(line, separator) : NULL, *value = NULL;

	if (at != NULL) {
		at += strlen(separator);
		value = strdup(at + strspn(at, " "));
	}
	free(line);
	return value;
}

char *postfix_setting(const char *directory, const char *name)
{
	const char *const argv[] = { "postconf", "-c", directory, "-n", name, NULL };

	return behind(ask(argv), "=");
}

char *postfix_entry(const char *directory, const char *name)
{
	const char *const argv[] = { "postconf", "-c", directory, "-M", name, NULL };
	char *entry = ask(argv);

	if (entry != NULL && entry[0] == '\0') {
		free(entry);
		return NULL;
	}
	return entry;
}

/* Of all that it said the last line, which is mostly the reason. */
static void take_reason(const struct program_output *output, const char *name, char *error,
			size_t error_size)
{
	size_t length = output->length, begin;

	while (length > 0 && strchr(" \n", output->text[length - 1]) != NULL)
		length--;
	for (begin = length; begin > 0 && output->text[begin - 1] != '\n';)
		begin--;
	/* Without a terminal postfix(1) tells nobody but the log. */
	if (length == 0)
		snprintf(error, error_size, "`%s' fails; the reason is in the mail log", name);
	else
		snprintf(error, error_size, "`%s' fails: %.*s", name, (int)(length - begin), output->text + begin);
}

/* 0 if it ran and ended well. */
static int tell(const char *const *argv, const char *name, char *error, size_t error_size)
{
	struct program_output output;
	int result;

	if (program_run(&output, argv, NULL, PROGRAM_STDERR_TOO, TIME_LIMIT_MS, error, error_size) != 0)
		return -1;
	result = output.exit_code == 0 ? 0 : -1;
	if (result != 0)
		take_reason(&output, name, error, error_size);
	program_output_wipe(&output);
	return result;
}

int postfix_edit(const char *directory, const char *option, const char *what, char *error,
		 size_t error_size)
{
	const char *const argv[] = { "postconf", "-c", directory, option, what, NULL };
	char name[NAME_MAX_LENGTH];

	snprintf(name, sizeof(name), "postconf %s %s", option, what);
	return tell(argv, name, error, error_size);
}

int postfix_check(const char *directory, char *error, size_t error_size)
{
	const char *const argv[] = { "postfix", "-c", directory, "check", NULL };

	return tell(argv, "postfix check", error, error_size);
}

static bool is_running(const char *directory)
{
	const char *const argv[] = { "postfix", "-c", directory, "status", NULL };
	char error[JOIN_ERROR_MAX];

	return tell(argv, "postfix status", error, sizeof(error)) == 0;
}

int postfix_reload(const struct postfix *postfix, char *error, size_t error_size)
{
	const char *const argv[] = { "postfix", "-c", postfix->directory, "reload", NULL };

	if (!is_running(postfix->directory))
		return 0;
	return tell(argv, "postfix reload", error, error_size);
}

/* Where it was built to look; asked so that a broken file there does not matter yet. */
static int find_directory(struct postfix *postfix, const char *directory, char *error,
			  size_t error_size)
{
	const char *const argv[] = { "postconf", "-dh", "config_directory", NULL };
	char *found = directory != NULL ? strdup(directory) : ask(argv);
	int result = 0;

	if (found == NULL) {
		/* It is not there, or a file is so broken that it says nothing else. */
		if (tell(argv, "postconf", error, error_size) == 0)
			snprintf(error, error_size, "out of memory");
		return JOIN_POSTFIX;
	}
	if (realpath(found, postfix->directory) == NULL) {
		snprintf(error, error_size, "%s: %s", found, strerror(errno));
		result = JOIN_POSTFIX;
	}
	free(found);
	return result;
}

static int check_version(struct postfix *postfix, char *error, size_t error_size)
{
	char *version = postfix_value(postfix->directory, "mail_version");

	snprintf(postfix->version, sizeof(postfix->version), "%s", version != NULL ? version : "");
	free(version);
	if (postfix->version[0] == '\0') {
		snprintf(error, error_size, "postconf(1) does not say which Postfix this is; see "
			 "`postconf -c %s mail_version'", postfix->directory);
		return JOIN_POSTFIX;
	}
	if (atoi(postfix->version) >= VERSION_MIN)
		return 0;
	snprintf(error, error_size, "this is Postfix %s; postern needs 3.0 or a later one",
		 postfix->version);
	return JOIN_POSTFIX;
}

/* Which of them sends the mail is not to be guessed. */
static int check_instances(const struct postfix *postfix, char *error, size_t error_size)
{
	char *others = postfix_value(postfix->directory, "multi_instance_directories");

	if (others == NULL)
		return 0;
	snprintf(error, error_size, "this Postfix has several instances: %s, %s. Say which of them "
		 "sends mail to the outside: --postfix-config DIR", postfix->directory, others);
	free(others);
	return JOIN_CONFIG;
}

static int check_files(const struct postfix *postfix, char *error, size_t error_size)
{
	char path[PATH_MAX + 16];

	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%s", postfix->directory, i == 0 ? "main.cf" : "master.cf");
		if (access(path, R_OK) != 0) {
			snprintf(error, error_size, "%s: %s", path, strerror(errno));
			return JOIN_POSTFIX;
		}
	}
	return 0;
}

int postfix_find(struct postfix *postfix, const char *directory, char *error, size_t error_size)
{
	char *queue;
	int result;

	memset(postfix, 0, sizeof(*postfix));
	result = find_directory(postfix, directory, error, error_size);
	if (result == 0)
		result = check_files(postfix, error, error_size);
	/* Its first lines of complaint are better than whatever else would fail. */
	if (result == 0 && geteuid() == 0 && postfix_check(postfix->directory, error, error_size) != 0)
		result = JOIN_POSTFIX;
	if (result == 0)
		result = check_version(postfix, error, error_size);
	if (result == 0 && directory == NULL)
		result = check_instances(postfix, error, error_size);
	queue = postfix_value(postfix->directory, "queue_directory");
	snprintf(postfix->queue, sizeof(postfix->queue), "%s", queue != NULL ? queue : "");
	free(queue);
	postfix->is_running = result == 0 && is_running(postfix->directory);
	return result;
}
