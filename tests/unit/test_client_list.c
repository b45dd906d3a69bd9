/*
 * The allow-list of a running edge: changes count at once, and nothing but an administrator's
 * change locks anybody out or in.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "captured_log.h"
#include "edge/client_list.h"
#include "file_place.h"
#include "tunnel/base64_key.h"
#include "tunnel/noise.h"

enum { ALICE, BOB, CAROL, EDGE, KEYS };

struct fixture {
	struct file_place place;
	char aside[128], enrolled_path[128];
	struct noise_keypair keys[KEYS];
	char text[KEYS][BASE64_KEY_TEXT + 1];
	struct captured_log log;
};

/* One line for each number: its key, and its number as name. */
static void authorize(struct fixture *fixture, const char *who)
{
	char content[1000] = "# allow-list\n";

	for (; *who != '\0'; who++)
		snprintf(content + strlen(content), sizeof(content) - strlen(content),
			 "%s client-%c\n", fixture->text[*who - '0'], *who);
	file_place_write(&fixture->place, content, 0644);
}

static struct client_list *create(struct fixture *fixture)
{
	return client_list_create(fixture->place.path, fixture->enrolled_path, fixture->keys[EDGE].public_key, fixture->place.error,
				  sizeof(fixture->place.error));
}

/* Who of the four is authorised, as in authorize(). */
static void check(struct fixture *fixture, struct client_list *list, const char *expected)
{
	char found[KEYS + 1] = "";

	for (int i = 0; i < KEYS; i++)
		if (client_list_find(list, fixture->keys[i].public_key, NULL))
			snprintf(found + strlen(found), sizeof(found) - strlen(found), "%d", i);
	assert_string_equal(found, expected);
	assert_int_equal(client_list_count(list), strlen(expected));
}

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	if (sodium_init() < 0)
		return -1;
	if (file_place_init(&fixture->place, "clients") != 0)
		return -1;
	snprintf(fixture->enrolled_path, sizeof(fixture->enrolled_path), "%s/enrolled", fixture->place.directory);
	snprintf(fixture->aside, sizeof(fixture->aside), "%s.aside", fixture->place.path);
	for (int i = 0; i < KEYS; i++) {
		noise_keypair_generate(&fixture->keys[i]);
		base64_key_encode(fixture->text[i], fixture->keys[i].public_key);
	}
	captured_log_start(&fixture->log);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	captured_log_stop(&fixture->log);
	file_place_wipe(&fixture->place);
	free(fixture);
	return 0;
}

static void test_changes_count_at_once(void **state)
{
	struct fixture *fixture = *state;
	struct authorized_client found;
	struct client_list *list;

	authorize(fixture, "0");
	list = create(fixture);
	assert_non_null(list);
	check(fixture, list, "0");
	assert_int_equal(captured_log_count(&fixture->log, ""), 0); /* nothing changed, nothing was read again */
	authorize(fixture, "012");
	check(fixture, list, "012");
	assert_int_equal(captured_log_count(&fixture->log, "was read again: 3 clients"), 1);
	assert_true(client_list_find(list, fixture->keys[BOB].public_key, &found));
	assert_string_equal(found.name, "client-1");
	assert_memory_equal(found.public_key, fixture->keys[BOB].public_key, 32);
	authorize(fixture, "12");	/* revoked */
	check(fixture, list, "12");
	authorize(fixture, "");
	check(fixture, list, "");
	client_list_destroy(list);
	client_list_destroy(NULL);
}

static void put_enrolled(struct fixture *fixture, int who)
{
	FILE *file = fopen(fixture->enrolled_path, "a");

	assert_non_null(file);
	fprintf(file, "%s %s 2026-11-22T03:00:00Z\n", fixture->text[CAROL], fixture->text[who]);
	assert_int_equal(fclose(file), 0);
}

/* Carol's key is that of an invite; who uses it counts at once, and taking its line out ends it. */
static void test_enrolled_at_once(void **state)
{
	struct fixture *fixture = *state;
	struct authorized_client found;
	struct client_list *list;
	char content[400];
	uint64_t generation;

	snprintf(content, sizeof(content), "%s one\n%s two invite=2999-01-01T00:00:00Z rate=5/1h\n", fixture->text[ALICE],
		 fixture->text[CAROL]);
	file_place_write(&fixture->place, content, 0644);
	list = create(fixture);
	check(fixture, list, "0");
	assert_true(client_list_find_invite(list, fixture->keys[CAROL].public_key, &found));
	assert_true(found.is_pending);
	assert_false(client_list_find_invite(list, fixture->keys[ALICE].public_key, &found));
	generation = client_list_generation(list);
	put_enrolled(fixture, BOB);
	check(fixture, list, "01");
	assert_int_equal(client_list_generation(list), generation + 1);
	assert_true(client_list_find(list, fixture->keys[BOB].public_key, &found));
	assert_string_equal(found.name, "two");
	assert_int_equal(found.options.rate.tokens, 5);
	assert_true(client_list_find_invite(list, fixture->keys[CAROL].public_key, &found));
	assert_false(found.is_pending);
	assert_memory_equal(found.public_key, fixture->keys[BOB].public_key, 32);
	/* A second key for it says nothing. */
	put_enrolled(fixture, EDGE);
	check(fixture, list, "01");
	authorize(fixture, "0");
	check(fixture, list, "0");
	assert_false(client_list_find_invite(list, fixture->keys[CAROL].public_key, &found));
	snprintf(content, sizeof(content), "%s two invite=2999-01-01T00:00:00Z disabled\n", fixture->text[CAROL]);
	file_place_write(&fixture->place, content, 0644);
	assert_false(client_list_find_invite(list, fixture->keys[CAROL].public_key, &found));
	client_list_destroy(list);
}

/* What cannot be read takes nobody's key away; what is gone does. */
static void test_enrolled_file_lost(void **state)
{
	struct fixture *fixture = *state;
	struct client_list *list;
	char content[400];

	snprintf(content, sizeof(content), "%s two invite=2999-01-01T00:00:00Z\n", fixture->text[CAROL]);
	file_place_write(&fixture->place, content, 0644);
	put_enrolled(fixture, BOB);
	list = create(fixture);
	check(fixture, list, "1");
	assert_int_equal(unlink(fixture->enrolled_path), 0);
	assert_int_equal(mkdir(fixture->enrolled_path, 0700), 0);
	check(fixture, list, "1");
	assert_int_equal(captured_log_count(&fixture->log, "the list read before stays in force"), 1);
	assert_null(create(fixture));
	assert_int_equal(rmdir(fixture->enrolled_path), 0);
	usleep(1100 * 1000);
	check(fixture, list, "");
	client_list_destroy(list);
}

/* The same size, the same moment: the file was replaced all the same. */
static void test_replaced_by_one_as_long(void **state)
{
	struct fixture *fixture = *state;
	struct client_list *list;

	authorize(fixture, "0");
	list = create(fixture);
	for (int i = 0; i < 20; i++) {
		authorize(fixture, i % 2 == 0 ? "1" : "0");
		check(fixture, list, i % 2 == 0 ? "1" : "0");
	}
	client_list_destroy(list);
}

static void test_gone_is_nobody(void **state)
{
	struct fixture *fixture = *state;
	struct client_list *list;

	authorize(fixture, "01");
	list = create(fixture);
	assert_int_equal(unlink(fixture->place.path), 0);
	check(fixture, list, "");
	check(fixture, list, "");
	assert_int_equal(captured_log_count(&fixture->log, "no mail host is authorised any more"), 1);
	authorize(fixture, "0");	/* and back */
	check(fixture, list, "0");
	client_list_destroy(list);
}

/* A directory stands in for whatever else cannot be read: unlike a mode it also stops root. */
static void test_unreadable_keeps_the_list(void **state)
{
	struct fixture *fixture = *state;
	struct client_list *list;

	authorize(fixture, "01");
	list = create(fixture);
	assert_int_equal(rename(fixture->place.path, fixture->aside), 0);
	assert_int_equal(mkdir(fixture->place.path, 0755), 0);
	for (int i = 0; i < 100; i++)
		check(fixture, list, "01");
	usleep(1100000); /* a list that could not be read is tried again every second */
	check(fixture, list, "01");
	assert_int_equal(
		captured_log_count(&fixture->log, "is a directory, not a file; the list read before stays in force"),
		1);
	assert_int_equal(rmdir(fixture->place.path), 0);
	authorize(fixture, "1");
	usleep(1100000);
	check(fixture, list, "1");
	client_list_destroy(list);
}

/* Not a text file at all: no more readable than a directory. */
static void test_binary_keeps_the_list(void **state)
{
	struct fixture *fixture = *state;
	struct client_list *list;
	FILE *file;

	authorize(fixture, "0");
	list = create(fixture);
	file = fopen(fixture->place.path, "w");
	assert_int_equal(fwrite("a\0b\n", 1, 4, file), 4);
	fclose(file);
	check(fixture, list, "0");
	assert_int_equal(captured_log_count(&fixture->log, ":1: a NUL byte"), 1);
	client_list_destroy(list);
}

/* Case 154: each bad line is named and skipped, the good ones around it hold. */
static void test_bad_lines(void **state)
{
	struct fixture *fixture = *state;
	char secret[BASE64_KEY_TEXT + 1], content[2000];
	struct authorized_client found;
	struct client_list *list;

	base64_key_encode(secret, fixture->keys[CAROL].secret_key);
	snprintf(content, sizeof(content),
		 "%s alice\n" /* 1 */
		 "nonsense mail\n" /* 2 */
		 "%s second-name\n" /* 3: a key that is there already */
		 "%s edge\n" /* 4: the edge's own */
		 "%s carol\n" /* 5: a private key */
		 "%s\n" /* 6: no name */
		 "%s bob unknown=1\n" /* 7: perhaps a restriction */
		 "%s alice\n", /* 8: another key under the same name is key rotation */
		 fixture->text[ALICE], fixture->text[ALICE], fixture->text[EDGE], secret,
		 fixture->text[BOB], fixture->text[BOB], fixture->text[CAROL]);
	file_place_write(&fixture->place, content, 0644);
	list = create(fixture);
	assert_non_null(list);
	check(fixture, list, "02");
	assert_true(client_list_find(list, fixture->keys[ALICE].public_key, &found));
	assert_string_equal(found.name, "alice");
	for (int line = 2; line <= 7; line++) {
		char place[128];

		snprintf(place, sizeof(place), "%s:%d: ", fixture->place.path, line);
		assert_int_equal(captured_log_count(&fixture->log, place), 1);
	}
	assert_int_equal(captured_log_count(&fixture->log, "; this line is ignored"), 6);
	assert_int_equal(captured_log_count(&fixture->log, secret), 0);
	client_list_destroy(list);
}

static void test_cannot_start_without(void **state)
{
	struct fixture *fixture = *state;

	assert_null(create(fixture));
	assert_non_null(strstr(fixture->place.error, fixture->place.path));
	assert_int_equal(mkdir(fixture->place.path, 0755), 0);
	assert_null(create(fixture));
	assert_non_null(strstr(fixture->place.error, "is a directory"));
}

struct looker {
	struct client_list *list;
	const uint8_t *key;
};

static void *look(void *argument)
{
	struct looker *looker = argument;

	for (int i = 0; i < 2000; i++)
		if (!client_list_find(looker->list, looker->key, NULL))
			abort();
	return NULL;
}

/* One client is there all the time, others come and go. */
static void test_threads(void **state)
{
	struct fixture *fixture = *state;
	struct looker looker = { .key = fixture->keys[ALICE].public_key };
	pthread_t threads[4];

	authorize(fixture, "0");
	looker.list = create(fixture);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, look, &looker), 0);
	for (int i = 0; i < 50; i++)
		authorize(fixture, i % 2 == 0 ? "012" : "10");
	for (size_t i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	check(fixture, looker.list, "01");
	client_list_destroy(looker.list);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_changes_count_at_once),
		TEST(test_enrolled_at_once),
		TEST(test_enrolled_file_lost),
		TEST(test_replaced_by_one_as_long),
		TEST(test_gone_is_nobody),
		TEST(test_unreadable_keeps_the_list),
		TEST(test_binary_keeps_the_list),
		TEST(test_bad_lines),
		TEST(test_cannot_start_without),
		TEST(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
