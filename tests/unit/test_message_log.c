/* message_log.c: whose lines are told, and which ones go when the ring is full. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edge/message_log.h"
#include "lib/log.h"
#include "tests/unit/captured_log.h"

static struct message_log messages;
static struct captured_log captured;

static int set_up(void **state)
{
	(void)state;
	captured_log_start(&captured);
	message_log_init(&messages);
	assert_non_null(messages.bytes);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	message_log_wipe(&messages);
	fclose(captured.file);
	dup2(captured.saved_stderr, STDERR_FILENO);
	close(captured.saved_stderr);
	return 0;
}

struct found {
	size_t count;
	char first[4200], last[4200];
	int64_t last_ms;
	bool is_in_order;
};

static void note(void *context, int64_t time_ms, const char *text)
{
	struct found *found = context;

	if (found->count++ == 0)
		strcpy(found->first, text);
	strcpy(found->last, text);
	found->is_in_order = time_ms >= found->last_ms;
	found->last_ms = time_ms;
}

static struct found find(const char *client, const char *queue_id)
{
	struct found found = { .count = 0 };

	message_log_find(&messages, client, queue_id, note, &found);
	return found;
}

static void lines_of_one_message(void **state)
{
	struct found found;

	(void)state;
	log_info("before");
	message_log_begin("home", "4ZA");
	log_info("to=<%s>", "@a.example");
	log_warning("slow");
	log_debug("not logged");
	message_log_end();
	log_info("between");
	message_log_begin("shop", "4ZA");
	log_info("another client's, of the same queue id");
	message_log_begin("home", "4ZB");
	log_info("another message");
	message_log_begin("home", "");
	log_info("a message without a queue id");
	message_log_end();
	found = find("home", "4ZA");
	assert_int_equal(found.count, 2);
	assert_string_equal(found.first, "4ZA: to=<@a.example>");
	assert_string_equal(found.last, "warning: 4ZA: slow");
	assert_int_equal(find("shop", "4ZA").count, 1);
	assert_int_equal(find("home", "4ZB").count, 1);
	assert_int_equal(find("home", "").count, 0);
	assert_int_equal(find("", "4ZA").count, 0);
	assert_int_equal(find("hom", "4ZA").count, 0);
	assert_int_equal(find("home", "4Z").count, 0);
}

/* Lines of every length, round the ring several times: the latest are there, whole and in order. */
static void oldest_go_first(void **state)
{
	char text[4200], queue_id[20];
	size_t kept = 0;
	bool is_missing_before = true;

	(void)state;
	memset(text, 'x', sizeof(text));
	for (int i = 0; i < 3000; i++) {
		snprintf(queue_id, sizeof(queue_id), "4Z%d", i);
		message_log_begin("home", queue_id);
		log_info("%.*s", i % 4150, text);
		message_log_end();
	}
	for (int i = 0; i < 3000; i++) {
		struct found found;

		snprintf(queue_id, sizeof(queue_id), "4Z%d", i);
		found = find("home", queue_id);
		assert_true(found.count <= 1);
		/* no gaps: once one is there, all after it are */
		if (!is_missing_before)
			assert_int_equal(found.count, 1);
		is_missing_before = is_missing_before && found.count == 0;
		kept += found.count;
		if (found.count == 1 && i % 4150 < 4000)
			assert_int_equal(strlen(found.first), strlen(queue_id) + 2 + (size_t)(i % 4150));
	}
	assert_true(kept > 200 && kept < 1000);
	assert_true(messages.used <= MESSAGE_LOG_BYTES);
	assert_true(message_log_find(&messages, "home", "none", note, NULL) > 0);
}

static void *log_many(void *argument)
{
	for (int i = 0; i < 2000; i++) {
		message_log_begin(argument, "4ZC");
		log_info("line %d", i);
		message_log_end();
	}
	return NULL;
}

static void threads(void **state)
{
	static char clients[4][8] = { "one", "two", "three", "four" };
	pthread_t ids[4];

	(void)state;
	assert_int_equal(message_log_find(&messages, "one", "4ZC", note, NULL), 0);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&ids[i], NULL, log_many, clients[i]), 0);
	for (size_t i = 0; i < 4; i++)
		pthread_join(ids[i], NULL);
	for (size_t i = 0; i < 4; i++) {
		struct found found = find(clients[i], "4ZC");

		assert_int_equal(found.count, 2000);
		assert_string_equal(found.last, "4ZC: line 1999");
		assert_true(found.is_in_order);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lines_of_one_message, set_up, tear_down),
		cmocka_unit_test_setup_teardown(oldest_go_first, set_up, tear_down),
		cmocka_unit_test_setup_teardown(threads, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
