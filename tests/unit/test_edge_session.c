/*
 * A whole edge but for its start: listener, strangers, sessions, allow-list, transactions; on
 * loopback, with the transport's own tunnel client as mail host. Recipients are at domains that
 * fail without a mail server.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include "tests/unit/edge_session_fixture.h"

static int set_up(void **state)
{
	*state = start_edge("", NULL);
	return 0;
}

static int tear_down(void **state)
{
	return stop_edge(*state);
}

/* ---- strangers ---- */

static int connect_raw(struct fixture *fixture)
{
	struct sockaddr_in target = { .sin_family = AF_INET, .sin_port = htons(fixture->port),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&target, sizeof(target)), 0);
	return fd;
}

/* Closes the socket, when the edge has closed its end without having sent a byte. */
static void expect_silent_close(int fd)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };
	char byte;

	assert_int_equal(poll(&pollfd, 1, PATIENCE_MS), 1);
	assert_true(recv(fd, &byte, 1, 0) <= 0);	/* a reset is as good as an end */
	close(fd);
}

/* Case 90 */
static void test_noise_gets_no_byte(void **state)
{
	static const char *const rows[] = {
		"GET / HTTP/1.1\r\nHost: relay.test.example\r\n\r\n",
		"\x16\x03\x01\x02",
		"SSH-2.0-OpenSSH_9.2\r\n",
		"HELO relay.test.example\r\n",
	};
	struct fixture *fixture = *state;
	char bytes[1000];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int short_fd = connect_raw(fixture), long_fd = connect_raw(fixture);

		/* less than a message 1, and the end */
		assert_true(send(short_fd, rows[i], strlen(rows[i]), MSG_NOSIGNAL) > 0);
		shutdown(short_fd, SHUT_WR);
		expect_silent_close(short_fd);
		/* more than that */
		memset(bytes, 'x', sizeof(bytes));
		memcpy(bytes, rows[i], strlen(rows[i]));
		assert_true(send(long_fd, bytes, sizeof(bytes), MSG_NOSIGNAL) > 0);
		expect_silent_close(long_fd);
	}
	randombytes_buf(bytes, sizeof(bytes));
	for (size_t length = TUNNEL_INITIATION_SIZE; length < TUNNEL_INITIATION_SIZE + 3;
	     length++) {
		int fd = connect_raw(fixture);

		assert_true(send(fd, bytes, length, MSG_NOSIGNAL) > 0);
		expect_silent_close(fd);
	}
	assert_int_equal(count_sessions(fixture), 0);
}

/* A right mac1 over nonsense: a session's thread looks at it, and says as little. */
static void test_right_mac1_wrong_message(void **state)
{
	struct fixture *fixture = *state;
	uint8_t initiation[TUNNEL_INITIATION_SIZE];
	int fd = connect_raw(fixture);

	randombytes_buf(initiation, sizeof(initiation));
	tunnel_mac1(initiation, fixture->edge_key.public_key, initiation + TUNNEL_MAC1_SIZE,
		    sizeof(initiation) - TUNNEL_MAC1_SIZE);
	assert_true(send(fd, initiation, sizeof(initiation), MSG_NOSIGNAL) > 0);
	expect_silent_close(fd);
	wait_for_sessions(fixture, 0);
}

static void test_unknown_key(void **state)
{
	struct fixture *fixture = *state;
	struct frame_info info;
	struct tunnel tunnel;

	assert_int_equal(try_connect(fixture, &tunnel, MALLORY, &info), TUNNEL_NO_ANSWER);
	wait_for_sessions(fixture, 0);
}

/*
 * Case 102, small: a table full of silent ones, and a mail host still gets in. The silent ones go,
 * without a byte.
 */
static void test_full_of_strangers(void **state)
{
	struct fixture *fixture = *state;
	struct tunnel tunnel;
	int fds[40];

	for (size_t i = 0; i < 40; i++)
		fds[i] = connect_raw(fixture);
	connect_as(fixture, &tunnel, ALICE);
	check_answers_ping(&tunnel);
	for (size_t i = 0; i < 30; i++)
		expect_silent_close(fds[i]);	/* made room */
	for (size_t i = 30; i < 40; i++)
		expect_silent_close(fds[i]);
	check_answers_ping(&tunnel);
	tunnel_close(&tunnel, 0, NULL);
}

/* The listener's loop waits for this lock in its next housekeeping. */
static void hold_up(struct fixture *fixture)
{
	pthread_mutex_lock(&fixture->edge.sessions.lock);
	usleep(1300000);
}

/*
 * Two events of one round: a newcomer takes the place of a stranger that has just spoken. It does
 * not pay for those words.
 */
static void test_newcomer_in_the_row_of_a_talker(void **state)
{
	struct fixture *fixture = *state;
	struct pollfd pollfd = { .events = POLLIN };
	char garbage[TUNNEL_INITIATION_SIZE] = "x";
	int fds[8];

	for (size_t i = 0; i < 8; i++)
		fds[i] = connect_raw(fixture);
	usleep(200000);
	hold_up(fixture);	/* until both events are there */
	pollfd.fd = connect_raw(fixture);
	usleep(50000);
	assert_true(send(fds[0], garbage, sizeof(garbage), MSG_NOSIGNAL) > 0);
	usleep(50000);
	pthread_mutex_unlock(&fixture->edge.sessions.lock);
	expect_silent_close(fds[0]);
	assert_int_equal(poll(&pollfd, 1, 500), 0);	/* still there */
	close(pollfd.fd);
	for (size_t i = 1; i < 8; i++)
		close(fds[i]);
}

/* ---- those who know the edge's key, and go no further ---- */

/* A first message as a client's; what is recorded of it can be replayed. */
static void make_initiation(struct fixture *fixture, uint8_t initiation[TUNNEL_INITIATION_SIZE],
			    int who)
{
	struct noise_handshake_params params = {
		.pattern = NOISE_IKPSK2,
		.role = NOISE_INITIATOR,
		.prologue = TUNNEL_PROLOGUE,
		.prologue_length = sizeof(TUNNEL_PROLOGUE) - 1,
		.s = noise_keypair_static_key(&fixture->keys[who]),
		.remote_static = fixture->edge_key.public_key,
	};
	struct noise_handshake_state handshake;
	size_t length;

	noise_handshake_init(&handshake, &params);
	assert_int_equal(noise_handshake_write_message(&handshake, NULL, 0,
						       initiation + TUNNEL_MAC1_SIZE, &length), 0);
	noise_handshake_wipe(&handshake);
	tunnel_mac1(initiation, fixture->edge_key.public_key, initiation + TUNNEL_MAC1_SIZE, length);
}

/* Sends a first message, and waits for the answer if there is to be one. */
static int begin_handshake(struct fixture *fixture, const uint8_t *initiation, bool is_answered)
{
	struct pollfd pollfd = { .fd = connect_raw(fixture), .events = POLLIN };
	uint8_t response[TUNNEL_RESPONSE_SIZE];

	assert_int_equal(send(pollfd.fd, initiation, TUNNEL_INITIATION_SIZE, MSG_NOSIGNAL),
			 TUNNEL_INITIATION_SIZE);
	if (!is_answered)
		return pollfd.fd;
	assert_int_equal(poll(&pollfd, 1, PATIENCE_MS), 1);
	assert_int_equal(recv(pollfd.fd, response, sizeof(response), MSG_WAITALL), sizeof(response));
	return pollfd.fd;
}

#define RECORDED 20

/*
 * Case 102: more recorded first messages than there are tunnels, none followed by a record. The
 * oldest make room, and no client is kept out, which it was when they counted as tunnels.
 */
static void test_unfinished_handshakes_take_no_tunnel(void **state)
{
	struct fixture *fixture = *state;
	uint8_t initiation[TUNNEL_INITIATION_SIZE];
	struct tunnel tunnels[3];
	int fds[RECORDED];

	for (size_t i = 0; i < RECORDED; i++) {
		make_initiation(fixture, initiation, ALICE);
		fds[i] = begin_handshake(fixture, initiation, true);
	}
	for (size_t i = 0; i < RECORDED - 8; i++)
		expect_silent_close(fds[i]);
	wait_for_sessions(fixture, 8);
	for (size_t i = 0; i < 3; i++) {
		connect_as(fixture, &tunnels[i], BOB);
		check_answers_ping(&tunnels[i]);
	}
	for (size_t i = RECORDED - 8; i < RECORDED; i++)
		expect_silent_close(fds[i]);
	wait_for_sessions(fixture, 3);
	for (size_t i = 0; i < 3; i++)
		tunnel_close(&tunnels[i], 0, NULL);
}

/* Case 91: of two handshakes with the same first message the later one is the replay. */
static void test_replay_beside_the_original(void **state)
{
	struct fixture *fixture = *state;
	uint8_t initiation[TUNNEL_INITIATION_SIZE];
	int original, replay;

	make_initiation(fixture, initiation, ALICE);
	original = begin_handshake(fixture, initiation, true);
	for (size_t i = 0; i < RECORDED; i++) {
		replay = begin_handshake(fixture, initiation, false);
		expect_silent_close(replay);
	}
	wait_for_sessions(fixture, 1);
	close(original);
	wait_for_sessions(fixture, 0);
	/* alone, it gets its answer, and no more: nobody remembers for ever */
	replay = begin_handshake(fixture, initiation, true);
	expect_silent_close(replay);
}

/* ---- transactions ---- */

static void test_info(void **state)
{
	struct fixture *fixture = *state;
	struct frame_info info;
	struct tunnel tunnel;

	assert_int_equal(try_connect(fixture, &tunnel, ALICE, &info), TUNNEL_OK);
	assert_string_equal(info.edge_name, "relay.test.example");
	assert_int_equal(info.size_max, 100 * 1024);
	assert_int_equal(info.recipients_max, 5);
	check_answers_ping(&tunnel);
	tunnel_close(&tunnel, 0, NULL);
	wait_for_sessions(fixture, 0);
}

static void test_transactions(void **state)
{
	struct fixture *fixture = *state;
	struct tunnel tunnel;

	connect_as(fixture, &tunnel, ALICE);
	for (uint32_t id = 1; id < 20; id += 3) {	/* ids grow; gaps are allowed */
		send_envelope(&tunnel, id, 0);
		for (uint32_t i = 0; i < 5; i++)
			send_recipient(&tunnel, id, i, i % 2 == 0 ? "a@" NOWHERE : "b@" NOWHERE);
		send_content(&tunnel, id, MESSAGE);
		check_answers_ping(&tunnel);		/* also in the middle */
		send_end(&tunnel, id, MESSAGE);
		expect_outcomes(&tunnel, id, 5, "5.4.4");
		check_answers_ping(&tunnel);
		assert_int_equal(content_pool_used(&fixture->edge.content_pool), 0);
	}
	tunnel_close(&tunnel, 0, NULL);
}

static void test_abort(void **state)
{
	struct fixture *fixture = *state;
	struct tunnel tunnel;

	connect_as(fixture, &tunnel, ALICE);
	send_message(&tunnel, 1, "a@" NOWHERE);
	check_answers_ping(&tunnel);
	assert_true(content_pool_used(&fixture->edge.content_pool) > 0);
	send_simple(&tunnel, FRAME_ABORT, 1);
	check_answers_ping(&tunnel);
	assert_int_equal(content_pool_used(&fixture->edge.content_pool), 0);
	/* what was on its way meanwhile is nothing */
	send_content(&tunnel, 1, MESSAGE);
	send_end(&tunnel, 1, MESSAGE);
	send_message(&tunnel, 2, "a@" NOWHERE);
	send_end(&tunnel, 2, MESSAGE);
	expect_outcomes(&tunnel, 2, 1, "5.4.4");
	tunnel_close(&tunnel, 0, NULL);
}

/* Refused before the content was there: the outcomes do not wait for it. */
static void test_early_refusal(void **state)
{
	static const uint8_t ends[] = { FRAME_ABORT, FRAME_END_OF_CONTENT, FRAME_ENVELOPE };
	struct fixture *fixture = *state;
	struct tunnel tunnel;
	uint32_t id = 1;

	connect_as(fixture, &tunnel, ALICE);
	for (size_t i = 0; i < sizeof(ends); i++, id++) {
		send_envelope(&tunnel, id, 1 << 30);
		send_recipient(&tunnel, id, 0, "a@" NOWHERE);
		send_recipient(&tunnel, id, 1, "b@" NOWHERE);
		send_content(&tunnel, id, "the first of many\r\n");
		expect_outcomes(&tunnel, id, 2, "5.3.4");
		send_content(&tunnel, id, "the second\r\n");
		if (ends[i] == FRAME_ABORT)
			send_simple(&tunnel, FRAME_ABORT, id);
		else if (ends[i] == FRAME_END_OF_CONTENT)
			send_end(&tunnel, id, "whatever");
		check_answers_ping(&tunnel);	/* and not a second answer */
	}
	/* without any content END brings them */
	send_envelope(&tunnel, id, 1 << 30);
	send_recipient(&tunnel, id, 0, "a@" NOWHERE);
	send_end(&tunnel, id, "");
	expect_outcomes(&tunnel, id, 1, "5.3.4");
	/* the same for a limit that shows only in the content */
	send_message(&tunnel, ++id, "a@" NOWHERE);
	send_content(&tunnel, id, "bare\nLF\r\n");
	expect_outcomes(&tunnel, id, 1, "5.6.0");
	tunnel_close(&tunnel, 0, NULL);
}

/* The mail host goes away in the middle: nothing stays. */
static void test_lost_in_the_middle(void **state)
{
	struct fixture *fixture = *state;
	struct tunnel tunnel;

	connect_as(fixture, &tunnel, ALICE);
	send_message(&tunnel, 1, "a@" NOWHERE);
	check_answers_ping(&tunnel);
	assert_true(content_pool_used(&fixture->edge.content_pool) > 0);
	tunnel_close(&tunnel, 0, NULL);
	wait_for_sessions(fixture, 0);
	assert_int_equal(content_pool_used(&fixture->edge.content_pool), 0);
}

/* It goes away after END: the delivery is not its hostage. */
static void test_lost_while_delivering(void **state)
{
	struct fixture *fixture = *state;
	struct tunnel tunnel;

	connect_as(fixture, &tunnel, ALICE);
	send_envelope(&tunnel, 1, 0);
	send_recipient(&tunnel, 1, 0, "a@slow.example");
	send_recipient(&tunnel, 1, 1, "a@" NOWHERE);
	send_content(&tunnel, 1, MESSAGE);
	send_end(&tunnel, 1, MESSAGE);
	tunnel_close(&tunnel, 0, NULL);
	wait_for_sessions(fixture, 0);
	assert_true(fake_dns_was_asked(fixture->dns, "slow.example"));
}

/* ---- broken protocol ---- */

static void second_envelope(struct tunnel *tunnel)
{
	send_message(tunnel, 1, "a@" NOWHERE);
	send_envelope(tunnel, 2, 0);
}

static void same_id_again(struct tunnel *tunnel)
{
	send_message(tunnel, 5, "a@" NOWHERE);
	send_end(tunnel, 5, MESSAGE);
	expect_outcomes(tunnel, 5, 1, "5.4.4");
	send_envelope(tunnel, 5, 0);
}

static void smaller_id(struct tunnel *tunnel)
{
	send_envelope(tunnel, 5, 0);
	send_simple(tunnel, FRAME_ABORT, 5);
	send_envelope(tunnel, 4, 0);
}

static void id_from_the_future(struct tunnel *tunnel)
{
	send_envelope(tunnel, 1, 0);
	send_recipient(tunnel, 2, 0, "a@" NOWHERE);
}

static void content_without_envelope(struct tunnel *tunnel)
{
	send_content(tunnel, 1, MESSAGE);
}

static void content_without_recipient(struct tunnel *tunnel)
{
	send_envelope(tunnel, 1, 0);
	send_content(tunnel, 1, MESSAGE);
}

static void gap(struct tunnel *tunnel)
{
	send_envelope(tunnel, 1, 0);
	send_recipient(tunnel, 1, 1, "a@" NOWHERE);
}

static void recipient_after_content(struct tunnel *tunnel)
{
	send_message(tunnel, 1, "a@" NOWHERE);
	send_recipient(tunnel, 1, 1, "a@" NOWHERE);
}

static void wrong_digest(struct tunnel *tunnel)
{
	send_message(tunnel, 1, "a@" NOWHERE);
	send_end(tunnel, 1, "Subject: y\r\n\r\nbody\r\n");
}

static void the_edges_own_words(struct tunnel *tunnel)
{
	send_message(tunnel, 1, "a@" NOWHERE);
	send_simple(tunnel, FRAME_DONE, 1);
}

static void status_of_an_old_one(struct tunnel *tunnel)
{
	send_envelope(tunnel, 5, 0);
	send_simple(tunnel, FRAME_ABORT, 5);
	send_simple(tunnel, FRAME_DONE, 4);
}

static void info_from_a_client(struct tunnel *tunnel)
{
	struct frame frame = { .type = FRAME_INFO };

	strcpy(frame.u.info.edge_name, "client.test.example");
	frame.u.info.size_max = frame.u.info.recipients_max = 1;
	send_now(tunnel, &frame);
}

static void answer_from_a_client(struct tunnel *tunnel)
{
	struct frame frame = { .type = FRAME_ANSWER };

	frame.u.answer.is_last = true;
	frame.u.answer.bytes = (const uint8_t *)"{}";
	frame.u.answer.length = 2;
	send_now(tunnel, &frame);
}

static void ask_in_a_transaction(struct tunnel *tunnel)
{
	struct frame frame = { .type = FRAME_ASK };

	strcpy(frame.u.ask.question, "status");
	send_envelope(tunnel, 1, 0);
	send_now(tunnel, &frame);
}

static void refused_without_recipient(struct tunnel *tunnel)
{
	send_envelope(tunnel, 1, 1 << 30);
	send_content(tunnel, 1, MESSAGE);
}

static void test_protocol_errors(void **state)
{
	static void (*const rows[])(struct tunnel * tunnel) = {
		second_envelope,
		same_id_again,
		smaller_id,
		id_from_the_future,
		content_without_envelope,
		content_without_recipient,
		gap,
		recipient_after_content,
		wrong_digest,
		the_edges_own_words,
		status_of_an_old_one,
		info_from_a_client,
		refused_without_recipient,
		answer_from_a_client,
		ask_in_a_transaction,
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct tunnel tunnel;

		connect_as(fixture, &tunnel, ALICE);
		rows[i](&tunnel);
		expect_close(&tunnel, CLOSE_PROTOCOL_ERROR);
		wait_for_sessions(fixture, 0);
		assert_int_equal(content_pool_used(&fixture->edge.content_pool), 0);
	}
}

/* ---- limits ---- */

static void test_limits(void **state)
{
	struct fixture *fixture = *state;
	struct tunnel tunnels[7];
	struct frame_info info;

	for (size_t i = 0; i < 3; i++)
		connect_as(fixture, &tunnels[i], ALICE);
	assert_int_equal(try_connect(fixture, &tunnels[3], ALICE, &info), TUNNEL_LOST);
	assert_non_null(strstr(tunnels[3].error, "too many tunnels of this client"));
	wait_for_sessions(fixture, 3);
	for (size_t i = 3; i < 6; i++)
		connect_as(fixture, &tunnels[i], BOB);
	assert_int_equal(try_connect(fixture, &tunnels[6], BOB, &info), TUNNEL_LOST);
	assert_non_null(strstr(tunnels[6].error, "too many tunnels"));	/* six in all */
	wait_for_sessions(fixture, 6);
	tunnel_close(&tunnels[0], 0, NULL);
	wait_for_sessions(fixture, 5);
	connect_as(fixture, &tunnels[0], ALICE);
	for (size_t i = 0; i < 6; i++) {
		check_answers_ping(&tunnels[i]);
		tunnel_close(&tunnels[i], 0, NULL);
	}
}

/* ---- revocation: case 95 ---- */

static void test_revoked_while_idle(void **state)
{
	struct fixture *fixture = *state;
	struct tunnel alice, bob;
	struct frame_info info;

	connect_as(fixture, &alice, ALICE);
	connect_as(fixture, &bob, BOB);
	check_answers_ping(&alice);
	authorize(fixture, "1");
	expect_close(&alice, CLOSE_REVOKED);
	check_answers_ping(&bob);
	assert_int_equal(try_connect(fixture, &alice, ALICE, &info), TUNNEL_NO_ANSWER);
	tunnel_close(&bob, 0, NULL);
}

static void test_revoked_in_a_transaction(void **state)
{
	struct fixture *fixture = *state;
	struct tunnel tunnel;

	connect_as(fixture, &tunnel, ALICE);
	send_message(&tunnel, 1, "a@" NOWHERE);
	check_answers_ping(&tunnel);
	authorize(fixture, "");
	usleep(1500000);	/* housekeeping came by, and left it alone */
	send_end(&tunnel, 1, MESSAGE);
	expect_outcomes(&tunnel, 1, 1, "5.4.4");
	expect_close(&tunnel, CLOSE_REVOKED);
}

/* No second passes between the revocation and the next transaction. */
static void test_revoked_just_now(void **state)
{
	struct fixture *fixture = *state;
	struct tunnel tunnel;

	connect_as(fixture, &tunnel, ALICE);
	hold_up(fixture);
	pthread_mutex_unlock(&fixture->edge.sessions.lock);
	usleep(50000);		/* housekeeping has just been, and comes again in a second */
	authorize(fixture, "1");
	send_envelope(&tunnel, 1, 0);
	expect_close(&tunnel, CLOSE_REVOKED);
}

/* ---- the end ---- */

static void test_stop_drains(void **state)
{
	struct fixture *fixture = *state;
	struct tunnel idle, delivering, receiving;
	struct frame_info info;

	connect_as(fixture, &idle, BOB);
	connect_as(fixture, &delivering, ALICE);
	connect_as(fixture, &receiving, ALICE);
	send_message(&delivering, 1, "a@slow.example");
	send_end(&delivering, 1, MESSAGE);
	send_message(&receiving, 1, "a@" NOWHERE);
	check_answers_ping(&receiving);
	EVENTUALLY(fake_dns_was_asked(fixture->dns, "slow.example"));
	raise_in_edge(fixture, SIGTERM);
	expect_close(&idle, CLOSE_SHUTDOWN);
	assert_int_equal(try_connect(fixture, &idle, BOB, &info), TUNNEL_UNREACHABLE);
	/* those in a transaction may finish it */
	send_end(&receiving, 1, MESSAGE);
	expect_outcomes(&receiving, 1, 1, "5.4.4");
	expect_close(&receiving, CLOSE_SHUTDOWN);
	expect_outcomes(&delivering, 1, 1, "5.1.2");
	expect_close(&delivering, CLOSE_SHUTDOWN);
	join_edge(fixture);
}

/* A mail host that never sends END is waited for until the drain is over, and no longer. */
static void test_stop_does_not_wait_for_ever(void **state)
{
	struct fixture *fixture = *state;
	struct tunnel tunnel;
	int64_t before_ms;

	connect_as(fixture, &tunnel, ALICE);
	send_message(&tunnel, 1, "a@" NOWHERE);
	check_answers_ping(&tunnel);
	before_ms = deadline_now_ms();
	raise_in_edge(fixture, SIGTERM);
	expect_close(&tunnel, CLOSE_SHUTDOWN);
	join_edge(fixture);
	assert_true(deadline_now_ms() - before_ms >= 3000);
}

/* SIGHUP: new limits for new transactions; a broken file changes nothing. */
static void test_reload(void **state)
{
	struct fixture *fixture = *state;
	struct frame_info info;
	struct tunnel tunnel;
	FILE *file;

	connect_as(fixture, &tunnel, ALICE);
	send_envelope(&tunnel, 1, 0);
	send_recipient(&tunnel, 1, 0, "a@" NOWHERE);
	check_answers_ping(&tunnel);
	file = fopen(fixture->conf_path, "w");
	fputs("ehlo_name = \"new.test.example\"; resolvers = \"127.0.0.1@1\"; ipv6 = \"off\"; "
	      "message_size_limit = 1024;\n",
	      file);
	fclose(file);
	raise_in_edge(fixture, SIGHUP);
	for (int i = 0; i < 500; i++) {
		struct tunnel other;

		assert_int_equal(try_connect(fixture, &other, BOB, &info), TUNNEL_OK);
		tunnel_close(&other, 0, NULL);
		wait_for_sessions(fixture, 1);
		if (strcmp(info.edge_name, "new.test.example") == 0)
			break;
		usleep(10000);
	}
	assert_int_equal(info.size_max, 1024);
	/* the open transaction lives under the rules it began with */
	for (int i = 0; i < 200; i++)
		send_content(&tunnel, 1, MESSAGE);
	send_simple(&tunnel, FRAME_ABORT, 1);
	check_answers_ping(&tunnel);
	send_envelope(&tunnel, 2, 1025);
	send_recipient(&tunnel, 2, 0, "a@" NOWHERE);
	send_end(&tunnel, 2, "");
	expect_outcomes(&tunnel, 2, 1, "5.3.4");
	file = fopen(fixture->conf_path, "w");
	fputs("message_size_limit = -5;\n", file);
	fclose(file);
	raise_in_edge(fixture, SIGHUP);
	usleep(300000);
	send_message(&tunnel, 3, "a@" NOWHERE);
	send_end(&tunnel, 3, MESSAGE);
	expect_outcomes(&tunnel, 3, 1, "5.4.4");
	tunnel_close(&tunnel, 0, NULL);
}

/* ---- many at once, for the thread sanitizer ---- */

struct sender {
	struct fixture *fixture;
	int who;
	pthread_t thread;
};

static void *send_messages(void *argument)
{
	struct sender *sender = argument;
	struct tunnel tunnel;

	connect_as(sender->fixture, &tunnel, sender->who);
	for (uint32_t id = 1; id <= 30; id++) {
		send_envelope(&tunnel, id, 0);
		send_recipient(&tunnel, id, 0, "a@" NOWHERE);
		send_recipient(&tunnel, id, 1, "b@[IPv6:2001:db8::2]");
		send_recipient(&tunnel, id, 2, "c@[IPv6:2001:db8::3]");
		send_content(&tunnel, id, MESSAGE);
		send_end(&tunnel, id, MESSAGE);
		expect_outcomes(&tunnel, id, 3, "5.4.4");
	}
	tunnel_close(&tunnel, 0, NULL);
	return NULL;
}

static void test_many_at_once(void **state)
{
	struct fixture *fixture = *state;
	struct sender senders[6];

	for (size_t i = 0; i < 6; i++) {
		senders[i] = (struct sender){ .fixture = fixture, .who = i < 3 ? ALICE : BOB };
		assert_int_equal(
			pthread_create(&senders[i].thread, NULL, send_messages, &senders[i]), 0);
	}
	authorize(fixture, "10");	/* the same two, read again */
	raise_in_edge(fixture, SIGHUP);
	for (size_t i = 0; i < 6; i++)
		pthread_join(senders[i].thread, NULL);
	wait_for_sessions(fixture, 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_noise_gets_no_byte),
		TEST(test_right_mac1_wrong_message),
		TEST(test_unknown_key),
		TEST(test_full_of_strangers),
		TEST(test_newcomer_in_the_row_of_a_talker),
		TEST(test_unfinished_handshakes_take_no_tunnel),
		TEST(test_replay_beside_the_original),
		TEST(test_info),
		TEST(test_transactions),
		TEST(test_abort),
		TEST(test_early_refusal),
		TEST(test_lost_in_the_middle),
		TEST(test_lost_while_delivering),
		TEST(test_protocol_errors),
		TEST(test_limits),
		TEST(test_revoked_while_idle),
		TEST(test_revoked_in_a_transaction),
		TEST(test_revoked_just_now),
		TEST(test_stop_drains),
		TEST(test_stop_does_not_wait_for_ever),
		TEST(test_reload),
		TEST(test_many_at_once),
	};

	log_open("test", LOG_TARGET_STDERR, LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
