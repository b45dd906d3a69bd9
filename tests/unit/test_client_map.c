/* The allow-list in a socketmap, against a server that answers well, badly, late and not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sodium.h>

#include "captured_log.h"
#include "edge/client_map.h"
#include "edge/question_pace.h"
#include "lib/deadline.h"
#include "socketmap_server.h"
#include "tunnel/base64_key.h"
#include "tunnel/keyfile.h"

struct fixture {
	struct socketmap_server server;
	struct client_map *map;
	uint8_t own_key[32];
	char setting[200], psk_path[128], noted[128];
	uint8_t psk[32];
};

static int note_psk_file(void *context, const char *path)
{
	struct fixture *fixture = context;

	snprintf(fixture->noted, sizeof(fixture->noted), "%s", path);
	return 0;
}

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	char error[512];

	if (fixture == NULL || sodium_init() < 0 || socketmap_server_start(&fixture->server) != 0)
		return -1;
	snprintf(fixture->setting, sizeof(fixture->setting), "socketmap:unix:%s:clients", fixture->server.path);
	snprintf(fixture->psk_path, sizeof(fixture->psk_path), "%s/psk", fixture->server.directory);
	randombytes_buf(fixture->psk, sizeof(fixture->psk));
	randombytes_buf(fixture->own_key, sizeof(fixture->own_key));
	if (keyfile_create(fixture->psk_path, fixture->psk, error, sizeof(error)) != 0)
		return -1;
	fixture->map = client_map_create(fixture->setting, fixture->own_key, note_psk_file, fixture, error,
					 sizeof(error));
	*state = fixture;
	return fixture->map != NULL ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	client_map_destroy(fixture->map);
	unlink(fixture->psk_path);
	socketmap_server_stop(&fixture->server);
	free(fixture);
	return 0;
}

/* `answer` must live on. */
static void say(struct fixture *fixture, const char *answer)
{
	socketmap_server_say(&fixture->server, answer, strlen(answer), SERVER_STAYS);
}

static enum client_word find(struct fixture *fixture, const uint8_t key[32], struct authorized_client *client)
{
	struct authorized_client ignored;

	return client_map_find(fixture->map, key, client != NULL ? client : &ignored);
}

static void test_setting(void **state)
{
	static const struct {
		const char *setting, *error; /* NULL: it is good */
	} rows[] = {
		{ "socketmap:unix:/run/clients:postern", NULL },
		{ "socketmap:inet:127.0.0.1:8888:postern", NULL },
		{ "socketmap:inet:192.0.2.1:8888:postern", NULL },
		{ "socketmap:inet:[::1]:8888:postern", NULL },
		{ "socketmap:inet:localhost:8888:postern", "\"localhost\" is no IP address" },
		{ "socketmap:inet:db.example:8888:postern", "\"db.example\" is no IP address" },
		{ "socketmap:inet:127.0.0.1:postern", "127.0.0.1" },
		{ "socketmap:unix:/run/clients", "write socketmap:unix:/path:name" },
		{ "socketmap:", "write socketmap:unix:/path:name" },
		{ "socketmap:/run/clients:x", "write socketmap:unix:/path:name" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char error[512] = "";
		int result = client_map_check(rows[i].setting, error, sizeof(error));

		if ((result == 0) != (rows[i].error == NULL) ||
		    (rows[i].error != NULL && strstr(error, rows[i].error) == NULL))
			fail_msg("%s: %d \"%s\"", rows[i].setting, result, error);
	}
}

static void test_answers(void **state)
{
	static const struct {
		const char *answer, *log; /* a netstring, or "" and the server closes; what the log says */
		enum client_word word;
	} rows[] = {
		{ "8:OK alice,", NULL, CLIENT_AUTHORIZED },
		{ "19:OK alice rate=10/1s,", NULL, CLIENT_AUTHORIZED },
		{ "17:OK alice disabled,", NULL, CLIENT_NOT_AUTHORIZED },
		{ "9:NOTFOUND ,", NULL, CLIENT_NOT_AUTHORIZED },
		{ "3:OK ,", "a name must follow the key", CLIENT_NOT_AUTHORIZED },
		{ "5:OK   ,", "a name must follow the key", CLIENT_NOT_AUTHORIZED },
		{ "9:OK al/ice,", "a name is made of", CLIENT_NOT_AUTHORIZED },
		{ "16:OK alice speed=3,", "unknown option", CLIENT_NOT_AUTHORIZED },
		{ "9:OK alice\",", "a quote without its end", CLIENT_NOT_AUTHORIZED },
		{ "16:OK alice psk=psk,", "absolute path", CLIENT_NOT_AUTHORIZED },
		{ "25:OK alice psk=/nonexistent,", "/nonexistent", CLIENT_NOT_AUTHORIZED },
		{ "9:TEMP down,", "TEMP down", CLIENT_UNKNOWN },
		{ "12:TIMEOUT slow,", "TIMEOUT slow", CLIENT_UNKNOWN },
		{ "8:PERM bad,", "PERM bad", CLIENT_UNKNOWN },
		{ "12:OK alice\nbob,", "line break", CLIENT_UNKNOWN },
		{ "8:OK alice;", "no netstring", CLIENT_UNKNOWN },
		{ "hello", "no netstring", CLIENT_UNKNOWN },
		{ "999999999:OK alice,", "too long", CLIENT_UNKNOWN },
		{ "5:WHAT?,", "none of socketmap_table(5)", CLIENT_UNKNOWN },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fixture *own;
		uint8_t key[32];
		struct captured_log log;
		enum client_word word;
		unsigned said, warnings;

		assert_int_equal(setup((void **)&own), 0);
		randombytes_buf(key, sizeof(key));
		say(own, rows[i].answer);
		captured_log_start(&log);
		word = find(own, key, NULL);
		said = rows[i].log != NULL ? captured_log_count(&log, rows[i].log) : 0;
		warnings = captured_log_count(&log, "warning: ");
		captured_log_stop(&log);
		if (word != rows[i].word || said != warnings || warnings != (rows[i].log != NULL))
			fail_msg("%s: %d, %u warnings, %u as expected", rows[i].answer, word, warnings, said);
		assert_int_equal(teardown((void **)&own), 0);
	}
}

/* The question is the key; the answer is the rest of a line. */
static void test_line(void **state)
{
	struct fixture *fixture = *state;
	char key_text[BASE64_KEY_TEXT + 1], answer[400], value[300], expected[100];
	struct authorized_client client;
	uint8_t key[32];

	randombytes_buf(key, sizeof(key));
	base64_key_encode(key_text, key);
	snprintf(value, sizeof(value), "OK alice psk=%s domains=a.example recipients=7", fixture->psk_path);
	snprintf(answer, sizeof(answer), "%zu:%s,", strlen(value), value);
	say(fixture, answer);
	assert_int_equal(find(fixture, key, &client), CLIENT_AUTHORIZED);
	snprintf(expected, sizeof(expected), "52:clients %s,", key_text);
	assert_string_equal(fixture->server.question, expected);
	assert_string_equal(client.name, "alice");
	assert_memory_equal(client.public_key, key, sizeof(key));
	assert_memory_equal(client.psk, fixture->psk, sizeof(client.psk));
	assert_int_equal(client.options.recipients, 7);
	assert_true(client_options_allow_sender(&client.options, "a.example"));
	assert_false(client_options_allow_sender(&client.options, "b.example"));
	assert_string_equal(fixture->noted, fixture->psk_path);
	/* From the cache, though the server would say something else. */
	say(fixture, "9:NOTFOUND ,");
	assert_int_equal(find(fixture, key, &client), CLIENT_AUTHORIZED);
	assert_int_equal(client_map_recall(fixture->map, key), CLIENT_AUTHORIZED);
	assert_int_equal(socketmap_server_questions(&fixture->server), 1);
}

static void test_own_key(void **state)
{
	struct fixture *fixture = *state;

	say(fixture, "8:OK alice,");
	assert_int_equal(find(fixture, fixture->own_key, NULL), CLIENT_NOT_AUTHORIZED);
	assert_int_equal(socketmap_server_questions(&fixture->server), 0);
}

/* Strangers with ever new keys; a client that is known does not notice. */
static void test_flood(void **state)
{
	struct fixture *fixture = *state;
	int64_t before_ms = deadline_now_ms(), passed_ms;
	unsigned unknown = 0, asked;
	uint8_t key[32];

	say(fixture, "9:NOTFOUND ,");
	for (int i = 0; i < 400; i++) {
		randombytes_buf(key, sizeof(key));
		if (find(fixture, key, NULL) == CLIENT_UNKNOWN)
			unknown++;
		else
			assert_int_equal(find(fixture, key, NULL), CLIENT_NOT_AUTHORIZED);
	}
	passed_ms = deadline_now_ms() - before_ms;
	asked = socketmap_server_questions(&fixture->server);
	assert_int_equal(asked, 400 - unknown);
	/* No more than the time that has passed allows, however much that was. */
	assert_true((int64_t)(asked - 1) * QUESTION_PACE_COST_MIN_MS <= QUESTION_PACE_BUDGET_MS - QUESTION_PACE_RESERVE_MS +
									passed_ms * QUESTION_PACE_REFILL_MS / 1000);
}

/*
 * A server that hangs delays one question by a second, and the client stays. For a second after that nobody is asked, not even a server that
 * would answer: not for the client, and not for a key that nobody has ever seen. False: that second was over before one could see it.
 */
static bool is_left_alone(struct fixture *fixture, const uint8_t key[32])
{
	unsigned asked = socketmap_server_questions(&fixture->server);
	enum client_word known, unknown;
	int64_t before_ms;
	uint8_t other[32];

	randombytes_buf(other, sizeof(other));
	/* It accepts and says part of an answer, and no more. */
	say(fixture, "8:OK al");
	before_ms = deadline_now_ms();
	assert_int_equal(find(fixture, key, NULL), CLIENT_AUTHORIZED);
	assert_in_range(deadline_now_ms() - before_ms, 900, 20000);
	assert_int_equal(socketmap_server_questions(&fixture->server), asked + 1);
	before_ms = deadline_now_ms();
	say(fixture, "8:OK alice,");
	usleep(100000);	/* what the hanging cost would not keep a question about the client back any more */
	known = find(fixture, key, NULL);
	unknown = find(fixture, other, NULL);
	if (deadline_now_ms() - before_ms > 900)
		return false;
	assert_int_equal(known, CLIENT_AUTHORIZED);
	assert_int_equal(unknown, CLIENT_UNKNOWN);
	assert_int_equal(socketmap_server_questions(&fixture->server), asked + 1);
	assert_int_equal(client_map_recall(fixture->map, other), CLIENT_UNKNOWN);
	return true;
}

/* Answers are fresh for five seconds. */
static void test_hangs_then_revokes(void **state)
{
	struct fixture *fixture = *state;
	bool was_seen = false;
	uint64_t generation;
	uint8_t key[32];

	randombytes_buf(key, sizeof(key));
	for (int round = 0; round < 5 && !was_seen; round++) {
		say(fixture, "8:OK alice,");
		assert_int_equal(find(fixture, key, NULL), CLIENT_AUTHORIZED);
		generation = client_map_generation(fixture->map);
		usleep(5100000);
		was_seen = is_left_alone(fixture, key);
	}
	if (!was_seen)
		skip();
	assert_int_equal(client_map_generation(fixture->map), generation);
	say(fixture, "9:NOTFOUND ,");
	usleep(1200000);
	assert_int_equal(find(fixture, key, NULL), CLIENT_NOT_AUTHORIZED);
	assert_int_equal(client_map_recall(fixture->map, key), CLIENT_NOT_AUTHORIZED);
	assert_int_equal(client_map_generation(fixture->map), generation + 1);
}

/* It need not be there, and may come later. */
static void test_dead(void **state)
{
	struct fixture *fixture = *state;
	uint8_t key[32] = { 1 };
	struct captured_log log;
	char error[512];
	struct client_map *map = client_map_create("socketmap:unix:/nonexistent/socket:clients", fixture->own_key,
						   note_psk_file, fixture, error, sizeof(error));
	struct authorized_client client;

	assert_non_null(map);
	captured_log_start(&log);
	for (int i = 0; i < 20; i++)
		assert_int_equal(client_map_find(map, key, &client), CLIENT_UNKNOWN);
	/* One line for all of them. */
	assert_int_equal(captured_log_count(&log, "/nonexistent/socket"), 1);
	captured_log_stop(&log);
	client_map_destroy(map);
}

static void test_probe(void **state)
{
	struct fixture *fixture = *state;
	char error[512];

	say(fixture, "9:NOTFOUND ,");
	assert_int_equal(client_map_probe(fixture->setting, fixture->own_key, error, sizeof(error)), CLIENT_NOT_AUTHORIZED);
	say(fixture, "8:OK alice,");
	assert_int_equal(client_map_probe(fixture->setting, fixture->own_key, error, sizeof(error)), CLIENT_AUTHORIZED);
	say(fixture, "9:TEMP down,");
	assert_int_equal(client_map_probe(fixture->setting, fixture->own_key, error, sizeof(error)), CLIENT_UNKNOWN);
	assert_non_null(strstr(error, "TEMP down"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_setting),
		cmocka_unit_test(test_answers),
		cmocka_unit_test_setup_teardown(test_line, setup, teardown),
		cmocka_unit_test_setup_teardown(test_own_key, setup, teardown),
		cmocka_unit_test_setup_teardown(test_flood, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hangs_then_revokes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dead, setup, teardown),
		cmocka_unit_test_setup_teardown(test_probe, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
