/*
 * A mail host that is authorised and says anything: frames of any kind in any order, through a real
 * handshake to a whole session of the edge. No name exists and no server can be reached, so nothing
 * is ever delivered. The input is a list of steps, each with a byte:
 *
 *   0  a frame (two bytes of length, bytes)
 *   1  END of this transaction (one byte), with the digest and the length of what CONTENT had
 *   2  ENVELOPE, a RECIPIENT and CONTENT of this transaction (one byte)
 *
 * Every frame that comes back is sound. Outcomes are of transactions that were begun, for each
 * recipient at most one, none of them success, and before DONE every recipient has one. And when
 * the mail host has gone, nothing of it is left: no session, no delivery, no content.
 *
 * feeds: frames of an authorised mail host in any order, to a session of the edge
 * covers: edge/edge_session.c:authorize, close_tunnel, admit, shake_hands, send_info, end_transaction,
 *     look_up, step, on_envelope, log_transaction, on_end, is_leftover, on_transaction_frame, may_go_on, explain_loss, forget,
 *     on_ask, on_frame, serve, end, serve_to_end, greet, run, begin_handshake, start, edge_session_start
 *     edge/transaction.c edge/session_delivery.c:send_status, flush, tell, send_done,
 *     session_delivery_refuse, session_delivery_run edge/session_table.c:session_table_add,
 *     session_table_admit, session_table_begin, session_table_finish, session_table_remove
 *     edge/session_question.c edge/edge_question.c:edge_question_answer, answer, print
 *     edge/question_status.c edge/question_log.c:question_log
 */
#include <errno.h>
#include <sodium.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "edge/edge.h"
#include "edge/edge_session.h"
#include "edge/keeper.h"
#include "edge/tcp_connect.h"
#include "fuzz_target.h"
#include "no_chance.h"
#include "tunnel/base64_key.h"
#include "tunnel/content_digest.h"
#include "tunnel/tunnel.h"

#define WIRE_MAX (128 * 1024)
#define TRANSACTIONS_MAX 256
#define PATIENCE_MS 600000

static const uint8_t edge_secret[NOISE_DHLEN] = { 1, 2, 3 };
static const uint8_t client_secret[NOISE_DHLEN] = { 4, 5, 6 };
static struct edge edge;
static struct noise_keypair client_key, edge_key;
static struct memory_file conf_file, clients_file;
static const struct keeper_settings keeper_settings;
static struct keeper keeper = { .settings = &keeper_settings, .enrolment.fd = -1 };
static int keeper_fd;
/* What the client says first, and the keys that follow from it. */
static uint8_t initiation[TUNNEL_INITIATION_SIZE];
static struct noise_cipher_state client_sending, client_receiving;

/* ---- in the place of dns/dns_lookup.c and of edge/tcp_connect.c ---- */

struct dns_resolver *dns_resolver_create(const struct conf_list *servers, bool trust_ad,
					 char *error, size_t error_size)
{
	(void)servers;
	(void)trust_ad;
	(void)error;
	(void)error_size;
	return malloc(1);
}

int dns_resolver_keep_answers(struct dns_resolver *resolver, int64_t keep_ms)
{
	(void)resolver;
	(void)keep_ms;
	return 0;
}

void dns_resolver_expire(struct dns_resolver *resolver)
{
	(void)resolver;
}

void dns_resolver_destroy(struct dns_resolver *resolver)
{
	free(resolver);
}

bool dns_resolver_is_trusted(struct dns_resolver *resolver)
{
	(void)resolver;
	return true;
}

/* Names with an "a" do not exist, those with a "b" have no server, others fail. */
void dns_lookup(struct dns_resolver *resolver, const char *name, enum dns_type type,
		struct deadline deadline, struct dns_answer *answer)
{
	(void)resolver;
	(void)type;
	(void)deadline;
	memset(answer, 0, sizeof(*answer));
	answer->trust = DNS_FAILED;
	answer->result = strchr(name, 'a') != NULL   ? DNS_NXDOMAIN
			 : strchr(name, 'b') != NULL ? DNS_NODATA
						     : DNS_ERROR;
	if (answer->result != DNS_ERROR)
		answer->trust = DNS_INSECURE;
	snprintf(answer->error, sizeof(answer->error), "SERVFAIL");
}

void dns_answer_wipe(struct dns_answer *answer)
{
	memset(answer, 0, sizeof(*answer));
}

int tcp_connect(const struct sockaddr_storage *address, const struct sockaddr_storage *source, struct deadline deadline,
		int cancel_fd, char *reason, size_t reason_size)
{
	(void)address;
	(void)source;
	(void)deadline;
	(void)cancel_fd;
	snprintf(reason, reason_size, "Connection refused");
	return -1;
}

/* ---- the edge, once; the handshake, which is always the same ---- */

static void shake_hands(void)
{
	struct noise_keypair ephemeral;
	struct noise_handshake_params params = {
		.pattern = NOISE_IKPSK2,
		.role = NOISE_INITIATOR,
		.prologue = TUNNEL_PROLOGUE,
		.prologue_length = strlen(TUNNEL_PROLOGUE),
		.s = noise_keypair_static_key(&client_key),
		.remote_static = edge_key.public_key,
		.fixed_ephemeral = &ephemeral,
	};
	struct noise_handshake_state theirs, ours;
	uint8_t answer[TUNNEL_RESPONSE_SIZE], message[TUNNEL_INITIATION_SIZE], hash[NOISE_HASHLEN];
	size_t length;

	noise_keypair_generate(&ephemeral);
	noise_handshake_init(&ours, &params);
	require(noise_handshake_write_message(&ours, NULL, 0, initiation + TUNNEL_MAC1_SIZE,
					      &length) == 0);
	tunnel_mac1(initiation, edge_key.public_key, initiation + TUNNEL_MAC1_SIZE, length);
	params.role = NOISE_RESPONDER;
	params.remote_static = NULL;
	params.s = noise_keypair_static_key(&edge_key);
	noise_handshake_init(&theirs, &params);
	require(noise_handshake_read_message(&theirs, initiation + TUNNEL_MAC1_SIZE, length,
					     message, &length) == 0);
	noise_handshake_set_psk(&theirs, params.psk);
	require(noise_handshake_write_message(&theirs, NULL, 0, answer, &length) == 0);
	require(noise_handshake_read_message(&ours, answer, length, message, &length) == 0);
	require(noise_handshake_finish(&ours, &client_sending, &client_receiving, hash) == 0);
	noise_handshake_wipe(&theirs);
}

static void *run_keeper(void *unused)
{
	keeper_serve(&keeper, keeper_fd);
	return unused;
}

/* The real one, but for its files. */
static void start_keeper(void)
{
	char line[160], error[400];
	pthread_t thread;
	int ends[2];

	base64_key_encode(line, client_key.public_key);
	strcat(line, " home domains=example.com,a.example,b.net rate=20/1h bounces=3/1h recipients=4\n");
	memory_file_open(&clients_file, line, strlen(line));
	keeper.keys.path = keeper.keys.next_path = "/nonexistent";
	keeper.keys.keys[0] = noise_keypair_static_key(&edge_key);
	keeper.clients = client_list_create(clients_file.path, NULL, edge_key.public_key, error, sizeof(error));
	require(keeper.clients != NULL && socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) == 0);
	keeper_fd = ends[1];
	require(keeper_greet(&keeper, keeper_fd, NULL) == 0);
	require(pthread_create(&thread, NULL, run_keeper, NULL) == 0);
	edge.keeper = keeper_client_create(ends[0], 0, clients_file.path, error, sizeof(error));
	require(edge.keeper != NULL);
	edge.keys = keeper_client_keys(edge.keeper);
}

static void start_edge(void)
{
	static const char conf[] = "ehlo_name = \"edge.example.org\"; ipv6 = \"off\";\n"
				   "recipient_limit = 5; message_size_limit = \"20k\";\n"
				   "content_memory = \"1M\";\n";
	char error[400];

	memory_file_open(&conf_file, conf, strlen(conf));
	edge.setup = edge_setup_create(conf_file.path, error, sizeof(error));
	require(edge.setup != NULL);
	start_keeper();
	pthread_mutex_init(&edge.setup_lock, NULL);
	content_pool_init(&edge.content_pool, (uint64_t)edge.setup->conf.content_memory);
	handshake_table_init(&edge.handshakes);
	session_table_init(&edge.sessions);
	destination_table_init(&edge.destinations);
	tenant_table_init(&edge.tenants);
	outcome_table_init(&edge.outcomes);
	message_log_init(&edge.messages);
	delivery_jobs_init(&edge.jobs);
	require(delivery_jobs_start(&edge.jobs) == 0);
	log_limit_init(&edge.handshake_log);
	atomic_init(&edge.end.phase, EDGE_RUNNING);
	edge.end.cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	be_silent();
	require(no_chance_begin() == 0);
	require(noise_keypair_from_secret(&client_key, client_secret) == 0);
	require(noise_keypair_from_secret(&edge_key, edge_secret) == 0);
	start_edge();
	shake_hands();
	return 0;
}

/* ---- what the mail host says ---- */

struct speech {
	uint8_t wire[WIRE_MAX];
	size_t length;
	struct noise_cipher_state sending;
	struct content_digest digest;	/* of CONTENT since the last ENVELOPE */
	uint32_t recipients[TRANSACTIONS_MAX]; /* RECIPIENTs in each; larger ids are not kept */
};

static void note(struct speech *speech, const uint8_t *plain, size_t length)
{
	uint32_t id;

	if (length < TUNNEL_FRAME_HEADER)
		return;
	id = (uint32_t)plain[2] << 24 | (uint32_t)plain[3] << 16 | (uint32_t)plain[4] << 8 |
	     plain[5];
	if (plain[0] == FRAME_ENVELOPE)
		content_digest_init(&speech->digest);
	if (plain[0] == FRAME_CONTENT)
		content_digest_update(&speech->digest, plain + TUNNEL_FRAME_HEADER,
				      length - TUNNEL_FRAME_HEADER);
	if (plain[0] == FRAME_RECIPIENT && id < TRANSACTIONS_MAX)
		speech->recipients[id]++;
}

static void say(struct speech *speech, const uint8_t *plain, size_t length)
{
	uint8_t *record = speech->wire + speech->length;
	size_t sealed;

	if (length > TUNNEL_FRAME_MAX || speech->length + 2 + length + TUNNEL_TAG_SIZE > WIRE_MAX)
		return;
	note(speech, plain, length);
	require(noise_cipher_encrypt_with_ad(&speech->sending, NULL, 0, plain, length, record + 2,
					     &sealed) == 0);
	record[0] = (uint8_t)(sealed >> 8);
	record[1] = (uint8_t)sealed;
	speech->length += 2 + sealed;
}

static void say_frame(struct speech *speech, const struct frame *frame)
{
	struct buffer plain;

	buffer_init(&plain, TUNNEL_FRAME_MAX);
	require(frame_encode(&plain, frame) == 0);
	say(speech, buffer_data(&plain), buffer_length(&plain));
	buffer_wipe(&plain);
}

static void say_end(struct speech *speech, uint32_t transaction)
{
	struct frame frame = { .type = FRAME_END_OF_CONTENT, .transaction = transaction };

	frame.u.end.length = speech->digest.length;
	content_digest_final(&speech->digest, frame.u.end.digest);
	content_digest_init(&speech->digest);
	say_frame(speech, &frame);
}

static void say_message(struct speech *speech, uint32_t transaction)
{
	static struct frame frame;

	frame = (struct frame){ .type = FRAME_ENVELOPE, .transaction = transaction };
	frame.u.envelope.envelope.reverse_path.is_null = true;
	frame.u.envelope.budget_ms = PATIENCE_MS;
	say_frame(speech, &frame);
	frame = (struct frame){ .type = FRAME_RECIPIENT, .transaction = transaction };
	snprintf(frame.u.recipient.recipient.forward_path.local_part, 2, "u");
	snprintf(frame.u.recipient.recipient.forward_path.domain, 10, "a.example");
	say_frame(speech, &frame);
	frame = (struct frame){ .type = FRAME_CONTENT, .transaction = transaction };
	frame.u.content.bytes = (const uint8_t *)"Subject: x\r\n\r\n";
	frame.u.content.length = 14;
	say_frame(speech, &frame);
}

static void compose(struct speech *speech, const uint8_t *at, size_t left)
{
	const struct frame ping = { .type = FRAME_PING };

	memcpy(speech->wire, initiation, sizeof(initiation));
	speech->length = sizeof(initiation);
	speech->sending = client_sending;
	content_digest_init(&speech->digest);
	memset(speech->recipients, 0, sizeof(speech->recipients));
	say_frame(speech, &ping);
	while (left >= 2) {
		size_t length = left >= 3 ? (size_t)at[1] << 8 | at[2] : 0;

		if (at[0] % 3 == 1)
			say_end(speech, at[1]);
		else if (at[0] % 3 == 2)
			say_message(speech, at[1]);
		else if (left < 3)
			return;
		if (at[0] % 3 != 0) {
			at += 2;
			left -= 2;
			continue;
		}
		if (length > left - 3)
			length = left - 3;
		say(speech, at + 3, length);
		at += 3 + length;
		left -= 3 + length;
	}
}

/* ---- what the edge answers ---- */

struct hearing {
	uint32_t transaction, done;	/* of the outcomes that come; of the last DONE */
	bool has_outcome[TUNNEL_RECIPIENTS_MAX];
	uint32_t count;
};

static void check_outcome(struct hearing *hearing, const struct speech *speech,
			  const struct frame *frame)
{
	uint32_t index = frame->u.status.index;

	if (frame->transaction != hearing->transaction) {
		require(frame->transaction > hearing->transaction && hearing->count == 0);
		hearing->transaction = frame->transaction;
	}
	require(frame->transaction > hearing->done);
	require(frame->u.status.status.action != DELIVERY_RELAYED && !hearing->has_outcome[index]);
	require(frame->transaction >= TRANSACTIONS_MAX ||
		index < speech->recipients[frame->transaction]);
	hearing->has_outcome[index] = true;
	hearing->count++;
}

/* Outcomes are for the first recipients without gaps: those that the edge has taken. */
static void check_done(struct hearing *hearing, const struct frame *frame)
{
	require(frame->transaction >= hearing->transaction && frame->transaction > hearing->done);
	for (uint32_t i = 0; i < hearing->count; i++)
		require(hearing->has_outcome[i]);
	memset(hearing, 0, sizeof(*hearing));
	hearing->transaction = hearing->done = frame->transaction;
}

static void check_answers(const struct speech *speech, uint8_t *at, size_t left)
{
	struct noise_cipher_state receiving = client_receiving;
	static struct hearing hearing;
	static struct frame frame;
	char error[200];
	size_t plain;

	require(left >= TUNNEL_RESPONSE_SIZE);
	memset(&hearing, 0, sizeof(hearing));
	for (at += TUNNEL_RESPONSE_SIZE, left -= TUNNEL_RESPONSE_SIZE; left > 0;) {
		size_t sealed = left >= 2 ? (size_t)at[0] << 8 | at[1] : left;

		require(left >= 2 + sealed);
		require(noise_cipher_decrypt_with_ad(&receiving, NULL, 0, at + 2, sealed, at + 2,
						     &plain) == 0);
		require(frame_decode(&frame, at + 2, plain, error, sizeof(error)) == FRAME_OK);
		if (frame.type == FRAME_DELIVERY_STATUS)
			check_outcome(&hearing, speech, &frame);
		else if (frame.type == FRAME_DONE)
			check_done(&hearing, &frame);
		else
			require(frame.type == FRAME_INFO || frame.type == FRAME_PONG ||
				frame.type == FRAME_ANSWER || frame.type == FRAME_CLOSE);
		at += 2 + sealed;
		left -= 2 + sealed;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	static struct speech speech;
	static uint8_t heard[4 * WIRE_MAX];
	struct edge_visitor visitor = { .peer = "fuzz" };
	size_t heard_length = 0;
	int fds[2], big = 4 * WIRE_MAX;
	ssize_t got;

	compose(&speech, bytes, length);
	require(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
	setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &big, sizeof(big));
	setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &big, sizeof(big));
	require(send(fds[0], speech.wire, speech.length, MSG_DONTWAIT) == (ssize_t)speech.length);
	shutdown(fds[0], SHUT_WR);
	memcpy(visitor.mac1, initiation, sizeof(visitor.mac1));
	memcpy(visitor.own_key, edge.keys.public_keys[0], NOISE_DHLEN);
	edge_session_start(&edge, fds[1], &visitor);
	/* libFuzzer's alarm for -timeout interrupts. */
	while (heard_length < sizeof(heard) &&
	       ((got = recv(fds[0], heard + heard_length, sizeof(heard) - heard_length, 0)) > 0 ||
		(got < 0 && errno == EINTR)))
		heard_length += got > 0 ? (size_t)got : 0;
	close(fds[0]);
	require(session_table_wait_empty(&edge.sessions, deadline_in_ms(PATIENCE_MS)) == 0);
	require(delivery_jobs_wait_empty(&edge.jobs, deadline_in_ms(PATIENCE_MS)) == 0);
	check_answers(&speech, heard, heard_length);
	require(content_pool_used(&edge.content_pool) == 0);
	require(atomic_load(&edge.setup->references) == 1);
	/* What one input has used up is there again for the next. */
	tenant_table_wipe(&edge.tenants);
	tenant_table_init(&edge.tenants);
	return 0;
}
