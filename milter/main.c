/*
 * postern-milter: who may send as whom, and clean header sections. Start-up order: configuration,
 * sockets, privileges, then service. Everything that can be wrong is found before Postfix is
 * answered.
 */
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "callbacks.h"
#include "dry_run.h"
#include "lib/control_client.h"
#include "lib/log.h"
#include "lib/privdrop.h"
#include "limits_table.h"
#include "milter_setup.h"
#include "sockets.h"
#include "supervisor.h"

#define DEFAULT_CONF POSTERN_SYSCONFDIR "/milter.conf"

enum task { TASK_SERVE, TASK_CHECK, TASK_LIMITS, TASK_SENDERS_CHECK, TASK_HEADERS_CHECK };

struct options {
	const char *conf_path;
	enum task task;
	char **words;		/* what is no option */
	int word_count;
};

static void print_usage(FILE *out)
{
	fprintf(out, "usage: postern-milter [-c FILE] [--check | --limits show | --limits reset WHO |\n"
		     "                      --senders-check WHO ADDRESS | --headers-check [WHO [SENDER]]]\n"
		     "  -c, --config FILE  configuration (default " DEFAULT_CONF ")\n"
		     "      --check        read configuration and tables, say what is wrong, start nothing\n"
		     "      --limits, --senders-check, --headers-check  see `postern limits', `postern senders-check'\n"
		     "                     and `postern headers-check' in postern(1)\n"
		     "      --help, --version\n"
		     "See postern-milter(8).\n");
}

static _Noreturn void usage_error(const char *reason)
{
	fprintf(stderr, "postern-milter: %s\n", reason);
	print_usage(stderr);
	exit(EX_USAGE);
}

/* Each task takes so many words. */
static void check_words(const struct options *options)
{
	static const struct {
		int least, most;
	} counts[] = {
		[TASK_SERVE] = { 0, 0 },	 [TASK_CHECK] = { 0, 0 },	  [TASK_LIMITS] = { 1, 2 },
		[TASK_SENDERS_CHECK] = { 2, 2 }, [TASK_HEADERS_CHECK] = { 0, 2 },
	};

	if (options->word_count < counts[options->task].least || options->word_count > counts[options->task].most)
		usage_error("wrong number of arguments");
}

/* Exits for --help, --version and usage errors. */
static struct options parse_options(int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "config", required_argument, NULL, 'c' },	{ "check", no_argument, NULL, TASK_CHECK },
		{ "limits", no_argument, NULL, TASK_LIMITS },	{ "senders-check", no_argument, NULL, TASK_SENDERS_CHECK },
		{ "headers-check", no_argument, NULL, TASK_HEADERS_CHECK },
		{ "help", no_argument, NULL, 'h' },		{ "version", no_argument, NULL, 'v' },
		{ NULL, 0, NULL, 0 },
	};
	struct options options = { .conf_path = DEFAULT_CONF };
	int option;

	while ((option = getopt_long(argc, argv, "c:", long_options, NULL)) != -1) {
		switch (option) {
		case 'c':
			options.conf_path = optarg;
			break;
		case TASK_CHECK:
		case TASK_LIMITS:
		case TASK_SENDERS_CHECK:
		case TASK_HEADERS_CHECK:
			options.task = (enum task)option;
			break;
		case 'h':
			print_usage(stdout);
			exit(EX_OK);
		case 'v':
			printf("postern-milter %s\n", PACKAGE_VERSION);
			exit(EX_OK);
		default:
			print_usage(stderr);
			exit(EX_USAGE);
		}
	}
	options.words = argv + optind;
	options.word_count = argc - optind;
	check_words(&options);
	return options;
}

/* Wrong configuration: on stderr for the person at the terminal, in the log for the one who comes later. */
static int fail(const char *error)
{
	log_error("%s", error);
	return EX_CONFIG;
}

static void print_mistake(void *context, const char *mistake)
{
	(void)context;
	log_error("%s", mistake);
}

static int check_tables(const struct options *options, const struct milter_setup *setup)
{
	struct limits_table *limits;
	struct stat status;
	char error[512];

	limits = limits_table_read(setup->conf.limits, &status, error, sizeof(error));
	if (limits == NULL)
		return fail(error);
	limits_table_destroy(limits);
	if (senders_check(setup->senders, print_mistake, NULL) > 0)
		return fail("those who have these lines can send nothing until they are mended");
	printf("%s: good; %zu lines in %s\n", options->conf_path, senders_count(setup->senders), setup->conf.senders);
	return EX_OK;
}

/* As the user who will have to read the files again. Takes the set-up. */
static int check(const struct options *options, struct milter_setup *setup)
{
	char error[512];
	int result = privdrop(setup->conf.user, error, sizeof(error));

	milter_setup_release(setup);
	if (result < 0)
		return fail(error);
	setup = milter_setup_create(options->conf_path, error, sizeof(error));
	if (setup == NULL)
		return fail(error);
	result = check_tables(options, setup);
	milter_setup_release(setup);
	return result;
}

static int ask_limits(const struct options *options, const struct milter_setup *setup)
{
	char request[600], error[1200];
	int result;

	snprintf(request, sizeof(request), "limits %s%s%s", options->words[0], options->word_count > 1 ? " " : "",
		 options->word_count > 1 ? options->words[1] : "");
	result = control_client_ask(setup->conf.control_socket, "postern-milter", request, stdout, error, sizeof(error));
	if (result != EX_OK)
		fprintf(stderr, "postern-milter: %s\n", error);
	return result;
}

/* An exit code. EX_OSERR for what may be over at the next start, so that the service manager tries again. */
static int prepare(const struct milter_conf *conf, int *policy_fd, char *error, size_t error_size)
{
	if (callbacks_register() < 0) {
		snprintf(error, error_size, "libmilter does not take this program; it is of another version than the one it was built with");
		return EX_CONFIG;
	}
	if (sockets_open(conf, policy_fd, error, error_size) < 0)
		return EX_OSERR;
	log_open("postern/milter", conf->log_target == MILTER_LOG_STDERR ? LOG_TARGET_STDERR : LOG_TARGET_SYSLOG,
		 (enum log_level)conf->log_level);
	return privdrop(conf->user, error, error_size) < 0 ? EX_CONFIG : EX_OK;
}

/* Takes the set-up. */
static int serve(const struct options *options, struct milter_setup *setup)
{
	char error[512];
	int policy_fd, result = prepare(&setup->conf, &policy_fd, error, sizeof(error));

	if (result != EX_OK) {
		milter_setup_release(setup);
		log_error("%s", error);
		return result;
	}
	log_info("started: %s, %zu lines in %s%s", options->conf_path, senders_count(setup->senders), setup->conf.senders,
		 setup->conf.mode == MILTER_MODE_LOG ? ", mode=log: nothing is refused or changed" : "");
	senders_log_mistakes(setup->senders);
	return supervisor_run(options->conf_path, setup, policy_fd);
}

static int run(const struct options *options, struct milter_setup *setup)
{
	int result = EX_SOFTWARE;

	switch (options->task) {
	case TASK_CHECK:
		return check(options, setup);
	case TASK_SERVE:
		return serve(options, setup);
	case TASK_LIMITS:
		result = ask_limits(options, setup);
		break;
	case TASK_SENDERS_CHECK:
		result = dry_run_sender(setup, options->words[0], options->words[1], stdout);
		break;
	case TASK_HEADERS_CHECK:
		result = dry_run_headers(setup, options->word_count > 0 ? options->words[0] : NULL,
					 options->word_count > 1 ? options->words[1] : NULL, stdin, stdout);
		break;
	}
	milter_setup_release(setup);
	return result;
}

int main(int argc, char **argv)
{
	struct options options = parse_options(argc, argv);
	struct milter_setup *setup;
	char error[512];

	signal(SIGPIPE, SIG_IGN);
	/* Ignored, as it may have been inherited, it would take the worker's end from us. */
	signal(SIGCHLD, SIG_DFL);
	setup = milter_setup_create(options.conf_path, error, sizeof(error));
	if (setup == NULL)
		return fail(error);
	return run(&options, setup);
}
