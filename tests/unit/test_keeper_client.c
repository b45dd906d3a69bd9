/*
 * The worker's side: right answers, a keeper that dies, hangs or talks nonsense at each point, and
 * the real process.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "captured_log.h"
#include "edge/keeper_client.h"
#include "edge/keeper_process.h"
#include "eventually.h"
#include "keeper_fixture.h"
#include "lib/deadline.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- a kernel that is short of memory ---- */

static _Atomic int refusals, refusal_error, sent;

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	if (refusals > 0) {
		refusals--;
		errno = refusal_error;
		return -1;
	}
	sent++;
	return syscall(SYS_sendmsg, fd, message, flags);
}

static struct keeper_client *attach(int fd, pid_t pid, const char *list_path)
{
	char error[KEEPER_ERROR_MAX] = "";
	struct keeper_client *client = keeper_client_create(fd, pid, list_path, error, sizeof(error));

	if (client == NULL)
		fail_msg("%s", error);
	return client;
}

static struct keeper_client_key own_key(struct keeper_client *client)
{
	struct keeper_client_key key = { .client = client };

	memcpy(key.public_key, keeper_client_keys(client).public_keys[0], sizeof(key.public_key));
	return key;
}

/* ---- right answers ---- */

static void check_right(struct keeper_fixture *fixture, struct keeper_client *client)
{
	struct keeper_client_key own = own_key(client);
	struct noise_static_key key = keeper_client_static_key(&own);
	uint8_t shared[NOISE_DHLEN], expected[NOISE_DHLEN], low_order[NOISE_DHLEN] = { 1 };
	struct authorized_client found;
	struct tenant_terms terms;
	struct keeper_keys keys;
	uint64_t generation;
	size_t count;

	assert_memory_equal(key.public_key, fixture->keys[EDGE].public_key, NOISE_DHLEN);
	assert_int_equal(key.dh(key.context, shared, fixture->keys[BOB].public_key), 0);
	assert_int_equal(noise_dh(expected, fixture->keys[EDGE].secret_key,
				  fixture->keys[BOB].public_key),
			 0);
	assert_memory_equal(shared, expected, sizeof(shared));
	assert_int_equal(key.dh(key.context, shared, low_order), -1);
	assert_int_equal(keeper_client_authorize(client, fixture->keys[ALICE].public_key, &found, &terms),
			 KEEPER_YES);
	assert_string_equal(found.name, "alice");
	assert_int_equal(found.line, 2);
	assert_memory_equal(found.psk, fixture->psk, sizeof(found.psk));
	assert_memory_equal(found.public_key, fixture->keys[ALICE].public_key, NOISE_DHLEN);
	assert_int_equal(keeper_client_authorize(client, fixture->keys[MALLORY].public_key, &found, &terms),
			 KEEPER_NO);
	assert_int_equal(keeper_client_is_authorized(client, fixture->keys[BOB].public_key),
			 KEEPER_YES);
	assert_int_equal(keeper_client_is_authorized(client, fixture->keys[MALLORY].public_key),
			 KEEPER_NO);
	assert_int_equal(keeper_client_list(client, &count, &generation, &keys), 0);
	assert_int_equal(count, 2);
}

static void check_logins(struct keeper_client *client)
{
	struct sasl_login login;
	uint64_t generation = 99;

	assert_int_equal(keeper_client_login(client, "[relay.example]:587", &login, &generation), KEEPER_YES);
	assert_int_equal(generation, 0);
	assert_string_equal(login.user, "user@example.org");
	assert_string_equal(login.password, "not for the log");
	assert_int_equal(keeper_client_login(client, "[relay.example]:465", &login, &generation), KEEPER_NO);
}

static void check_files(struct keeper_fixture *fixture, struct keeper_client *client)
{
	char text[40] = "", *endless = malloc(PATH_MAX + 1);
	int fd = keeper_client_open(client, fixture->other_path);

	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(read(fd, text, sizeof(text) - 1), strlen("something else\n"));
	assert_string_equal(text, "something else\n");
	close(fd);
	assert_int_equal(keeper_client_open(client, fixture->psk_path), -1);
	assert_int_equal(errno, EACCES);
	assert_int_equal(keeper_client_open(client, "/nonexistent"), -1);
	assert_int_equal(errno, ENOENT);
	memset(endless, 'x', PATH_MAX);
	endless[PATH_MAX] = '\0';
	assert_int_equal(keeper_client_open(client, endless), -1);
	assert_int_equal(errno, ENAMETOOLONG);
	free(endless);
}

static void test_right_answers(void **state)
{
	struct keeper_fixture *fixture = *state;
	struct captured_log log;
	struct keeper_client *client;

	captured_log_start(&log);
	start_serving(fixture);
	client = attach(fixture->fd, 0, fixture->list_path);
	check_right(fixture, client);
	check_files(fixture, client);
	check_logins(client);
	keeper_client_destroy(client);
	assert_int_equal(join_keeper(fixture), 0);
	captured_log_stop(&log);
}

/* ---- a yes that is kept ---- */

/* Was the keeper asked? Its answer is sent, too. */
static bool is_asked(struct keeper_client *client, const struct noise_keypair *key, const char *sender,
		     struct keeper_admission *admission, enum keeper_word expected)
{
	struct tenant_terms terms = { 0 };
	int before = sent;

	assert_int_equal(keeper_client_admit(client, key->public_key, sender, admission, &terms), expected);
	if (expected == KEEPER_YES)
		assert_string_equal(terms.tenant.name, "client-1");
	return sent != before;
}

static void test_kept_admission(void **state)
{
	struct keeper_fixture *fixture = *state;
	const struct noise_keypair *bob = &fixture->keys[BOB];
	struct keeper_admission admission = { 0 };
	struct captured_log log;
	struct keeper_client *client;

	captured_log_start(&log);
	start_serving(fixture);
	client = attach(fixture->fd, 0, fixture->list_path);
	assert_true(is_asked(client, bob, "a.example", &admission, KEEPER_YES));
	assert_false(is_asked(client, bob, "a.example", &admission, KEEPER_YES));
	assert_true(is_asked(client, bob, "b.example", &admission, KEEPER_YES));
	assert_true(is_asked(client, bob, "", &admission, KEEPER_YES));
	assert_false(is_asked(client, bob, "", &admission, KEEPER_YES));
	/* another list with the same client; what is none, in place of which the old one counts; one without it */
	authorize(fixture, "1");
	assert_true(is_asked(client, bob, "", &admission, KEEPER_YES));
	assert_false(is_asked(client, bob, "", &admission, KEEPER_YES));
	assert_int_equal(unlink(fixture->list_path), 0);
	assert_int_equal(mkdir(fixture->list_path, 0755), 0);
	assert_true(is_asked(client, bob, "", &admission, KEEPER_YES));
	assert_true(is_asked(client, bob, "", &admission, KEEPER_YES));
	assert_int_equal(rmdir(fixture->list_path), 0);
	authorize(fixture, "0");
	usleep(1100000);	/* a file that was refused is looked at again after a second */
	assert_true(is_asked(client, bob, "", &admission, KEEPER_NO));
	assert_true(is_asked(client, bob, "", &admission, KEEPER_NO));
	authorize(fixture, "1");
	assert_true(is_asked(client, bob, "", &admission, KEEPER_YES));
	assert_int_equal(unlink(fixture->list_path), 0);
	assert_true(is_asked(client, bob, "", &admission, KEEPER_NO));
	keeper_client_destroy(client);
	assert_int_equal(join_keeper(fixture), 0);
	captured_log_stop(&log);
}

/* Neither side takes the other for gone because of it. */
static void test_short_of_memory(void **state)
{
	static const int errors[] = { ENOBUFS, ENOMEM, EINTR };
	struct keeper_fixture *fixture = *state;
	struct captured_log log;
	struct keeper_client *client;

	captured_log_start(&log);
	start_serving(fixture);
	client = attach(fixture->fd, 0, fixture->list_path);
	for (size_t i = 0; i < COUNT(errors); i++) {
		refusal_error = errors[i];
		refusals = 5;
		check_right(fixture, client);
		assert_int_equal(refusals, 0);
	}
	keeper_client_destroy(client);
	assert_int_equal(join_keeper(fixture), 0);
	captured_log_stop(&log);
}

#define ASKERS 8
#define QUESTIONS 200

struct asker {
	struct keeper_fixture *fixture;
	struct keeper_client *client;
	int who;
	unsigned wrong;
};

/* Each thread asks of another key, so that a mixed-up answer is seen. */
static void *ask_often(void *argument)
{
	struct asker *asker = argument;
	const struct noise_keypair *theirs = &asker->fixture->keys[asker->who];
	struct keeper_client_key own = own_key(asker->client);
	struct noise_static_key key = keeper_client_static_key(&own);
	uint8_t expected[NOISE_DHLEN], shared[NOISE_DHLEN];

	if (noise_dh(expected, theirs->secret_key, key.public_key) != 0)
		asker->wrong++;
	for (int i = 0; i < QUESTIONS; i++) {
		enum keeper_word word =
			keeper_client_is_authorized(asker->client, theirs->public_key);

		asker->wrong +=
			word != (asker->who == ALICE || asker->who == BOB ? KEEPER_YES : KEEPER_NO);
		asker->wrong += key.dh(key.context, shared, theirs->public_key) != 0 ||
				memcmp(shared, expected, sizeof(shared)) != 0;
	}
	return NULL;
}

static void test_many_threads(void **state)
{
	struct keeper_fixture *fixture = *state;
	struct asker askers[ASKERS];
	pthread_t threads[ASKERS];
	struct keeper_client *client;

	start_serving(fixture);
	client = attach(fixture->fd, 0, fixture->list_path);
	for (int i = 0; i < ASKERS; i++) {
		askers[i] = (struct asker){ fixture, client, i % KEYS, 0 };
		assert_int_equal(pthread_create(&threads[i], NULL, ask_often, &askers[i]), 0);
	}
	for (int i = 0; i < ASKERS; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(askers[i].wrong, 0);
	}
	keeper_client_destroy(client);
	assert_int_equal(join_keeper(fixture), 0);
}

/* ---- a keeper that is none ---- */

struct bad_keeper {
	int fd;
	size_t size; /* of its answer; 0: it closes, -1: it says nothing */
	uint32_t wrong_question, wrong_number;
	int file; /* sent along, or -1 */
};

static void say(int fd, const struct keeper_answer *answer, size_t size, int file)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .bytes = { 0 } };
	struct iovec part = { (void *)(uintptr_t)answer, size };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

	if (file >= 0) {
		message.msg_control = control.bytes;
		message.msg_controllen = sizeof(control.bytes);
		control.header = (struct cmsghdr){ CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
		memcpy(CMSG_DATA(&control.header), &file, sizeof(file));
	}
	sendmsg(fd, &message, MSG_NOSIGNAL);
}

static void *answer_badly(void *argument)
{
	struct bad_keeper *bad = argument;
	struct {
		struct keeper_answer answer;
		char more[100];
	} out = { .answer = { .question = 0 } };
	struct keeper_request request;
	char byte;

	while (recv(bad->fd, &request, sizeof(request), 0) == (ssize_t)sizeof(request)) {
		memset(&out, 0, sizeof(out));
		out.answer.question = request.question + bad->wrong_question;
		out.answer.number = request.number + bad->wrong_number;
		if (bad->size == 0)
			break;
		if (bad->size != (size_t)-1)
			say(bad->fd, &out.answer, bad->size, bad->file);
	}
	while (recv(bad->fd, &byte, 1, 0) > 0)
		;
	close(bad->fd);
	return NULL;
}

static const struct {
	const char *what;
	struct bad_keeper keeper;
} bad_keepers[] = {
	{ "closes", { .size = 0, .file = -1 } },
	{ "says nothing", { .size = (size_t)-1, .file = -1 } },
	{ "one byte", { .size = 1, .file = -1 } },
	{ "too short", { .size = sizeof(struct keeper_answer) - 1, .file = -1 } },
	{ "too long", { .size = sizeof(struct keeper_answer) + 1, .file = -1 } },
	{ "too short, with a file", { .size = 8, .file = STDERR_FILENO } },
	{ "to another question",
	  { .size = sizeof(struct keeper_answer), .wrong_question = 1, .file = STDERR_FILENO } },
	{ "with another number",
	  { .size = sizeof(struct keeper_answer), .wrong_number = 1, .file = -1 } },
};

static int count_descriptors(void)
{
	int count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

/* One question fails, then all do, nothing is left open, and whoever watches the socket hears of
 * it. */
static void check_bad(const char *what, struct bad_keeper bad)
{
	const struct timeval patience = { 0, 200000 };
	struct keeper_answer greeting = { .question = KEEPER_HELLO };
	uint8_t key[NOISE_DHLEN] = { 9 }, shared[NOISE_DHLEN];
	struct keeper_client *client;
	struct authorized_client found;
	struct tenant_terms terms;
	struct keeper_client_key named;
	struct noise_static_key own;
	struct sasl_login login;
	struct pollfd pollfd;
	int ends[2], before = count_descriptors();
	pthread_t thread;
	struct keeper_keys keys;
	uint64_t generation;
	size_t count;
	char text[100];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	say(ends[1], &greeting, sizeof(greeting), -1);
	client = attach(ends[0], 0, "/nonexistent");
	bad.fd = ends[1];
	assert_int_equal(setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)),
			 0);
	assert_int_equal(pthread_create(&thread, NULL, answer_badly, &bad), 0);
	if (keeper_client_is_authorized(client, key) != KEEPER_GONE)
		fail_msg("%s: was believed", what);
	pollfd = (struct pollfd){ .fd = keeper_client_fd(client) };
	if (poll(&pollfd, 1, PATIENCE_MS) != 1 || (pollfd.revents & POLLHUP) == 0)
		fail_msg("%s: nobody hears of it", what);
	named = own_key(client);
	own = keeper_client_static_key(&named);
	assert_int_equal(own.dh(own.context, shared, key), -1);
	assert_int_equal(keeper_client_authorize(client, key, &found, &terms), KEEPER_GONE);
	assert_int_equal(keeper_client_list(client, &count, &generation, &keys), -1);
	assert_int_equal(keeper_client_open(client, "/dev/null"), -1);
	assert_int_equal(keeper_client_login(client, "[relay.example]:587", &login, &generation), KEEPER_GONE);
	keeper_client_bury(client, text, sizeof(text));
	assert_string_equal(text, "is gone");
	keeper_client_destroy(client);
	pthread_join(thread, NULL);
	assert_int_equal(count_descriptors(), before);
}

static void test_bad_keepers(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bad_keepers); i++)
		check_bad(bad_keepers[i].what, bad_keepers[i].keeper);
}

/* A file that comes with an answer that has none is closed, and the answer stands. */
static void test_file_unasked(void **state)
{
	struct bad_keeper generous = { .size = sizeof(struct keeper_answer),
				       .file = STDERR_FILENO };
	struct keeper_answer greeting = { .question = KEEPER_HELLO };
	struct keeper_client *client;
	int ends[2], before = count_descriptors();
	pthread_t thread;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	say(ends[1], &greeting, sizeof(greeting), STDERR_FILENO);
	client = attach(ends[0], 0, "/nonexistent");
	generous.fd = ends[1];
	assert_int_equal(pthread_create(&thread, NULL, answer_badly, &generous), 0);
	assert_int_equal(keeper_client_is_authorized(client, greeting.key), KEEPER_NO);
	assert_int_equal(count_descriptors(), before + 2);
	keeper_client_destroy(client);
	pthread_join(thread, NULL);
}

/* EINVAL: the keeper's own sentence, which starting again would not mend. */
static void check_greeting(const struct keeper_answer *answer, size_t size, const char *expected, int expected_errno)
{
	char error[KEEPER_ERROR_MAX] = "";
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	if (size > 0)
		say(ends[1], answer, size, -1);
	close(ends[1]);
	assert_null(keeper_client_create(ends[0], 0, "/nonexistent", error, sizeof(error)));
	assert_int_equal(errno, expected_errno);
	assert_string_equal(error, expected);
}

static void test_greetings(void **state)
{
	struct keeper_answer answer = { .question = KEEPER_HELLO, .error = EINVAL };

	(void)state;
	check_greeting(&answer, 0, "the process that keeps the key is gone", ECHILD);
	check_greeting(&answer, 3, "the process that keeps the key is gone", ECHILD);
	strcpy(answer.reason, "/the/key: mode 0644 lets others read this key");
	check_greeting(&answer, sizeof(answer), answer.reason, EINVAL);
	answer = (struct keeper_answer){ .question = KEEPER_DH, .reason = "" };
	check_greeting(&answer, sizeof(answer), "", EINVAL);
}

/* ---- the process ---- */

static pid_t start_process(struct keeper_fixture *fixture, int *fd)
{
	pid_t pid;

	assert_int_equal(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	pid = keeper_process_start(&fixture->settings, fd);
	assert_true(pid > 0);
	return pid;
}

/* With the real confinement: the line is written, and nothing but what is asked for. */
static void check_enrolment(struct keeper_fixture *fixture, struct keeper_client *client)
{
	char text[300], key[BASE64_KEY_TEXT + 1], reason[KEEPER_ERROR_MAX];
	struct noise_keypair invite, stranger;
	struct authorized_client found = { .line = 99 };
	struct tenant_terms terms;

	noise_keypair_generate(&invite);
	noise_keypair_generate(&stranger);
	base64_key_encode(key, invite.public_key);
	snprintf(text, sizeof(text), "%s guest invite=2999-01-01T00:00:00Z\n", key);
	write_file(fixture->list_path, text);
	assert_int_equal(keeper_client_authorize(client, invite.public_key, &found, &terms), KEEPER_INVITED);
	assert_string_equal(found.name, "guest");
	assert_memory_equal(found.public_key, invite.public_key, NOISE_DHLEN);
	assert_int_equal(keeper_client_is_authorized(client, invite.public_key), KEEPER_INVITED);
	assert_int_equal(keeper_client_is_authorized(client, stranger.public_key), KEEPER_NO);
	assert_int_equal(keeper_client_enrol(client, stranger.public_key, fixture->keys[BOB].public_key, reason, sizeof(reason)),
			 ENROLMENT_REFUSED);
	assert_int_equal(keeper_client_enrol(client, invite.public_key, fixture->keys[EDGE].public_key, reason, sizeof(reason)),
			 ENROLMENT_REFUSED);
	assert_int_equal(keeper_client_enrol(client, invite.public_key, (const uint8_t[NOISE_DHLEN]){ 1 }, reason, sizeof(reason)),
			 ENROLMENT_REFUSED);
	assert_int_equal(keeper_client_enrol(client, invite.public_key, fixture->keys[BOB].public_key, reason, sizeof(reason)),
			 ENROLMENT_DONE);
	assert_string_equal(reason, "the key was enrolled");
	assert_int_equal(keeper_client_is_authorized(client, fixture->keys[BOB].public_key), KEEPER_YES);
	assert_int_equal(keeper_client_is_authorized(client, invite.public_key), KEEPER_INVITED);
	assert_int_equal(keeper_client_enrol(client, invite.public_key, stranger.public_key, reason, sizeof(reason)),
			 ENROLMENT_USED);
	assert_non_null(strstr(reason, "this invite was used at 2"));
}

static void test_process(void **state)
{
	struct keeper_fixture *fixture = *state;
	struct captured_log log;
	struct keeper_client *client;
	int fd;
	pid_t pid;

	captured_log_start(&log);
	pid = start_process(fixture, &fd);
	client = attach(fd, pid, fixture->list_path);
	check_right(fixture, client);
	check_files(fixture, client);
	authorize(fixture, "1");
	assert_int_equal(keeper_client_is_authorized(client, fixture->keys[ALICE].public_key),
			 KEEPER_NO);
	check_enrolment(fixture, client);
	/* The worker decides when it ends. */
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(kill(pid, SIGINT), 0);
	assert_int_equal(kill(pid, SIGHUP), 0);
	check_files(fixture, client);
	keeper_client_destroy(client);
	assert_int_equal(waitpid(pid, NULL, 0), -1);
	captured_log_stop(&log);
}

static void test_process_killed(void **state)
{
	struct keeper_fixture *fixture = *state;
	struct keeper_client *client;
	char text[100];
	int fd;
	pid_t pid = start_process(fixture, &fd);

	client = attach(fd, pid, fixture->list_path);
	assert_int_equal(kill(pid, SIGKILL), 0);
	while (keeper_client_is_authorized(client, fixture->keys[BOB].public_key) != KEEPER_GONE)
		;
	keeper_client_bury(client, text, sizeof(text));
	assert_string_equal(text, "was killed by signal 9");
	keeper_client_destroy(client);
}

/* What is wrong with its files the administrator hears in the same words as ever. */
static void test_process_fails(void **state)
{
	struct keeper_fixture *fixture = *state;
	char error[KEEPER_ERROR_MAX], expected[200];
	int fd;
	pid_t pid;

	assert_int_equal(unlink(fixture->key_path), 0);
	pid = start_process(fixture, &fd);
	assert_null(keeper_client_create(fd, pid, fixture->list_path, error, sizeof(error)));
	snprintf(expected, sizeof(expected), "%s: No such file or directory; postern keygen makes a key, genpsk a preshared one", fixture->key_path);
	assert_string_equal(error, expected);
	assert_int_equal(waitpid(pid, NULL, 0), -1);
}

/* Also as a zombie: its new parent may be one that never looks. */
static bool is_dead(pid_t pid)
{
	char path[64], letter = 'Z';
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "r");
	if (file == NULL)
		return true;
	if (fscanf(file, "%*d %*s %c", &letter) != 1)
		letter = 'Z';
	fclose(file);
	return letter == 'Z' || letter == 'X';
}

/* A worker that is killed takes the keeper along, even one that hangs. */
static void test_process_outlives_nobody(void **state)
{
	struct keeper_fixture *fixture = *state;
	struct deadline deadline = deadline_in_ms(PATIENCE_MS);
	int report[2], fd, status;
	pid_t worker, keeper;
	bool has_gone;

	assert_int_equal(pipe(report), 0);
	worker = fork();
	if (worker == 0) {
		struct keeper_answer greeting;

		keeper = keeper_process_start(&fixture->settings, &fd);
		if (recv(fd, &greeting, sizeof(greeting), 0) != (ssize_t)sizeof(greeting) ||
		    kill(keeper, SIGSTOP) != 0)
			_exit(1);
		_exit(write(report[1], &keeper, sizeof(keeper)) == (ssize_t)sizeof(keeper) ? 0 : 1);
	}
	assert_int_equal(waitpid(worker, &status, 0), worker);
	assert_int_equal(status, 0);
	assert_int_equal(read(report[0], &keeper, sizeof(keeper)), sizeof(keeper));
	while (!is_dead(keeper) && !deadline_has_passed(deadline))
		usleep(10000);
	has_gone = is_dead(keeper);
	if (!has_gone)
		kill(keeper, SIGKILL);
	assert_true(has_gone);
	close(report[0]);
	close(report[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_process, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_process_killed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_process_fails, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_process_outlives_nobody, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_right_answers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_kept_admission, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_short_of_memory, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_many_threads, set_up, tear_down),
		cmocka_unit_test(test_bad_keepers),
		cmocka_unit_test(test_file_unasked),
		cmocka_unit_test(test_greetings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
