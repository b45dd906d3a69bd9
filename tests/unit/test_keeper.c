/*
 * The keeper, asked by somebody who does not use keeper_client.c: right questions have right
 * answers and nothing else in them, and wrong ones have none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "captured_log.h"
#include "keeper_fixture.h"
#include "lib/table.h"
#include "socketmap_server.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void hear(struct keeper_fixture *fixture, struct keeper_answer *answer)
{
	assert_int_equal(recv(fixture->fd, answer, sizeof(*answer), 0), sizeof(*answer));
}

static void begin(struct keeper_fixture *fixture)
{
	struct keeper_answer greeting;

	start_serving(fixture);
	hear(fixture, &greeting);
	assert_int_equal(greeting.question, KEEPER_HELLO);
	assert_int_equal(greeting.error, 0);
	assert_int_equal(greeting.keys.count, 1);
	assert_memory_equal(greeting.keys.public_keys[0], fixture->keys[EDGE].public_key, NOISE_DHLEN);
}

static int end(struct keeper_fixture *fixture)
{
	close(fixture->fd);
	return join_keeper(fixture);
}

static void ask(struct keeper_fixture *fixture, struct keeper_request *request,
		struct keeper_answer *answer)
{
	assert_int_equal(send(fixture->fd, request, sizeof(*request), 0), sizeof(*request));
	hear(fixture, answer);
	assert_int_equal(answer->question, request->question);
	assert_int_equal(answer->number, request->number);
}

static bool contains(const void *bytes, size_t size, const uint8_t key[NOISE_DHLEN])
{
	return memmem(bytes, size, key, NOISE_DHLEN) != NULL;
}

/* Every question about every key: neither the secret nor a psk that was not asked for is in the
 * answer. */
static void test_answers(void **state)
{
	static const enum keeper_question questions[] = { KEEPER_DH, KEEPER_AUTHORIZE,
							  KEEPER_IS_AUTHORIZED, KEEPER_ADMIT,
							  KEEPER_LIST, KEEPER_OPEN, KEEPER_LOGIN };
	struct keeper_fixture *fixture = *state;
	const uint8_t *secret = fixture->keys[EDGE].secret_key;
	struct keeper_answer answer, expected;
	uint8_t shared[NOISE_DHLEN];

	begin(fixture);
	for (size_t i = 0; i < COUNT(questions); i++) {
		for (int who = 0; who < KEYS; who++) {
			struct keeper_request request = { .question = questions[i],
							  .number = (uint32_t)(i * 100) };

			memcpy(request.public_key, fixture->keys[who].public_key, NOISE_DHLEN);
			memcpy(request.own_key, fixture->keys[EDGE].public_key, NOISE_DHLEN);
			ask(fixture, &request, &answer);
			memset(&expected, 0, sizeof(expected));
			expected.question = request.question;
			expected.number = request.number;
			if (questions[i] == KEEPER_DH) {
				assert_int_equal(noise_dh(shared, secret, request.public_key), 0);
				memcpy(expected.key, shared, sizeof(shared));
			} else if (questions[i] == KEEPER_IS_AUTHORIZED) {
				expected.is_authorized = who == ALICE || who == BOB;
			} else if (questions[i] == KEEPER_LIST) {
				expected.count = 2;
				expected.keys.count = 1;
				memcpy(expected.keys.public_keys[0], fixture->keys[EDGE].public_key,
				       NOISE_DHLEN);
			} else if (questions[i] == KEEPER_OPEN) {
				expected.error = ENOENT;
			} else if (questions[i] == KEEPER_LOGIN) {
				assert_int_equal(expected.has_login, 0);	/* for no relay */
			} else if (who == ALICE || who == BOB) {
				expected.is_authorized = 1;
				strcpy(expected.terms.tenant.name, who == ALICE ? "alice" : "client-1");
			}
			if (questions[i] == KEEPER_AUTHORIZE && expected.is_authorized) {
				memcpy(expected.client.public_key, request.public_key, NOISE_DHLEN);
				strcpy(expected.client.name, who == ALICE ? "alice" : "client-1");
				if (who == ALICE)
					memcpy(expected.client.psk, fixture->psk,
					       sizeof(fixture->psk));
				expected.client.line = (size_t)who + 2;
			}
			if (questions[i] == KEEPER_ADMIT && expected.is_authorized) {
				assert_false(table_has_changed(fixture->list_path, &answer.list));
				expected.list = answer.list;
			}
			assert_memory_equal(&answer, &expected, sizeof(answer));
			assert_false(contains(&answer, sizeof(answer), secret));
		}
	}
	assert_int_equal(end(fixture), 0);
}

/* The point of order 2 and the like: no secret can be had from them, so there is no result. */
static void test_low_order_point(void **state)
{
	struct keeper_fixture *fixture = *state;
	struct keeper_request request = { .question = KEEPER_DH };
	struct keeper_answer answer, nothing = { 0 };

	begin(fixture);
	memcpy(request.own_key, fixture->keys[EDGE].public_key, NOISE_DHLEN);
	for (uint8_t first = 0; first < 2; first++) {
		request.public_key[0] = first;
		ask(fixture, &request, &answer);
		assert_int_not_equal(answer.error, 0);
		assert_memory_equal(answer.key, nothing.key, sizeof(answer.key));
	}
	assert_int_equal(end(fixture), 0);
}

static void ask_dh(struct keeper_fixture *fixture, const struct noise_keypair *own, bool is_known)
{
	struct keeper_request request = { .question = KEEPER_DH };
	struct keeper_answer answer;
	uint8_t shared[NOISE_DHLEN];

	memcpy(request.public_key, fixture->keys[BOB].public_key, NOISE_DHLEN);
	memcpy(request.own_key, own->public_key, NOISE_DHLEN);
	ask(fixture, &request, &answer);
	assert_int_equal(answer.error == 0, is_known);
	noise_dh(shared, own->secret_key, fixture->keys[BOB].public_key);
	if (is_known)
		assert_memory_equal(answer.key, shared, NOISE_DHLEN);
	assert_false(contains(&answer, sizeof(answer), own->secret_key));
}

static struct keeper_keys list_keys(struct keeper_fixture *fixture)
{
	struct keeper_request request = { .question = KEEPER_LIST };
	struct keeper_answer answer;

	ask(fixture, &request, &answer);
	return answer.keys;
}

/* A key that is being replaced and the next one are both answered to, then the next one alone. */
static void test_two_keys(void **state)
{
	struct keeper_fixture *fixture = *state;
	struct keeper_request request = { .question = KEEPER_OPEN };
	struct keeper_answer answer;
	struct noise_keypair next;
	struct keeper_keys keys;
	char path[120], error[300];

	begin(fixture);
	noise_keypair_generate(&next);
	snprintf(path, sizeof(path), "%s.next", fixture->key_path);
	ask_dh(fixture, &next, false);
	/* One that is not sound changes nothing. */
	write_file(path, "no key\n");
	assert_int_equal(list_keys(fixture).count, 1);
	unlink(path);
	assert_int_equal(keyfile_create(path, next.secret_key, error, sizeof(error)), 0);
	keys = list_keys(fixture);
	assert_int_equal(keys.count, 2);
	assert_memory_equal(keys.public_keys[0], fixture->keys[EDGE].public_key, NOISE_DHLEN);
	assert_memory_equal(keys.public_keys[1], next.public_key, NOISE_DHLEN);
	ask_dh(fixture, &next, true);
	ask_dh(fixture, &fixture->keys[EDGE], true);
	/* It is as secret as the other. */
	strcpy(request.path, path);
	ask(fixture, &request, &answer);
	assert_int_equal(answer.error, EACCES);
	assert_int_equal(rename(path, fixture->key_path), 0);
	keys = list_keys(fixture);
	assert_int_equal(keys.count, 1);
	assert_memory_equal(keys.public_keys[0], next.public_key, NOISE_DHLEN);
	ask_dh(fixture, &next, true);
	ask_dh(fixture, &fixture->keys[EDGE], false);
	/* A key file that is gone is no reason to stop. */
	unlink(fixture->key_path);
	assert_int_equal(list_keys(fixture).count, 1);
	ask_dh(fixture, &next, true);
	assert_int_equal(end(fixture), 0);
}

static void admit(struct keeper_fixture *fixture, const char *options, const char *sender,
		  struct keeper_answer *answer)
{
	struct keeper_request request = { .question = KEEPER_ADMIT };
	char text[1000], key[BASE64_KEY_TEXT + 1];

	base64_key_encode(key, fixture->keys[BOB].public_key);
	snprintf(text, sizeof(text), "%s bob psk=%s %s\n", key, fixture->psk_path, options);
	write_file(fixture->list_path, text);
	memcpy(request.public_key, fixture->keys[BOB].public_key, NOISE_DHLEN);
	strcpy(request.sender, sender);
	ask(fixture, &request, answer);
	assert_false(contains(answer, sizeof(*answer), fixture->psk));
}

/* Who decides whose mail a key may send is this process, not the one that talks to the world. */
static void test_terms(void **state)
{
	static const struct {
		const char *options, *sender;
		bool is_foreign;
	} rows[] = {
		{ "", "any.example", false },
		{ "domains=a.example", "a.example", false },
		{ "domains=a.example", "A.Example", false },
		{ "domains=a.example", "x.a.example", true },
		{ "domains=a.example", "aa.example", true },
		{ "domains=a.example", "example", true },
		{ "domains=a.example", "", false },
		{ "domains=a.example,.b.example", "x.b.example", false },
		{ "domains=a.example,.b.example", "y.x.b.example", false },
		{ "domains=a.example,.b.example", "b.example", true },
		{ "domains=a.example,.b.example", "a.example,.b.example", true },
		{ "domains=a.example,.b.example", "xb.example", true },
	};
	struct keeper_fixture *fixture = *state;
	struct keeper_answer answer;

	begin(fixture);
	for (size_t i = 0; i < COUNT(rows); i++) {
		admit(fixture, rows[i].options, rows[i].sender, &answer);
		if (!answer.is_authorized || answer.terms.is_foreign_sender != rows[i].is_foreign)
			fail_msg("%s, %s: %u, %d", rows[i].options, rows[i].sender,
				 answer.is_authorized, answer.terms.is_foreign_sender);
		assert_int_equal(answer.terms.has_domains, rows[i].options[0] != '\0');
	}
	admit(fixture,
	      "rate=10/1m bounces=1/1h concurrency=3 size=4k recipients=5 source4=192.0.2.7 "
	      "source6=2001:db8::7 hello=mail.bob.example",
	      "x.example", &answer);
	assert_string_equal(answer.terms.tenant.name, "bob");
	assert_string_equal(answer.terms.tenant.hello, "mail.bob.example");
	assert_int_equal(ntohl(answer.terms.tenant.source4.s_addr), 0xc0000207);
	assert_int_equal(answer.terms.tenant.source6.s6_addr[15], 7);
	assert_int_equal(answer.terms.limits.rate.tokens, 10);
	assert_int_equal(answer.terms.limits.bounces.duration_ms, 3600000);
	assert_int_equal(answer.terms.limits.concurrency, 3);
	assert_int_equal(answer.terms.limits.size, 4096);
	assert_int_equal(answer.terms.limits.recipients, 5);
	/* Not there, for all that it can be asked for; and a line that is not understood is none. */
	admit(fixture, "disabled", "x.example", &answer);
	assert_int_equal(answer.is_authorized, 0);
	admit(fixture, "rate=10", "x.example", &answer);
	assert_int_equal(answer.is_authorized, 0);
	assert_int_equal(end(fixture), 0);
}

static uint64_t generation(struct keeper_fixture *fixture, uint64_t expected_count)
{
	struct keeper_request request = { .question = KEEPER_LIST };
	struct keeper_answer answer;

	ask(fixture, &request, &answer);
	assert_int_equal(answer.count, expected_count);
	return answer.generation;
}

static void test_list_changes(void **state)
{
	struct keeper_fixture *fixture = *state;
	struct captured_log log;
	uint64_t first;

	captured_log_start(&log);
	begin(fixture);
	first = generation(fixture, 2);
	assert_int_equal(generation(fixture, 2), first);
	authorize(fixture, "1");
	assert_int_equal(generation(fixture, 1), first + 1);
	assert_int_equal(captured_log_count(&log, "was read again: 1 clients"), 1);
	unlink(fixture->list_path);
	assert_int_equal(generation(fixture, 0), first + 2);
	assert_int_equal(end(fixture), 0);
	captured_log_stop(&log);
}

/* ---- files ---- */

/* 0 and what is in the file, or an errno. */
static int open_by_keeper(struct keeper_fixture *fixture, const char *path, char *text, size_t size)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct keeper_request request = { .question = KEEPER_OPEN };
	struct keeper_answer answer;
	struct iovec part = { &answer, sizeof(answer) };
	struct msghdr message = { .msg_iov = &part,
				  .msg_iovlen = 1,
				  .msg_control = control.bytes,
				  .msg_controllen = sizeof(control.bytes) };
	ssize_t got;
	int fd;

	snprintf(request.path, sizeof(request.path), "%s", path);
	assert_int_equal(send(fixture->fd, &request, sizeof(request), 0), sizeof(request));
	assert_int_equal(recvmsg(fixture->fd, &message, MSG_CMSG_CLOEXEC), sizeof(answer));
	if (answer.error != 0) {
		assert_null(CMSG_FIRSTHDR(&message));
		return answer.error;
	}
	assert_non_null(CMSG_FIRSTHDR(&message));
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	got = read(fd, text, size - 1);
	assert_true(got >= 0);
	text[got] = '\0';
	close(fd);
	return 0;
}

static void test_files(void **state)
{
	struct keeper_fixture *fixture = *state;
	char text[100], alias[128], hard[128], next[128], error[512];
	const struct {
		const char *path;
		int error;
	} rows[] = {
		{ fixture->key_path, EACCES },
		{ fixture->list_path, EACCES },
		{ fixture->psk_path, EACCES },
		{ alias, EACCES },
		{ hard, EACCES },
		{ next, EACCES },
		{ fixture->directory, EACCES },
		{ "/dev/zero", EACCES },
		{ "/proc/self/mem", EACCES },
		{ "/proc/self/maps", EACCES },
		{ "/proc/self/fd/0/x", ENOTDIR },
		{ "/nonexistent", ENOENT },
		{ "", ENOENT },
		{ fixture->other_path, 0 },
	};
	struct captured_log log;

	snprintf(alias, sizeof(alias), "%s/alias", fixture->directory);
	snprintf(hard, sizeof(hard), "%s/hard", fixture->directory);
	assert_int_equal(symlink(fixture->key_path, alias), 0);
	assert_int_equal(link(fixture->psk_path, hard), 0);
	/* Nobody has named this one yet. */
	snprintf(next, sizeof(next), "%s/next", fixture->directory);
	assert_int_equal(keyfile_create(next, fixture->keys[BOB].secret_key, error, sizeof(error)),
			 0);
	captured_log_start(&log);
	begin(fixture);
	for (size_t i = 0; i < COUNT(rows); i++) {
		int why = open_by_keeper(fixture, rows[i].path, text, sizeof(text));

		if (why != rows[i].error && !(rows[i].error == ENOTDIR && why == ENOENT))
			fail_msg("%s: %s", rows[i].path, strerror(why));
	}
	assert_string_equal(text, "something else\n");
	assert_int_equal(captured_log_count(&log, "the worker was refused"), 10);
	/* A psk file that a line named once stays guarded, one that a line begins to name is at
	 * once. */
	authorize(fixture, "1");
	assert_int_equal(open_by_keeper(fixture, fixture->psk_path, text, sizeof(text)), EACCES);
	strcpy(fixture->psk_path, fixture->other_path);
	authorize(fixture, "0");
	assert_int_equal(open_by_keeper(fixture, fixture->other_path, text, sizeof(text)), EACCES);
	assert_int_equal(end(fixture), 0);
	captured_log_stop(&log);
	unlink(alias);
	unlink(hard);
	unlink(next);
	snprintf(fixture->psk_path, sizeof(fixture->psk_path), "%s/psk", fixture->directory);
}

/* ---- passwords ---- */

static void check_login(struct keeper_fixture *fixture, const char *next_hop, const char *user,
			const char *password, uint64_t generation)
{
	struct keeper_request request = { .question = KEEPER_LOGIN, .number = 5 };
	struct keeper_answer answer, expected = { .question = KEEPER_LOGIN, .number = 5 };

	strcpy(request.path, next_hop);
	ask(fixture, &request, &answer);
	expected.has_login = user[0] != '\0';
	expected.generation = generation;
	strcpy(expected.login.user, user);
	strcpy(expected.login.password, password);
	assert_memory_equal(&answer, &expected, sizeof(answer));
}

/* The one that was asked for, and no byte of another. */
static void test_logins(void **state)
{
	struct keeper_fixture *fixture = *state;
	struct captured_log log;
	char text[100];

	captured_log_start(&log);
	begin(fixture);
	check_login(fixture, "[relay.example]:587", "user@example.org", "not for the log", 0);
	check_login(fixture, "[relay.example]:25", "", "", 0);
	check_login(fixture, "relay.example", "", "", 0);
	assert_int_equal(open_by_keeper(fixture, fixture->passwords_path, text, sizeof(text)), EACCES);
	write_passwords(fixture, "relay.example any:port\n");
	check_login(fixture, "[relay.example]:25", "any", "port", 1);
	/* A mistake: what was read before stays in force, and the log has no password. */
	write_passwords(fixture, "relay.example not for the log\n");
	check_login(fixture, "[relay.example]:25", "any", "port", 1);
	assert_int_equal(end(fixture), 0);
	assert_int_equal(captured_log_count(&log, "stay in force"), 1);
	assert_int_equal(captured_log_count(&log, "not for the log"), 0);
	captured_log_stop(&log);
}

/* ---- what no worker asks ---- */

static struct keeper_request hostile;

static const struct {
	const char *what;
	uint32_t question;
	size_t size; /* of what is sent; beyond the struct: zeros */
	bool is_path_open;
	const char *logged;
} attacks[] = {
	{ "one byte", KEEPER_DH, 1, false, "sent 1 bytes" },
	{ "a question alone", KEEPER_DH, 4, false, "sent 4 bytes" },
	{ "cut before the path", KEEPER_OPEN, offsetof(struct keeper_request, path), false,
	  "sent 72 bytes" },
	{ "one byte less", KEEPER_LIST, sizeof(hostile) - 1, false, "bytes instead of" },
	{ "one byte more", KEEPER_LIST, sizeof(hostile) + 1, false, "bytes instead of" },
	{ "twice as much", KEEPER_DH, 2 * sizeof(hostile), false, "bytes instead of" },
	{ "question 0", 0, sizeof(hostile), false, "what no worker asks (0)" },
	{ "the greeting", KEEPER_HELLO, sizeof(hostile), false, "what no worker asks (1)" },
	{ "an unknown question", KEEPER_ENROL + 1, sizeof(hostile), false,
	  "what no worker asks (10)" },
	{ "a relay without end", KEEPER_LOGIN, sizeof(hostile), true, "what no worker asks (8)" },
	{ "question 2^32-1", UINT32_MAX, sizeof(hostile), false,
	  "what no worker asks (4294967295)" },
	{ "a path without end", KEEPER_OPEN, sizeof(hostile), true, "what no worker asks (7)" },
	{ "a sender without end", KEEPER_ADMIT, sizeof(hostile), true, "what no worker asks (5)" },
};

static void test_hostile_requests(void **state)
{
	struct keeper_fixture *fixture = *state;
	char bytes[2 * sizeof(hostile)];
	struct keeper_answer answer;

	for (size_t i = 0; i < COUNT(attacks); i++) {
		struct captured_log log;
		unsigned logged;
		ssize_t got;
		int served;

		captured_log_start(&log);
		begin(fixture);
		memset(bytes, 0, sizeof(bytes));
		hostile = (struct keeper_request){ .question = attacks[i].question };
		memset(hostile.path, attacks[i].is_path_open ? 'x' : 0, sizeof(hostile.path));
		memcpy(bytes, &hostile, sizeof(hostile));
		assert_int_equal(send(fixture->fd, bytes, attacks[i].size, 0), attacks[i].size);
		got = recv(fixture->fd, &answer, sizeof(answer), 0);
		served = end(fixture);
		logged = captured_log_count(&log, attacks[i].logged);
		captured_log_stop(&log);
		if (got != 0 || served != -1 || logged != 1)
			fail_msg("%s: %zd bytes, served %d, logged %u", attacks[i].what, got,
				 served, logged);
	}
}

static int count_descriptors(void)
{
	int count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

/* Descriptors that come with a question are not taken. */
static void test_descriptors_are_dropped(void **state)
{
	struct keeper_fixture *fixture = *state;
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(10 * sizeof(int))];
	} control = { .bytes = { 0 } };
	struct keeper_request request = { .question = KEEPER_LIST };
	struct iovec part = { &request, sizeof(request) };
	struct msghdr message = { .msg_iov = &part,
				  .msg_iovlen = 1,
				  .msg_control = control.bytes,
				  .msg_controllen = sizeof(control.bytes) };
	struct keeper_answer answer;
	int before, fds[10];

	begin(fixture);
	control.header = (struct cmsghdr){ CMSG_LEN(sizeof(fds)), SOL_SOCKET, SCM_RIGHTS };
	memset(fds, 0, sizeof(fds));
	memcpy(CMSG_DATA(&control.header), fds, sizeof(fds));
	before = count_descriptors();
	assert_int_equal(sendmsg(fixture->fd, &message, 0), sizeof(request));
	hear(fixture, &answer);
	assert_int_equal(answer.count, 2);
	assert_int_equal(count_descriptors(), before);
	assert_int_equal(end(fixture), 0);
}

/* ---- starting ---- */

static void test_start(void **state)
{
	struct keeper_fixture *fixture = *state;
	struct sandbox_grants grants = { .count = 0 };
	char error[KEEPER_ERROR_MAX] = "", expected[300];
	struct keeper keeper;

	fixture->settings.worker = &grants;
	assert_int_equal(keeper_open(&keeper, &fixture->settings, error, sizeof(error)), 0);
	keeper_close(&keeper);
	grants.items[0] = (struct sandbox_grant){ "/usr", LANDLOCK_READ };
	grants.items[1] = (struct sandbox_grant){ fixture->psk_path, LANDLOCK_READ };
	grants.count = 2;
	assert_int_equal(keeper_open(&keeper, &fixture->settings, error, sizeof(error)), -1);
	snprintf(expected, sizeof(expected), "%s lies below %s, which the process",
		 fixture->psk_path, fixture->psk_path);
	assert_memory_equal(error, expected, strlen(expected));
	keeper_close(&keeper);
	fixture->settings.key_file = "/nonexistent/key";
	assert_int_equal(keeper_open(&keeper, &fixture->settings, error, sizeof(error)), -1);
	assert_string_equal(error, "/nonexistent/key: No such file or directory; postern keygen makes a key, genpsk a preshared one");
	keeper_close(&keeper);
	fixture->settings.key_file = fixture->key_path;
	fixture->settings.authorized_clients = "/nonexistent/list";
	assert_int_equal(keeper_open(&keeper, &fixture->settings, error, sizeof(error)), -1);
	assert_string_equal(error, "/nonexistent/list: No such file or directory");
	keeper_close(&keeper);
}

static uint32_t about(struct keeper_fixture *fixture, enum keeper_question question, int who,
		      struct keeper_answer *answer)
{
	struct keeper_request request = { .question = question };

	memcpy(request.public_key, fixture->keys[who].public_key, NOISE_DHLEN);
	if (question == KEEPER_ADMIT)
		strcpy(request.sender, "b.example");
	ask(fixture, &request, answer);
	return answer->is_authorized | answer->is_unknown << 1;
}

/* The list is in a socketmap: its words, the psk that it names, and what nobody knows. */
static void test_socketmap(void **state)
{
	struct keeper_fixture *fixture = *state;
	struct keeper_request request = { .question = KEEPER_OPEN };
	char setting[200], value[200], yes[220];
	struct socketmap_server server;
	struct keeper_answer answer;

	assert_int_equal(socketmap_server_start(&server), 0);
	snprintf(setting, sizeof(setting), "socketmap:unix:%s:clients", server.path);
	snprintf(value, sizeof(value), "OK alice psk=%s domains=a.example", fixture->psk_path);
	snprintf(yes, sizeof(yes), "%zu:%s,", strlen(value), value);
	fixture->settings.authorized_clients = setting;
	begin(fixture);
	socketmap_server_say(&server, yes, strlen(yes), SERVER_STAYS);
	assert_int_equal(about(fixture, KEEPER_IS_AUTHORIZED, ALICE, &answer), 2);
	assert_int_equal(socketmap_server_questions(&server), 0);
	assert_int_equal(about(fixture, KEEPER_AUTHORIZE, ALICE, &answer), 1);
	assert_string_equal(answer.client.name, "alice");
	assert_memory_equal(answer.client.psk, fixture->psk, sizeof(fixture->psk));
	assert_int_equal(about(fixture, KEEPER_ADMIT, ALICE, &answer), 1);
	assert_true(answer.terms.is_foreign_sender);
	assert_int_equal(about(fixture, KEEPER_IS_AUTHORIZED, ALICE, &answer), 1);
	assert_int_equal(about(fixture, KEEPER_AUTHORIZE, EDGE, &answer), 0);
	socketmap_server_say(&server, "9:NOTFOUND ,", 12, SERVER_STAYS);
	assert_int_equal(about(fixture, KEEPER_AUTHORIZE, BOB, &answer), 0);
	socketmap_server_say(&server, "9:TEMP down,", 12, SERVER_STAYS);
	assert_int_equal(about(fixture, KEEPER_AUTHORIZE, MALLORY, &answer), 2);
	assert_false(contains(&answer, sizeof(answer), fixture->psk));
	assert_int_equal(about(fixture, KEEPER_ADMIT, MALLORY, &answer), 2);
	assert_int_equal(about(fixture, KEEPER_LIST, ALICE, &answer), 0);
	assert_int_equal(answer.count, 0);
	/* What the map named as a psk is not the worker's to read, whatever it holds by then. */
	write_file(fixture->psk_path, "no key any more\n");
	strcpy(request.path, fixture->psk_path);
	ask(fixture, &request, &answer);
	assert_int_equal(answer.error, EACCES);
	assert_int_equal(end(fixture), 0);
	socketmap_server_stop(&server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_answers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_two_keys, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_terms, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_low_order_point, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_list_changes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_files, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_logins, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_hostile_requests, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_descriptors_are_dropped, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_socketmap, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_start, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
