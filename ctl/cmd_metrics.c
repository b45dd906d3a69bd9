/* metrics: what `postern status' knows, for Prometheus. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "lib/durable_file.h"
#include "metrics.h"
#include "status_query.h"
#include "transport/transport_conf.h"

#define DEFAULT_TIMEOUT "10"

/*
 * Whoever reads the file finds the old text or the new one. The directory may be another user's, so nothing in it is followed. What
 * is no file stays: root would put one in the place of /dev/null.
 */
static int replace_file(const char *path, const char *text, size_t length)
{
	char fresh[PATH_MAX];
	struct stat status;
	int fd, failed;

	if (lstat(path, &status) == 0 && !S_ISREG(status.st_mode))
		return command_fail(EX_CANTCREAT, "%s: not a regular file, so it stays; without --textfile the metrics go to standard output",
				    path);
	if (snprintf(fresh, sizeof(fresh), "%s.%ld", path, (long)getpid()) >= (int)sizeof(fresh))
		return command_fail(EX_CANTCREAT, "%s: %s", path, strerror(ENAMETOOLONG));
	fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return command_fail(EX_CANTCREAT, "%s: %s", fresh, strerror(errno));
	failed = fchmod(fd, 0644) == 0 && durable_file_write(fd, text, length) == 0 && rename(fresh, path) == 0 ? 0 : errno;
	close(fd);
	if (failed == 0)
		return EX_OK;
	unlink(fresh);
	return command_fail(EX_IOERR, "%s: %s", path, strerror(failed));
}

static int write_metrics(const json_t *document, const char *path)
{
	size_t length;
	char *text = NULL;
	FILE *out = open_memstream(&text, &length);
	int result = EX_OK;

	if (out != NULL)
		metrics_print(document, (long long)time(NULL), out);
	if (out == NULL || fclose(out) != 0)
		result = command_fail(EX_OSERR, "out of memory");
	else if (path != NULL)
		result = replace_file(path, text, length);
	else
		fputs(text, stdout);
	free(text);
	return result;
}

static int run(const struct command *command, int argc, char **argv)
{
	struct status_query query = { .conf_path = NULL };
	const char *timeout = DEFAULT_TIMEOUT, *path = NULL;
	const struct command_option options[] = {
		{ "config", &query.conf_path, NULL },
		{ "socket", &query.socket, NULL },
		{ "timeout", &timeout, NULL },
		{ "textfile", &path, NULL },
		{ NULL, NULL, NULL },
	};
	struct command_arguments arguments;
	int result = command_parse(command, argc, argv, options, &arguments), state;
	json_t *document;

	if (result >= 0)
		return result;
	if (!status_query_parse_timeout(timeout, &query.timeout_ms))
		return command_wrong_usage(command, "--timeout is a number of seconds, 1 to 600, not ", timeout);
	document = status_query_run(&query, &state);
	if (document == NULL)
		return state;
	/* An edge that is down is a number, not a failure. */
	result = write_metrics(document, path);
	json_decref(document);
	return result;
}

const struct command command_metrics = {
	.name = "metrics",
	.arguments = "[--textfile FILE] [--timeout SECONDS] [--config FILE] [--socket unix:PATH]",
	.summary = "the numbers of `postern status', for Prometheus",
	.help = "Prints what `postern status' knows as Prometheus reads it. No recipient and no domain is in it.\n\n"
		"  --textfile FILE      into this file, which is replaced at once: for node_exporter's textfile collector\n"
		"  --timeout SECONDS    for an edge's answer, instead of " DEFAULT_TIMEOUT "\n"
		"  --config FILE        the mail host's configuration, instead of " TRANSPORT_CONF_PATH "\n"
		"  --socket unix:PATH   control_socket of the edge here, instead of " STATUS_QUERY_SOCKET "\n"
		"Exit status: 0, also if an edge is down; otherwise nothing was written.\n",
	.words_min = 0,
	.words_max = 0,
	.run = run,
};
