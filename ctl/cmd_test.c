/*
 * test: one message through everything that mail of this host goes through, and every step of it told
 * as it happens.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "command.h"
#include "lib/deadline.h"
#include "lib/log.h"
#include "lib/mail_address.h"
#include "log_line.h"
#include "mail_log.h"
#include "message_search.h"
#include "message_trail.h"
#include "queue_state.h"
#include "status_query.h"
#include "test_message.h"

#define DEFAULT_TIMEOUT "60"
#define EDGE_TIMEOUT_MS 5000
#define ERROR_MAX 4608
/* No outcome until the time was up: sysexits(3) has no word for that. */
#define EXIT_UNKNOWN 1

struct test {
	const char *conf_path, *file, *from, *timeout;
	struct command_arguments arguments;
	int64_t timeout_ms, began_ms;
	struct transport_conf conf;
	struct mail_log log;
	struct test_message message;
	struct message_trail trail;
};

static void tell(const struct test *test, const char *text)
{
	char clean[MAIL_LOG_LINE_MAX];

	printf("%6.2f s  %s\n", (double)(deadline_now_ms() - test->began_ms) / 1000,
	       log_printable(clean, sizeof(clean), text, strlen(text)));
	fflush(stdout);
}

/* Until the outcome is there, or the time is up. */
static void follow(struct test *test, struct deadline deadline)
{
	struct log_line parsed;
	const char *line;

	while (test->trail.outcome == MESSAGE_TRAIL_OPEN && (line = mail_log_next(&test->log, deadline)) != NULL)
		if (log_line_parse(&parsed, line, 0) && message_trail_take(&test->trail, parsed.rest))
			tell(test, parsed.rest);
}

/* What the edges say of it; that one cannot be asked now changes nothing of the outcome. */
static void tell_edges(struct test *test)
{
	struct message_story story = { .count = 0 };
	struct edge_survey survey;
	char error[ERROR_MAX];

	if (edge_survey_open(&survey, test->conf_path, NULL, error, sizeof(error)) != EX_OK)
		command_fail(0, "%s", error);
	else
		message_search_edges(&story, &survey, test->trail.queue_id, EDGE_TIMEOUT_MS);
	for (size_t i = 0; i < story.count; i++)
		printf("    edge  %s postern/edge: %s\n", story.lines[i].edge, story.lines[i].text);
	message_story_wipe(&story);
	edge_survey_close(&survey);
}

static void tell_no_outcome(const struct test *test)
{
	const char *queue_id = test->trail.queue_id;
	char state[1000];

	if (queue_id[0] == '\0')
		printf("no outcome within %s s: no line of %s names the message; is that the mail log (--file), and does Postfix "
		       "run?\n",
		       test->timeout, test->log.name);
	else
		printf("no outcome within %s s; the message is %s; `postern log %s' shows what comes later\n", test->timeout,
		       queue_state_describe(queue_id, state, sizeof(state)), queue_id);
}

static int tell_outcome(const struct test *test)
{
	const struct message_trail *trail = &test->trail;
	char clean[MESSAGE_TRAIL_REPLY_MAX];
	const char *reply = log_printable(clean, sizeof(clean), trail->reply, strlen(trail->reply));

	/* Of mail that it puts off before it has heard of recipients the transport logs no line with the queue id. */
	if (!trail->is_through_postern && trail->outcome == MESSAGE_TRAIL_SENT)
		puts("note: postern-transport logged nothing of it: Postfix does not send this mail by postern");
	switch (trail->outcome) {
	case MESSAGE_TRAIL_SENT:
		printf("delivered: %s\n", reply);
		return EX_OK;
	case MESSAGE_TRAIL_DEFERRED:
		printf("put off, and still in the queue (postqueue -i %s tries again, postsuper -d %s removes it): %s\n",
		       trail->queue_id, trail->queue_id, reply);
		return EX_TEMPFAIL;
	case MESSAGE_TRAIL_BOUNCED:
		printf("refused: %s\n", reply);
		return EX_UNAVAILABLE;
	case MESSAGE_TRAIL_OPEN:
		break;
	}
	tell_no_outcome(test);
	return EXIT_UNKNOWN;
}

static int send_and_follow(struct test *test)
{
	struct deadline deadline = deadline_in_ms(test->timeout_ms);
	char error[ERROR_MAX];
	int result;

	if (mail_log_open(&test->log, test->file, MAIL_LOG_FOLLOW, error, sizeof(error)) < 0)
		return command_fail(EX_NOINPUT, "%s; nothing was sent", error);
	test->began_ms = deadline_now_ms();
	if (test_message_send(&test->message, test->conf.sendmail, deadline, error, sizeof(error)) == 0) {
		tell(test, "Postfix has the message");
		follow(test, deadline);
		if (test->trail.queue_id[0] != '\0')
			tell_edges(test);
		result = tell_outcome(test);
	} else {
		result = command_fail(EX_OSERR, "%s", error);
	}
	mail_log_close(&test->log);
	return result;
}

static bool is_mailbox(const char *text)
{
	struct mailbox mailbox;
	char error[200];

	if (mailbox_parse(&mailbox, text, strlen(text), true, error, sizeof(error)) == 0)
		return true;
	command_fail(0, "\"%.200s\" is no address: %s", text, error);
	return false;
}

static int run(const struct command *command, int argc, char **argv)
{
	struct test test = { .conf_path = TRANSPORT_CONF_PATH, .timeout = DEFAULT_TIMEOUT };
	const struct command_option options[] = {
		{ "config", &test.conf_path, NULL },
		{ "file", &test.file, NULL },
		{ "from", &test.from, NULL },
		{ "timeout", &test.timeout, NULL },
		{ NULL, NULL, NULL },
	};
	char error[ERROR_MAX];
	int result = command_parse(command, argc, argv, options, &test.arguments);

	if (result >= 0)
		return result;
	if (!status_query_parse_timeout(test.timeout, &test.timeout_ms))
		return command_wrong_usage(command, "--timeout is a number of seconds, 1 to 600, not ", test.timeout);
	if (!is_mailbox(test.arguments.words[0]) || (test.from != NULL && !is_mailbox(test.from)))
		return EX_USAGE;
	test_message_init(&test.message, test.from, test.arguments.words[0]);
	test.trail.token = test.message.token;
	test.trail.recipient = test.message.recipient;
	if (transport_conf_read(&test.conf, test.conf_path, error, sizeof(error)) < 0)
		result = command_fail(EX_CONFIG, "%s", error);
	else
		result = send_and_follow(&test);
	transport_conf_wipe(&test.conf);
	return result;
}

const struct command command_test = {
	.name = "test",
	.arguments = "[--from ADDRESS] [--timeout SECONDS] [--file FILE] [--config FILE] ADDRESS",
	.summary = "send one message, and tell every step until the last reply",
	.help = "Gives Postfix one message by sendmail(1), follows it in the mail log, and prints each step as it happens, then what the\n"
		"edge logged of it, and the outcome.\n\n"
		"  --from ADDRESS      its sender, instead of this user\n"
		"  --timeout SECONDS   how long to wait for an outcome, instead of " DEFAULT_TIMEOUT "\n"
		"  --file FILE         the mail log, instead of " MAIL_LOG_FILE " or, where there is none, the journal\n"
		"  --config FILE       the configuration, instead of " TRANSPORT_CONF_PATH "\n"
		"Exit status: 0 delivered, 69 refused, 75 put off, 1 no outcome in time; otherwise nothing was sent.\n",
	.words_min = 1,
	.words_max = 1,
	.run = run,
};
