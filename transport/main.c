/*
 * postern-transport: what a mail system runs to deliver. Start-up order: privileges, arguments, where
 * the log goes, configuration, then serve; nothing on the way touches the network. spawn(8), pipe(8)
 * and Exim choose the user, and Postfix's sandbox is inherited; Sendmail leaves a way back to root
 * (F=S), which is given up.
 *
 * Under spawn(8) standard error is the LMTP connection and under pipe(8) it is what the sender
 * reads in a bounce: nothing is ever logged there unless it is neither.
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "edge_state.h"
#include "lib/log.h"
#include "lib/privdrop.h"
#include "lmtp_session.h"
#include "pipe_front.h"
#include "relay.h"
#include "transport_setup.h"
#include "tunnel_link.h"

#define IDENT "postern/transport"

struct options {
	const char *conf_path;
	bool is_check;
	bool is_pipe;
	bool no_dsn;
	struct pipe_arguments pipe;
};

static const char usage[] =
	"usage: postern-transport [-c FILE] [--queue-id ID] [--sasl-username NAME]\n"
	"                         [--no-dsn]\n"
	"       postern-transport [-c FILE] --check\n"
	"       postern-transport [-c FILE] --pipe --sender SENDER [--queue-id ID] [--size N]\n"
	"                         [--sasl-username NAME] -- RECIPIENT\n"
	"\n"
	"Speaks LMTP on standard input and output, or delivers one message from pipe(8).\n"
	"\n"
	"  -c FILE          configuration (default " TRANSPORT_CONF_PATH ")\n"
	"  --check          read configuration, tables and key, say what is wrong, and exit\n"
	"  --pipe           deliver the message on standard input; exit 0, or 75 behind a line\n"
	"                   `4.x.y text' or `5.x.y text'\n"
	"  --queue-id ID    the mail system's queue id; Postfix: ${queue_id}, Exim:\n"
	"                   $message_exim_id, Sendmail: $i\n"
	"  --sender SENDER  envelope sender, ${sender}; empty for the null reverse-path\n"
	"  --sasl-username NAME\n"
	"                   as whom the client was authenticated, for routes; Postfix:\n"
	"                   ${sasl_username}\n"
	"  --no-dsn         LMTP: do not announce DSN, as the mail system makes success notices\n"
	"  --size N         size of the message in bytes, ${size}\n"
	"  --help           this text\n"
	"  --version        version\n"
	"\n"
	"See postern-transport(8).\n";

enum {
	OPTION_CHECK = 256,
	OPTION_PIPE,
	OPTION_QUEUE_ID,
	OPTION_SENDER,
	OPTION_SASL_USERNAME,
	OPTION_NO_DSN,
	OPTION_SIZE,
	OPTION_HELP,
	OPTION_VERSION
};

static const struct option long_options[] = {
	{ "check", no_argument, NULL, OPTION_CHECK },
	{ "pipe", no_argument, NULL, OPTION_PIPE },
	{ "queue-id", required_argument, NULL, OPTION_QUEUE_ID },
	{ "sender", required_argument, NULL, OPTION_SENDER },
	{ "sasl-username", required_argument, NULL, OPTION_SASL_USERNAME },
	{ "no-dsn", no_argument, NULL, OPTION_NO_DSN },
	{ "size", required_argument, NULL, OPTION_SIZE },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ NULL, 0, NULL, 0 },
};

static bool stderr_is_stdout(void)
{
	struct stat out, err;

	return fstat(STDOUT_FILENO, &out) < 0 || fstat(STDERR_FILENO, &err) < 0 ||
	       (out.st_dev == err.st_dev && out.st_ino == err.st_ino);
}

/*
 * In pipe mode even this is said in pipe(8)'s language: another exit code would bounce mail for a
 * slip in master.cf.
 */
static void wrong_usage(const struct options *options, const char *what)
{
	if (options->is_pipe)
		exit(pipe_front_fail(STDOUT_FILENO, "4.3.5", what));
	fprintf(stderr, "postern-transport: %s\n%s", what, usage);
	exit(EX_USAGE);
}

static uint64_t parse_size(const struct options *options, const char *text)
{
	char *end;
	unsigned long long size = strtoull(text, &end, 10);

	if (text[0] < '0' || text[0] > '9' || *end != '\0')
		wrong_usage(options, "--size is no number");
	return size;
}

static void take_option(struct options *options, int option)
{
	switch (option) {
	case 'c':
		options->conf_path = optarg;
		break;
	case OPTION_CHECK:
		options->is_check = true;
		break;
	case OPTION_PIPE:
		options->is_pipe = true;
		break;
	case OPTION_QUEUE_ID:
		options->pipe.queue_id = optarg;
		break;
	case OPTION_SENDER:
		options->pipe.sender = optarg;
		break;
	case OPTION_SASL_USERNAME:
		options->pipe.login = optarg;
		break;
	case OPTION_NO_DSN:
		options->no_dsn = true;
		break;
	case OPTION_SIZE:
		options->pipe.size = parse_size(options, optarg);
		break;
	case OPTION_HELP:
		fputs(usage, stdout);
		exit(EX_OK);
	case OPTION_VERSION:
		puts("postern-transport " PACKAGE_VERSION);
		exit(EX_OK);
	default:
		wrong_usage(options, "unknown option or missing value");
	}
}

static void parse_options(struct options *options, int argc, char **argv)
{
	int option;

	*options = (struct options){ .conf_path = TRANSPORT_CONF_PATH };
	options->pipe = (struct pipe_arguments){
		.queue_id = "", .in_fd = STDIN_FILENO, .out_fd = STDOUT_FILENO, .parent = getppid()
	};
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		options->is_pipe |= strcmp(argv[i], "--pipe") == 0;
	opterr = 0;
	while ((option = getopt_long(argc, argv, "c:", long_options, NULL)) != -1)
		take_option(options, option);
	options->pipe.recipients = argv + optind;
	options->pipe.recipient_count = argc - optind;
	if (options->is_pipe && !options->is_check && options->pipe.sender == NULL)
		wrong_usage(options, "--pipe needs --sender");
	if (!options->is_pipe && optind < argc)
		wrong_usage(options, "recipients are for --pipe only");
}

static void open_log(const struct transport_conf *conf, bool stderr_is_taken)
{
	bool to_stderr = conf->log_target == TRANSPORT_LOG_STDERR && !stderr_is_taken;

	log_open(IDENT, to_stderr ? LOG_TARGET_STDERR : LOG_TARGET_SYSLOG,
		 (enum log_level)conf->log_level);
}

/* Read only: who runs this may be root, whose file the transport could not write. */
static void print_state(const char *path)
{
	struct edge_state state;

	if (edge_state_open(&state, path, false) < 0)
		printf("%s\n", state.error);
	else
		printf("%s: %llu possible duplicates, %llu outcomes forgotten for want of room\n", path,
		       (unsigned long long)edge_state_counted(&state, EDGE_STATE_DUPLICATES),
		       (unsigned long long)edge_state_counted(&state, EDGE_STATE_EVICTIONS));
	edge_state_close(&state);
}

static int check(const char *conf_path, const struct transport_setup *setup, int result,
		 const char *error)
{
	if (result < 0) {
		fprintf(stderr, "postern-transport: %s\n", error);
		return EX_CONFIG;
	}
	printf("%s: ok, %zu edges, %zu routes\n", conf_path, setup->edges.count,
	       setup->routes.count);
	print_state(setup->conf.edge_state);
	return EX_OK;
}

/* A broken configuration defers, never bounces. */
static int refuse(const struct options *options, const char *error)
{
	log_error("%s", error);
	if (options->is_pipe)
		return pipe_front_fail(STDOUT_FILENO, "4.3.5", error);
	lmtp_session_refuse(STDIN_FILENO, STDOUT_FILENO, error);
	return EX_OK;
}

static int serve(struct options *options, struct transport_setup *setup)
{
	struct lmtp_invocation invocation = { options->pipe.queue_id, options->pipe.login,
					      options->no_dsn };
	struct tunnel_link link;
	struct relay relay;
	int code = EX_OK;

	relay_init(&relay, tunnel_link_init(&link, &setup->key));
	if (options->is_pipe)
		code = pipe_front_run(setup, &relay, &options->pipe);
	else
		lmtp_session_serve(setup, &relay, &invocation, STDIN_FILENO, STDOUT_FILENO);
	relay_wipe(&relay);
	return code;
}

/* Going on as half root is no way to serve, and a mail system tries again when its child aborts. */
static void settle_privileges(void)
{
	char error[200];

	if (privdrop_settle(error, sizeof(error)) == 0)
		return;
	fprintf(stderr, "postern-transport: %s\n", error);
	exit(EX_TEMPFAIL);
}

int main(int argc, char **argv)
{
	struct options options;
	struct transport_setup setup;
	char error[512];
	int result, code;

	/* Whoever started us may have left it ignored, and waiting for sendmail would then fail. */
	signal(SIGCHLD, SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
	settle_privileges();
	parse_options(&options, argc, argv);
	log_open(IDENT, options.is_check ? LOG_TARGET_STDERR : LOG_TARGET_SYSLOG, LOG_LEVEL_INFO);
	result = transport_setup_read(&setup, options.conf_path, error, sizeof(error));
	if (options.is_check) {
		code = check(options.conf_path, &setup, result, error);
	} else if (result < 0) {
		code = refuse(&options, error);
	} else {
		open_log(&setup.conf, options.is_pipe || stderr_is_stdout());
		code = serve(&options, &setup);
	}
	transport_setup_wipe(&setup);
	return code;
}
