/*
 * A whole edge but for its start: listener, strangers, sessions, allow-list, transactions; on
 * loopback, with the transport's own tunnel client as mail host. Needs cmocka.h.
 */
#ifndef EDGE_SESSION_FIXTURE_H
#define EDGE_SESSION_FIXTURE_H

#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>

#include "edge/keeper.h"
#include "edge/listener.h"
#include "eventually.h"
#include "lib/log.h"
#include "tests/fake/fake_dns.h"
#include "tunnel/base64_key.h"
#include "tunnel/content_digest.h"
#include "tunnel/keyfile.h"
#include "tunnel/tunnel.h"

#define MESSAGE "Subject: x\r\n\r\nbody\r\n"
/* IPv6 is off: answered at once with 5.4.4, without DNS or connection. */
#define NOWHERE "[IPv6:2001:db8::1]"

enum { ALICE, BOB, MALLORY, KEYS };

struct fixture {
	struct edge edge;
	struct listener listener;
	struct noise_keypair edge_key, keys[KEYS];
	struct fake_dns *dns;
	/* In a thread instead of a process. */
	struct keeper keeper;
	struct keeper_settings keeper_settings;
	pthread_t keeper_thread;
	int keeper_fd;
	char conf_path[64], clients_path[64], key_directory[64], key_path[80], enrolled_path[80];
	uint16_t port;
	int signals[2];
	pthread_t thread;
	bool is_running;
};

static const char zones[] =
	"query slow.example MX\ndelay 700\nrcode NXDOMAIN\n"
	"query gone.example MX\nrcode NXDOMAIN\n";

static inline void authorize(struct fixture *fixture, const char *who)
{
	static const char *const names[] = { "alice", "bob" };
	char fresh[80], text[BASE64_KEY_TEXT + 1];
	FILE *file;

	snprintf(fresh, sizeof(fresh), "%s.new", fixture->clients_path);
	file = fopen(fresh, "w");
	assert_non_null(file);
	for (; *who != '\0'; who++) {
		base64_key_encode(text, fixture->keys[*who - '0'].public_key);
		fprintf(file, "%s %s\n", text, names[*who - '0']);
	}
	fclose(file);
	assert_int_equal(rename(fresh, fixture->clients_path), 0);
}

static inline void make_file(char *path, const char *text)
{
	FILE *file;

	strcpy(path, "/tmp/test_edge_session.XXXXXX");
	file = fdopen(mkstemp(path), "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static inline void listen_somewhere(struct fixture *fixture)
{
	struct sockaddr_in bound = { .sin_family = AF_INET,
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(bound);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&bound, sizeof(bound)), 0);
	assert_int_equal(listen(fd, 100), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&bound, &length), 0);
	fixture->port = ntohs(bound.sin_port);
	fixture->listener.sockets[0] = fd;
	fixture->listener.socket_count = 1;
}

static inline void *run_listener(void *argument)
{
	struct fixture *fixture = argument;

	listener_run(&fixture->listener, &fixture->edge, fixture->signals[0], fixture->conf_path);
	return NULL;
}

static inline void *run_keeper(void *argument)
{
	struct fixture *fixture = argument;

	keeper_serve(&fixture->keeper, fixture->keeper_fd);
	close(fixture->keeper_fd);
	return NULL;
}

static inline void start_keeper(struct fixture *fixture)
{
	char error[512] = "";
	int ends[2];

	strcpy(fixture->key_directory, "/tmp/test_edge_session.XXXXXX");
	assert_non_null(mkdtemp(fixture->key_directory));
	snprintf(fixture->key_path, sizeof(fixture->key_path), "%s/key", fixture->key_directory);
	snprintf(fixture->enrolled_path, sizeof(fixture->enrolled_path), "%s/enrolled", fixture->key_directory);
	assert_int_equal(keyfile_create(fixture->key_path, fixture->edge_key.secret_key, error,
					sizeof(error)),
			 0);
	fixture->keeper_settings = (struct keeper_settings){
		.key_file = fixture->key_path,
		.authorized_clients = fixture->clients_path,
		.enrolled_clients = fixture->enrolled_path,
	};
	if (keeper_open(&fixture->keeper, &fixture->keeper_settings, error, sizeof(error)) < 0)
		fail_msg("%s", error);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	fixture->keeper_fd = ends[1];
	assert_int_equal(keeper_greet(&fixture->keeper, ends[1], NULL), 0);
	assert_int_equal(pthread_create(&fixture->keeper_thread, NULL, run_keeper, fixture), 0);
	fixture->edge.keeper = keeper_client_create(ends[0], 0, fixture->clients_path, error, sizeof(error));
	if (fixture->edge.keeper == NULL)
		fail_msg("%s", error);
	fixture->edge.keys = keeper_client_keys(fixture->edge.keeper);
}

static inline void stop_keeper(struct fixture *fixture)
{
	keeper_client_destroy(fixture->edge.keeper);
	pthread_join(fixture->keeper_thread, NULL);
	keeper_close(&fixture->keeper);
	unlink(fixture->key_path);
	unlink(fixture->enrolled_path);
	rmdir(fixture->key_directory);
}

/* `journal` may be NULL, and stays the caller's. */
static inline struct fixture *start_edge(const char *more_conf, struct journal *journal)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct edge *edge = &fixture->edge;
	char conf[1000], error[512] = "";

	assert_true(sodium_init() >= 0);
	edge->journal = journal;
	fixture->dns = fake_dns_start(zones);
	snprintf(conf, sizeof(conf),
		 "ehlo_name = \"relay.test.example\"; resolvers = \"%s\"; ipv6 = \"off\";\n"
		 "message_size_limit = \"100k\"; content_memory = \"1M\"; recipient_limit = 5; "
		 "sessions = 6; sessions_per_client = 3;\n"
		 "handshakes = 8; handshakes_per_network = 8; "
		 "strangers = 8; strangers_per_network = 8; drain_time = 3;\n%s",
		 fixture->dns->address, more_conf);
	make_file(fixture->conf_path, conf);
	make_file(fixture->clients_path, "");
	noise_keypair_generate(&fixture->edge_key);
	for (size_t i = 0; i < KEYS; i++)
		noise_keypair_generate(&fixture->keys[i]);
	authorize(fixture, "01");
	edge->setup = edge_setup_create(fixture->conf_path, error, sizeof(error));
	if (edge->setup == NULL)
		fail_msg("%s", error);
	start_keeper(fixture);
	pthread_mutex_init(&edge->setup_lock, NULL);
	content_pool_init(&edge->content_pool, (uint64_t)edge->setup->conf.content_memory);
	handshake_table_init(&edge->handshakes);
	session_table_init(&edge->sessions);
	destination_table_init(&edge->destinations);
	tenant_table_init(&edge->tenants);
	outcome_table_init(&edge->outcomes);
	message_log_init(&edge->messages);
	edge->connections = connection_cache_create();
	assert_non_null(edge->connections);
	delivery_jobs_init(&edge->jobs);
	check_turn_init(&edge->check_turn);
	assert_int_equal(delivery_jobs_start(&edge->jobs), 0);
	log_limit_init(&edge->handshake_log);
	atomic_init(&edge->end.phase, EDGE_RUNNING);
	edge->end.cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	listen_somewhere(fixture);
	assert_int_equal(pipe(fixture->signals),
			 0); /* as a signalfd; one of the process is not needed */
	assert_int_equal(pthread_create(&fixture->thread, NULL, run_listener, fixture), 0);
	fixture->is_running = true;
	return fixture;
}

static inline void raise_in_edge(struct fixture *fixture, int signal_number)
{
	struct signalfd_siginfo info = { .ssi_signo = (uint32_t)signal_number };

	assert_int_equal(write(fixture->signals[1], &info, sizeof(info)), sizeof(info));
}

static inline void join_edge(struct fixture *fixture)
{
	pthread_join(fixture->thread, NULL);
	fixture->is_running = false;
}

/* Whatever the test did, the edge stops. Not 0: it still holds something. */
static inline int stop_edge(struct fixture *fixture)
{
	int left;

	if (fixture->is_running) {
		raise_in_edge(fixture, SIGTERM);
		join_edge(fixture);
	}
	left = session_table_wait_empty(&fixture->edge.sessions, deadline_in_ms(0)) != 0 ||
	       delivery_jobs_wait_empty(&fixture->edge.jobs, deadline_in_ms(0)) != 0 ||
	       atomic_load(&fixture->edge.load.threads) != 0 ||
	       content_pool_used(&fixture->edge.content_pool) != 0 ||
	       destination_table_occupied(&fixture->edge.destinations) != 0 ||
	       atomic_load(&fixture->edge.setup->references) != 1;
	delivery_jobs_stop(&fixture->edge.jobs);
	edge_setup_release(fixture->edge.setup);
	connection_cache_destroy(fixture->edge.connections);
	tenant_table_wipe(&fixture->edge.tenants);
	stop_keeper(fixture);
	tenant_table_wipe(&fixture->edge.tenants);
	destination_table_wipe(&fixture->edge.destinations);
	outcome_table_wipe(&fixture->edge.outcomes);
	message_log_wipe(&fixture->edge.messages);
	content_pool_wipe(&fixture->edge.content_pool);
	close(fixture->edge.end.cancel_fd);
	close(fixture->signals[0]);
	close(fixture->signals[1]);
	fake_dns_stop(fixture->dns);
	unlink(fixture->conf_path);
	unlink(fixture->clients_path);
	free(fixture);
	return left;
}

/* ---- a mail host ---- */

static inline enum tunnel_failure try_connect(struct fixture *fixture, struct tunnel *tunnel, int who,
				       struct frame_info *info)
{
	struct tunnel_client_params params = {
		.own = noise_keypair_static_key(&fixture->keys[who]),
		.deadline = deadline_in_ms(PATIENCE_MS),
	};
	char text[40], error[200];

	snprintf(text, sizeof(text), "127.0.0.1:%u", fixture->port);
	assert_int_equal(endpoint_parse(&params.edge, text, NULL, error, sizeof(error)), 0);
	memcpy(params.edge_public_key, fixture->edge_key.public_key, NOISE_DHLEN);
	return tunnel_connect(tunnel, &params, info);
}

static inline void connect_as(struct fixture *fixture, struct tunnel *tunnel, int who)
{
	struct frame_info info;

	if (try_connect(fixture, tunnel, who, &info) != TUNNEL_OK)
		fail_msg("%s", tunnel->error);
}

static inline void send_now(struct tunnel *tunnel, struct frame *frame)
{
	assert_int_equal(tunnel_send_frame(tunnel, frame, deadline_in_ms(PATIENCE_MS)), TUNNEL_OK);
	assert_int_equal(tunnel_flush(tunnel, deadline_in_ms(PATIENCE_MS)), TUNNEL_OK);
}

static inline void send_simple(struct tunnel *tunnel, uint8_t type, uint32_t transaction)
{
	struct frame frame = { .type = type, .transaction = transaction };

	send_now(tunnel, &frame);
}

static inline void send_envelope(struct tunnel *tunnel, uint32_t transaction, uint64_t declared_size)
{
	struct frame frame = { .type = FRAME_ENVELOPE, .transaction = transaction };

	frame.u.envelope.envelope.reverse_path.is_null = true;
	frame.u.envelope.envelope.declared_size = declared_size;
	frame.u.envelope.budget_ms = 60000;
	send_now(tunnel, &frame);
}

static inline void send_recipient(struct tunnel *tunnel, uint32_t transaction, uint32_t index,
			   const char *path)
{
	struct frame frame = { .type = FRAME_RECIPIENT, .transaction = transaction };
	char error[200];

	frame.u.recipient.index = index;
	assert_int_equal(mailbox_parse(&frame.u.recipient.recipient.forward_path, path,
				       strlen(path), false, error, sizeof(error)),
			 0);
	send_now(tunnel, &frame);
}

static inline void send_content(struct tunnel *tunnel, uint32_t transaction, const char *text)
{
	struct frame frame = { .type = FRAME_CONTENT, .transaction = transaction };

	frame.u.content.bytes = (const uint8_t *)text;
	frame.u.content.length = strlen(text);
	send_now(tunnel, &frame);
}

static inline void send_end(struct tunnel *tunnel, uint32_t transaction, const char *content)
{
	struct frame frame = { .type = FRAME_END_OF_CONTENT, .transaction = transaction };
	struct content_digest digest;

	content_digest_init(&digest);
	content_digest_update(&digest, content, strlen(content));
	content_digest_final(&digest, frame.u.end.digest);
	frame.u.end.length = strlen(content);
	send_now(tunnel, &frame);
}

/* Up to and including the content. */
static inline void send_message(struct tunnel *tunnel, uint32_t transaction, const char *recipient)
{
	send_envelope(tunnel, transaction, 0);
	send_recipient(tunnel, transaction, 0, recipient);
	send_content(tunnel, transaction, MESSAGE);
}

static inline void expect(struct tunnel *tunnel, struct frame *frame, uint8_t type, uint32_t transaction)
{
	enum tunnel_failure failure = tunnel_receive_frame(tunnel, frame, deadline_in_ms(PATIENCE_MS));

	if (failure != TUNNEL_OK)
		fail_msg("no %s: %s", frame_type_name(type), tunnel->error);
	if (frame->type != type || frame->transaction != transaction)
		fail_msg("%s of transaction %u instead of %s of %u (%s)",
			 frame_type_name(frame->type), frame->transaction, frame_type_name(type),
			 transaction, frame->type == FRAME_CLOSE ? frame->u.close.text : "");
}

static inline void expect_close(struct tunnel *tunnel, enum close_reason reason)
{
	struct frame frame;

	expect(tunnel, &frame, FRAME_CLOSE, 0);
	assert_int_equal(frame.u.close.reason, reason);
	assert_int_equal(tunnel_receive_frame(tunnel, &frame, deadline_in_ms(PATIENCE_MS)), TUNNEL_LOST);
	tunnel_close(tunnel, 0, NULL);
}

/* One STATUS for each of `count` recipients, all with this code, then DONE. */
static inline void expect_outcomes(struct tunnel *tunnel, uint32_t transaction, size_t count,
			    const char *code)
{
	char text[ENHANCED_STATUS_TEXT_MAX];
	unsigned seen[10] = { 0 };
	struct frame frame;

	for (size_t i = 0; i < count; i++) {
		expect(tunnel, &frame, FRAME_DELIVERY_STATUS, transaction);
		assert_string_equal(
			enhanced_status_print(frame.u.status.status.status, text, sizeof(text)),
			code);
		assert_true(frame.u.status.index < count && seen[frame.u.status.index]++ == 0);
	}
	expect(tunnel, &frame, FRAME_DONE, transaction);
}

static inline void check_answers_ping(struct tunnel *tunnel)
{
	struct frame frame;

	send_simple(tunnel, FRAME_PING, 0);
	expect(tunnel, &frame, FRAME_PONG, 0);
}

static inline size_t count_sessions(struct fixture *fixture)
{
	return session_table_wait_empty(&fixture->edge.sessions, deadline_in_ms(0));
}

static inline void wait_for_sessions(struct fixture *fixture, size_t count)
{
	EVENTUALLY(count_sessions(fixture) == count);
}

#endif
