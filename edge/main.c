/*
 * postern-edge: the daemon on the host that may use port 25. Start-up order: configuration, sockets, privileges, the keeper, which reads
 * key and allow-list, state, confinement, then service. Everything that can be wrong is found before the first connection is accepted.
 *
 * This process is the worker: it talks to the world, and never has the secret key in its memory (keeper.h).
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "edge.h"
#include "doctor/finding_json.h"
#include "edge_control.h"
#include "host_check.h"
#include "journal.h"
#include "keeper_process.h"
#include "keeper_protocol.h"
#include "lib/control_socket.h"
#include "lib/log.h"
#include "lib/privdrop.h"
#include "lib/service.h"
#include "lib/socketmap.h"
#include "lib/text_file.h"
#include "listener.h"
#include "own_ipv6.h"
#include "sandbox.h"
#include "sts_store.h"
#include "tlsrpt.h"
#include "wiping_allocator.h"

#define CLIENTS_TEXT_MAX 400	/* "clients in socketmap:..." */
#define DEFAULT_CONF POSTERN_SYSCONFDIR "/edge.conf"

struct options {
	const char *conf_path;
	bool check_only, checks_host;
	bool is_json;			/* of --check-host */
	char **domains;			/* for --check-host; ends with NULL */
};

static void print_usage(FILE *out)
{
	fprintf(out, "usage: postern-edge [-c FILE] [--check | --check-host [--json] [DOMAIN ...]]\n"
		     "  -c, --config FILE  configuration (default " DEFAULT_CONF ")\n"
		     "      --check        read configuration, key and allow-list, say what is wrong, start nothing\n"
		     "      --check-host   the same, and whether this machine will do: port, disk, DNS, addresses and\n"
		     "                     their names, block lists, the way to port 25 of the domains' mail servers\n"
		     "      --json         what was found as JSON, see postern-doctor(1)\n"
		     "      --help, --version\n"
		     "See postern-edge(8).\n");
}

/* Exits for --help, --version and usage errors. */
static struct options parse_options(int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "config", required_argument, NULL, 'c' }, { "check", no_argument, NULL, 'k' },
		{ "check-host", no_argument, NULL, 'm' }, { "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' }, { "version", no_argument, NULL, 'v' }, { NULL, 0, NULL, 0 },
	};
	struct options options = { .conf_path = DEFAULT_CONF };
	int option;

	while ((option = getopt_long(argc, argv, "c:", long_options, NULL)) != -1) {
		switch (option) {
		case 'c':
			options.conf_path = optarg;
			break;
		case 'm':
			options.checks_host = true;
			/* fall through */
		case 'k':
			options.check_only = true;
			break;
		case 'j':
			options.is_json = true;
			break;
		case 'h':
			print_usage(stdout);
			exit(EX_OK);
		case 'v':
			printf("postern-edge %s\n", PACKAGE_VERSION);
			exit(EX_OK);
		default:
			print_usage(stderr);
			exit(EX_USAGE);
		}
	}
	if (options.is_json && !options.checks_host) {
		fprintf(stderr, "postern-edge: --json is for --check-host\n");
		exit(EX_USAGE);
	}
	options.domains = optind < argc ? argv + optind : NULL;
	if (optind < argc && !options.checks_host) {
		fprintf(stderr, "postern-edge: unexpected argument \"%s\"\n", argv[optind]);
		exit(EX_USAGE);
	}
	return options;
}

/*
 * On stderr for the person at the terminal, in the log for the one who comes later. EX_CONFIG is for what only a person mends, so that
 * the service manager leaves it (RestartPreventExitStatus= in the unit); EX_OSERR for what may be over at the next start.
 */
static int fail(int exit_code, const char *error)
{
	log_error("%s", error);
	return exit_code;
}

static void open_log(const struct edge_conf *conf)
{
	log_open("postern/edge", conf->log_target == EDGE_LOG_STDERR ? LOG_TARGET_STDERR : LOG_TARGET_SYSLOG,
		 (enum log_level)conf->log_level);
}

/*
 * Key and allow-list are read in a process of their own, as the user who will have to read them again. Nothing that
 * the keeper would inherit may be open or secret yet, nor may any thread run. An exit code.
 */
static int start_keeper(struct edge *edge, const struct sandbox_grants *grants, bool is_trial, char *error, size_t error_size)
{
	const struct edge_conf *conf = &edge->setup->conf;
	const struct keeper_settings settings = {
		.key_file = conf->key_file, .authorized_clients = conf->authorized_clients,
		.enrolled_clients = conf->enrolled_clients, .is_trial = is_trial,
		.relay_passwords = conf->relay_passwords, .worker = grants,
	};
	int fd = -1;
	pid_t pid = keeper_process_start(&settings, &fd);

	if (pid < 0) {
		snprintf(error, error_size, "cannot start the process that keeps the key: %m");
		return EX_OSERR;
	}
	edge->keeper = keeper_client_create(fd, pid, conf->authorized_clients, error, error_size);
	if (edge->keeper == NULL)
		return errno == EINVAL ? EX_CONFIG : EX_OSERR;
	edge->keys = keeper_client_keys(edge->keeper);
	return EX_OK;
}

/* How many, or where they are. */
static void print_clients(struct edge *edge, char *text, size_t size)
{
	const char *where = edge->setup->conf.authorized_clients;
	size_t count = 0;

	keeper_client_list(edge->keeper, &count, &edge->list_generation, &edge->keys);
	if (socketmap_spec(where) != NULL)
		snprintf(text, size, "clients in %s", where);
	else
		snprintf(text, size, "%zu clients", count);
}

/* From here on the keeper opens what the worker must read again, and the rest is out of reach. */
static int confine(struct edge *edge, const struct sandbox_grants *grants, char *error, size_t error_size)
{
	/* /etc/localtime: once, for the log. */
	tzset();
	sandbox_warn();
	text_file_set_opener(keeper_client_open, edge->keeper);
	return sandbox_enter_worker(grants, error, error_size);
}

static int init_shared(struct edge *edge)
{
	pthread_mutex_init(&edge->setup_lock, NULL);
	content_pool_init(&edge->content_pool, (uint64_t)edge->setup->conf.content_memory);
	handshake_table_init(&edge->handshakes);
	session_table_init(&edge->sessions);
	destination_table_init(&edge->destinations);
	relay_refusals_init(&edge->relay_refusals);
	tenant_table_init(&edge->tenants);
	outcome_table_init(&edge->outcomes);
	message_log_init(&edge->messages);
	delivery_jobs_init(&edge->jobs);
	log_limit_init(&edge->handshake_log);
	check_turn_init(&edge->check_turn);
	edge->started_ms = deadline_now_ms();
	atomic_init(&edge->end.phase, EDGE_RUNNING);
	edge->end.cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return edge->end.cancel_fd < 0 ? -1 : 0;
}

static void log_start(struct edge *edge, const char *conf_path)
{
	const struct edge_conf *conf = &edge->setup->conf;
	char clients[CLIENTS_TEXT_MAX];

	print_clients(edge, clients, sizeof(clients));
	log_info("started: %s, ehlo_name=%s, %s", conf_path, conf->ehlo_name, clients);
	edge_setup_warn(edge->setup, conf_path);
	if (!wiping_allocator_is_active())
		log_debug("built with a sanitizer: memory is not wiped when it is given back");
}

/* An edge that cannot remember what it delivered must not deliver. */
static int open_journal(struct edge *edge, char *error, size_t error_size)
{
	const struct edge_conf *conf = &edge->setup->conf;
	char path[PATH_MAX];

	/* A rule about files needs the directory; when it cannot be made, the journal says why. */
	mkdir(conf->state_directory, 0700);
	snprintf(path, sizeof(path), "%s/journal", conf->state_directory);
	edge->journal = journal_open(&(struct journal_settings){
			.path = path,
			.size = (uint64_t)conf->journal_size,
			.keep_ms = conf->journal_keep,
			.is_synced = conf->journal_sync == EDGE_JOURNAL_SYNC_GROUP,
		}, error, error_size);
	return edge->journal == NULL ? -1 : 0;
}

/* 0, or -1 with error. What cannot be written is no reason not to start: the log says so. */
static int open_state(struct edge *edge, char *error, size_t error_size)
{
	const char *directory = edge->setup->conf.state_directory;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/sts_policies", directory);
	edge->sts = sts_store_create(path, POSTERN_LIBEXECDIR "/postern-sts-fetch", NULL, error,
				     error_size);
	if (edge->sts == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/tlsrpt", directory);
	edge->tlsrpt = tlsrpt_create(path, error, error_size);
	if (edge->tlsrpt == NULL)
		return -1;
	edge->connections = connection_cache_create();
	if (edge->connections == NULL || delivery_jobs_start(&edge->jobs) < 0) {
		snprintf(error, error_size, "no memory or no thread for deliveries");
		return -1;
	}
	return 0;
}

/* Numbers for people: without them mail goes on. NULL: the log says why. */
static struct control_socket *open_control(const struct edge *edge)
{
	char error[512];
	struct control_socket *control = control_socket_open(edge->setup->conf.control_socket, error, sizeof(error));

	if (control == NULL)
		log_warning("control_socket: %s; `postern peers' cannot show counts", error);
	return control;
}

static void serve_control(struct edge *edge, struct control_socket *control)
{
	char error[512];

	if (control != NULL && control_socket_serve(control, edge_control_answer, edge, error, sizeof(error)) < 0)
		log_warning("control_socket: %s; `postern peers' cannot show counts", error);
}

static int serve(struct edge *edge, struct listener *listener, const struct sandbox_grants *grants, const char *conf_path)
{
	int signal_fd = service_signals_open();
	struct control_socket *control;
	char error[512];

	if (signal_fd < 0 || init_shared(edge) < 0)
		return fail(EX_OSERR, "no descriptors left at start");
	control = open_control(edge);
	if (open_journal(edge, error, sizeof(error)) < 0)
		return fail(EX_OSERR, error);
	if (confine(edge, grants, error, sizeof(error)) < 0)
		return fail(EX_CONFIG, error);
	if (open_state(edge, error, sizeof(error)) < 0)
		return fail(EX_OSERR, error);
	log_start(edge, conf_path);
	own_ipv6_start(edge);
	serve_control(edge, control);
	if (listener_run(listener, edge, signal_fd, conf_path)) {
		control_socket_close(control);
		delivery_jobs_stop(&edge->jobs);
		sts_store_destroy(edge->sts);
		connection_cache_destroy(edge->connections);
		tlsrpt_destroy(edge->tlsrpt);
		journal_close(edge->journal);
		keeper_client_destroy(edge->keeper);
		destination_table_wipe(&edge->destinations);
		tenant_table_wipe(&edge->tenants);
		outcome_table_wipe(&edge->outcomes);
		message_log_wipe(&edge->messages);
		relay_refusals_wipe(&edge->relay_refusals);
	}
	log_info("stopped");
	return edge->has_lost_keeper ? EX_SOFTWARE : EX_OK;
}

/* A relay that must not be used without a password has one. */
static bool check_logins(struct edge *edge)
{
	struct relay_map *map = relay_table_acquire(edge->setup->relays);
	const struct relay_hop *hop;
	struct sasl_login login;
	uint64_t generation;
	bool are_good = true;

	for (size_t i = 0; map != NULL && (hop = relay_map_get(map, i)) != NULL; i++) {
		if ((hop->auth != RELAY_AUTH_YES && hop->auth != RELAY_AUTH_UNVERIFIED) ||
		    keeper_client_login(edge->keeper, hop->destination.next_hop, &login, &generation) == KEEPER_YES)
			continue;
		log_error("%s:%zu: %s has no line in %s; its mail would be deferred", relay_table_path(edge->setup->relays),
			  hop->tls.line, hop->destination.next_hop, edge->setup->conf.relay_passwords);
		are_good = false;
	}
	explicit_bzero(&login, sizeof(login));
	relay_map_release(map);
	return are_good;
}

/* The rest of --check-host. */
static int check_host(struct edge *edge, const struct options *options, struct host_check *host)
{
	char *text;

	host_check_disk(host);
	host_check_resolver(host);
	host_check_clients(host, edge->keys.public_keys[0]);
	host_check_own_addresses(host);
	host_check_tenants(host);
	text = options->is_json ? finding_json_print(host->list) : NULL;
	if (text != NULL)
		puts(text);
	free(text);
	return finding_list_count(host->list, FINDING_FAIL) + finding_list_count(host->list, FINDING_UNKNOWN) > 0
		       ? EX_UNAVAILABLE : EX_OK;
}

/* --check and --check-host, as the user who will run. */
static int check(struct edge *edge, const struct options *options, struct host_check *host)
{
	char clients[CLIENTS_TEXT_MAX];

	if (!check_logins(edge))
		return EX_CONFIG;
	print_clients(edge, clients, sizeof(clients));
	if (!options->is_json)
		printf("%s: good; %s\n", options->conf_path, clients);
	return options->checks_host ? check_host(edge, options, host) : EX_OK;
}

/* Threads may still look at it while the process ends. */
static struct edge the_edge;

int main(int argc, char **argv)
{
	struct options options = parse_options(argc, argv);
	struct edge *edge = &the_edge;
	struct sandbox_grants grants;
	struct listener listener;
	struct finding_list findings = { .items = NULL };
	struct host_check host = { .list = &findings, .is_printed = !options.is_json, .domains = options.domains };
	char error[KEEPER_ERROR_MAX];
	int result;

	signal(SIGPIPE, SIG_IGN);
	/* Ignored, as it may have been inherited, it would take our children's ends from us. */
	signal(SIGCHLD, SIG_DFL);
	edge->setup = edge_setup_create(options.conf_path, error, sizeof(error));
	if (edge->setup == NULL)
		return fail(EX_CONFIG, error);
	if (!options.check_only) {
		if (listener_open(&listener, &edge->setup->conf, error, sizeof(error)) < 0)
			return fail(EX_OSERR, error);
		open_log(&edge->setup->conf);
	} else if (options.checks_host) {
		host.setup = edge->setup;
		host.deadline = deadline_in_ms(HOST_CHECK_MS);
		host_check_ports(&host);
	}
	sandbox_grants_init(&grants, edge->setup->conf.state_directory);
	if (privdrop(edge->setup->conf.user, error, sizeof(error)) < 0)
		return fail(EX_CONFIG, error);
	result = start_keeper(edge, &grants, options.check_only, error, sizeof(error));
	if (result != EX_OK)
		return fail(result, error);
	if (options.check_only) {
		result = check(edge, &options, &host);
		finding_list_wipe(&findings);
		keeper_client_destroy(edge->keeper);
		return result;
	}
	return serve(edge, &listener, &grants, options.conf_path);
}
