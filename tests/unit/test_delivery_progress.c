/* Goal: who asks where a recipient's delivery stands gets stage and host of that moment, never half of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "edge/delivery_progress.h"

static void expect(struct delivery_progress *progress, size_t recipient, const char *words)
{
	char out[500];

	assert_string_equal(delivery_progress_print(progress, recipient, out, sizeof(out)), words);
}

static void test_words(void **state)
{
	static const char *const words[STAGE_COUNT] = {
		[STAGE_TUNNEL] = "waiting for its turn",
		[STAGE_EDGE] = "waiting for its turn",
		[STAGE_DNS] = "looking up mail servers",
		[STAGE_CONNECT] = "connecting to mx.example[192.0.2.9]",
		[STAGE_GREETING] = "receiving the initial server greeting from mx.example[192.0.2.9]",
		[STAGE_EHLO] = "performing the EHLO handshake with mx.example[192.0.2.9]",
		[STAGE_TLS] = "performing the TLS handshake with mx.example[192.0.2.9]",
		[STAGE_MAIL] = "waiting for the reply to MAIL FROM command from mx.example[192.0.2.9]",
		[STAGE_RCPT] = "waiting for the reply to RCPT TO command from mx.example[192.0.2.9]",
		[STAGE_DATA] = "waiting for the reply to DATA command from mx.example[192.0.2.9]",
		[STAGE_CONTENT] = "sending message body to mx.example[192.0.2.9]",
		[STAGE_AFTER_FINAL_DOT] =
			"waiting for the reply to end of DATA command from mx.example[192.0.2.9]",
	};
	const size_t all[] = { 0 };
	struct delivery_progress progress;
	struct delivery_place place;

	(void)state;
	delivery_progress_init(&progress, 1);
	expect(&progress, 0, "waiting for its turn");
	delivery_progress_enter(&progress, &place, all, 1);
	expect(&progress, 0, "looking up mail servers");
	for (int stage = 0; stage < STAGE_COUNT; stage++) {
		delivery_progress_move(&progress, &place, (enum delivery_stage)stage, "mx.example", "192.0.2.9");
		expect(&progress, 0, words[stage]);
	}
	delivery_progress_move(&progress, &place, STAGE_CONNECT, "", "192.0.2.9"); /* an address literal */
	expect(&progress, 0, "connecting to 192.0.2.9[192.0.2.9]");
	delivery_progress_leave(&progress, all, 1);
	expect(&progress, 0, "waiting for its turn");
	delivery_progress_wipe(&progress);
}

/* Each domain is somewhere else, and its end is not that of the others. */
static void test_places_are_apart(void **state)
{
	const size_t one[] = { 0, 2 }, two[] = { 1 };
	struct delivery_progress progress;
	struct delivery_place first, second;

	(void)state;
	delivery_progress_init(&progress, 3);
	delivery_progress_enter(&progress, &first, one, 2);
	delivery_progress_enter(&progress, &second, two, 1);
	delivery_progress_move(&progress, &first, STAGE_CONNECT, "a", "192.0.2.1");
	delivery_progress_move(&progress, &second, STAGE_CONTENT, "b", "192.0.2.2");
	expect(&progress, 0, "connecting to a[192.0.2.1]");
	expect(&progress, 1, "sending message body to b[192.0.2.2]");
	expect(&progress, 2, "connecting to a[192.0.2.1]");
	delivery_progress_leave(&progress, one, 2);
	expect(&progress, 1, "sending message body to b[192.0.2.2]");
	expect(&progress, 2, "waiting for its turn");
	expect(&progress, 99, "waiting for its turn");
	delivery_progress_wipe(&progress);
}

/* Nobody will ask. */
static void test_without(void **state)
{
	const size_t all[] = { 0 };
	struct delivery_place place;

	(void)state;
	delivery_progress_enter(NULL, &place, all, 1);
	delivery_progress_move(NULL, &place, STAGE_DATA, "a", "192.0.2.1");
	delivery_progress_leave(NULL, all, 1);
}

struct mover {
	struct delivery_progress progress;
	_Atomic bool is_over;
};

static void *move(void *argument)
{
	const size_t all[] = { 0 };
	struct mover *mover = argument;
	struct delivery_place place;

	while (!mover->is_over) {
		delivery_progress_enter(&mover->progress, &place, all, 1);
		delivery_progress_move(&mover->progress, &place, STAGE_CONNECT, "aaaaaaaa", "192.0.2.1");
		delivery_progress_move(&mover->progress, &place, STAGE_CONTENT, "bbbbbbbb", "192.0.2.2");
		delivery_progress_leave(&mover->progress, all, 1);
		memset(&place, 'x', sizeof(place)); /* it is no longer anybody's business */
	}
	return NULL;
}

static void test_threads(void **state)
{
	struct mover mover = { .is_over = false };
	pthread_t thread;
	char out[500];

	(void)state;
	delivery_progress_init(&mover.progress, 1);
	pthread_create(&thread, NULL, move, &mover);
	for (int i = 0; i < 20000; i++) {
		delivery_progress_print(&mover.progress, 0, out, sizeof(out));
		if (strcmp(out, "waiting for its turn") != 0 && strcmp(out, "looking up mail servers") != 0 &&
		    strcmp(out, "connecting to aaaaaaaa[192.0.2.1]") != 0 &&
		    strcmp(out, "sending message body to bbbbbbbb[192.0.2.2]") != 0)
			fail_msg("%s", out);
	}
	mover.is_over = true;
	pthread_join(thread, NULL);
	delivery_progress_wipe(&mover.progress);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_places_are_apart),
		cmocka_unit_test(test_without),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
