/*
 * status: how the edges are and how it goes with the mail; on a mail host as the edges tell it, on an
 * edge for all its clients.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "status_query.h"
#include "status_text.h"
#include "transport/transport_conf.h"

#define DEFAULT_TIMEOUT "10"
#define DEFAULT_INTERVAL "2"
/* To the upper left corner, and everything below away. */
#define CLEAR_SCREEN "\033[H\033[J"

struct status {
	struct status_query query;
	const char *timeout, *interval;
	bool is_json, is_watch, is_all;
	struct command_arguments arguments;
};

static int print(const struct status *status, const json_t *document)
{
	char *text;

	if (!status->is_json) {
		status_text_print(document, status->is_all, (long long)time(NULL), stdout);
		return EX_OK;
	}
	/* On a terminal there are control characters beyond ASCII, too (U+0080..U+009F). */
	text = json_dumps(document, JSON_INDENT(2) | JSON_REAL_PRECISION(5) | JSON_ENSURE_ASCII);
	if (text == NULL)
		return command_fail(EX_OSERR, "out of memory");
	puts(text);
	free(text);
	return EX_OK;
}

static int show(const struct status *status)
{
	int state, result;
	json_t *document = status_query_run(&status->query, &state);

	if (document == NULL)
		return state;
	if (status->is_watch && isatty(STDOUT_FILENO))
		fputs(CLEAR_SCREEN, stdout);
	result = print(status, document);
	json_decref(document);
	return result != EX_OK ? result : state;
}

/* Until it is interrupted, or its output goes nowhere. */
static int watch(const struct status *status, int64_t interval_ms)
{
	struct timespec pause = { interval_ms / 1000, 0 };
	int result;

	for (;;) {
		result = show(status);
		if ((result != EX_OK && result != EX_UNAVAILABLE) || fflush(stdout) != 0)
			return result;
		nanosleep(&pause, NULL);
		if (!isatty(STDOUT_FILENO))
			putchar('\n');
	}
}

static int run(const struct command *command, int argc, char **argv)
{
	struct status status = { .timeout = DEFAULT_TIMEOUT, .interval = DEFAULT_INTERVAL };
	const struct command_option options[] = {
		{ "config", &status.query.conf_path, NULL },
		{ "socket", &status.query.socket, NULL },
		{ "timeout", &status.timeout, NULL },
		{ "interval", &status.interval, NULL },
		{ "json", NULL, &status.is_json },
		{ "watch", NULL, &status.is_watch },
		{ "all", NULL, &status.is_all },
		{ NULL, NULL, NULL },
	};
	int result = command_parse(command, argc, argv, options, &status.arguments);
	int64_t interval_ms;

	if (result >= 0)
		return result;
	if (!status_query_parse_timeout(status.timeout, &status.query.timeout_ms))
		return command_wrong_usage(command, "--timeout is a number of seconds, 1 to 600, not ", status.timeout);
	if (!status_query_parse_timeout(status.interval, &interval_ms))
		return command_wrong_usage(command, "--interval is a number of seconds, 1 to 600, not ", status.interval);
	if (status.arguments.count > 0)
		status.query.edge = status.arguments.words[0];
	return status.is_watch ? watch(&status, interval_ms) : show(&status);
}

const struct command command_status = {
	.name = "status",
	.arguments = "[--json] [--all] [--watch [--interval SECONDS]] [--timeout SECONDS] [--config FILE]\n"
		     "                      [--socket unix:PATH] [EDGE]",
	.summary = "how the edges are, and how it goes with the mail",
	.help = "On a mail host: each edge of its table, asked through a tunnel: is it up, how far away, and what became of this\n"
		"host's mail there. On an edge: each client and its destinations. postern-status(1) explains every line.\n\n"
		"  EDGE                 only this one of the table\n"
		"  --json               the same, and more, as JSON\n"
		"  --all                all destinations, those where nothing happens too\n"
		"  --watch              again and again, until it is interrupted\n"
		"  --interval SECONDS   between two looks, instead of " DEFAULT_INTERVAL "\n"
		"  --timeout SECONDS    for an edge's answer, instead of " DEFAULT_TIMEOUT "\n"
		"  --config FILE        the mail host's configuration, instead of " TRANSPORT_CONF_PATH "\n"
		"  --socket unix:PATH   control_socket of the edge here, instead of " STATUS_QUERY_SOCKET "\n"
		"Exit status: 0 every edge that is not disabled has answered, 69 one has not.\n",
	.words_min = 0,
	.words_max = 1,
	.run = run,
};
