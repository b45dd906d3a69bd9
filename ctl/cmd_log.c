/* log: one message's life, from the mail log of this host and the memory of its edges. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "command.h"
#include "lib/envelope.h"
#include "mail_log.h"
#include "message_search.h"
#include "status_query.h"

#define DEFAULT_TIMEOUT "10"
#define ERROR_MAX 4608

struct log_command {
	const char *conf_path, *file, *timeout;
	bool is_json;
	struct command_arguments arguments;
	int64_t timeout_ms;
	struct message_story story;
	const char *log_name;
};

static int print(const struct log_command *log)
{
	json_t *array;
	char *text;

	if (!log->is_json) {
		message_story_print(&log->story, stdout);
		return EX_OK;
	}
	array = message_story_json(&log->story);
	text = array != NULL ? json_dumps(array, JSON_INDENT(2)) : NULL;
	json_decref(array);
	if (text == NULL)
		return command_fail(EX_OSERR, "out of memory");
	puts(text);
	free(text);
	return EX_OK;
}

/* Both ends are looked at, whatever becomes of one of them. */
static int search(struct log_command *log, const char *queue_id)
{
	struct edge_survey survey;
	char error[ERROR_MAX];
	int host, edges;

	host = message_search_host(&log->story, log->file, queue_id, &log->log_name, error, sizeof(error));
	if (host != EX_OK)
		command_fail(host, "%s", error);
	edges = edge_survey_open(&survey, log->conf_path, NULL, error, sizeof(error));
	if (edges != EX_OK)
		command_fail(edges, "%s", error);
	else
		edges = message_search_edges(&log->story, &survey, queue_id, log->timeout_ms);
	edge_survey_close(&survey);
	return host != EX_OK ? host : edges;
}

static int show(struct log_command *log)
{
	const char *queue_id = log->arguments.words[0];
	int state = search(log, queue_id), result;

	if (message_story_sort(&log->story) < 0)
		return command_fail(EX_OSERR, "out of memory");
	result = print(log);
	if (result != EX_OK)
		return result;
	if (log->story.count == 0 && state == EX_OK)
		return command_fail(EX_NOINPUT, "no line of %s in %s, and no edge remembers one", queue_id, log->log_name);
	return state;
}

static int run(const struct command *command, int argc, char **argv)
{
	struct log_command log = { .conf_path = TRANSPORT_CONF_PATH, .timeout = DEFAULT_TIMEOUT };
	const struct command_option options[] = {
		{ "config", &log.conf_path, NULL },
		{ "file", &log.file, NULL },
		{ "timeout", &log.timeout, NULL },
		{ "json", NULL, &log.is_json },
		{ NULL, NULL, NULL },
	};
	int result = command_parse(command, argc, argv, options, &log.arguments);

	if (result >= 0)
		return result;
	if (!status_query_parse_timeout(log.timeout, &log.timeout_ms))
		return command_wrong_usage(command, "--timeout is a number of seconds, 1 to 600, not ", log.timeout);
	if (!envelope_queue_id_is_valid(log.arguments.words[0], strlen(log.arguments.words[0])))
		return command_wrong_usage(command, "no queue id: ", log.arguments.words[0]);
	result = show(&log);
	message_story_wipe(&log.story);
	return result;
}

const struct command command_log = {
	.name = "log",
	.arguments = "[--file FILE] [--json] [--timeout SECONDS] [--config FILE] QUEUEID",
	.summary = "one message's life, from both ends of the tunnel",
	.help = "Shows the lines of this host's mail log that name the queue id (Postfix, the milter, the transport), and between\n"
		"them those of the edge that had the message, which it keeps in memory for a while.\n\n"
		"  --file FILE         the mail log, instead of " MAIL_LOG_FILE " or, where there is none, the journal\n"
		"  --json              the lines as JSON\n"
		"  --timeout SECONDS   for an edge's answer, instead of " DEFAULT_TIMEOUT "\n"
		"  --config FILE       the configuration, instead of " TRANSPORT_CONF_PATH "\n"
		"Exit status: 0 found, 66 nothing is known of it or the log cannot be read, 69 an edge did not answer.\n",
	.words_min = 1,
	.words_max = 1,
	.run = run,
};
