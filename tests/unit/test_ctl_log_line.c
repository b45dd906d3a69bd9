/* ctl/log_line.c, message_story.c, message_trail.c: what is read of a mail log, in which order, and what came of a message. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ctl/log_line.h"
#include "ctl/message_story.h"
#include "ctl/message_trail.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
/* 2026-11-22 03:38:02 UTC */
#define THEN_S INT64_C(1795318682)

static int set_up(void **state)
{
	(void)state;
	setenv("TZ", "UTC", 1);
	tzset();
	return 0;
}

static void times(void **state)
{
	static const struct {
		const char *line;
		int64_t time_ms; /* -1: none */
		bool is_whole_second;
	} rows[] = {
		{ "Nov 22 03:38:02 mail postfix/qmgr[195]: 4Z: removed", THEN_S * 1000, true },
		{ "Nov  2 03:38:02 mail x", (THEN_S - 20 * 86400) * 1000, true },
		/* of last year, as it would be of next week */
		{ "Nov 29 03:38:02 mail x", (THEN_S + 7 * 86400 - 365 * 86400) * 1000, true },
		{ "Nov 23 03:38:01 mail x", (THEN_S + 86399) * 1000, true },
		{ "2026-11-22T03:38:02.123456+00:00 mail x", THEN_S * 1000 + 123, false },
		{ "2026-11-22T04:38:02.123456+01:00 mail x", THEN_S * 1000 + 123, false },
		{ "2026-11-22T04:38:02.123456+0100 mail x", THEN_S * 1000 + 123, false },
		{ "2026-11-21T22:08:02-0530 mail x", THEN_S * 1000, true },
		{ "2026-11-22T03:38:02Z mail x", THEN_S * 1000, true },
		{ "2026-11-22T03:38:02.5Z mail x", THEN_S * 1000 + 500, false },
		{ "", -1, false },
		{ "Nov 22 03:38:02", -1, false },
		{ "Nov 22 24:38:02 mail x", -1, false },
		{ "Nov 22 03:60:02 mail x", -1, false },
		{ "Nov 32 03:38:02 mail x", -1, false },
		{ "Nix 22 03:38:02 mail x", -1, false },
		{ "2026-13-22T03:38:02Z mail x", -1, false },
		{ "2026-11-22 03:38:02Z mail x", -1, false },
		{ "2026-11-22T03:38:02 mail x", -1, false },
		{ "2026-11-22T03:38:02+01 mail x", -1, false },
		{ "2026-11-22T03:38:02.", -1, false },
		{ "-- Boot 0123456789 --", -1, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct log_line parsed;
		bool is_good = log_line_parse(&parsed, rows[i].line, THEN_S);

		if (is_good != (rows[i].time_ms >= 0) ||
		    (is_good && (parsed.time_ms != rows[i].time_ms || parsed.is_whole_second != rows[i].is_whole_second ||
				 strncmp(parsed.rest, "mail ", 5) != 0)))
			fail_msg("%s", rows[i].line);
	}
}

static void queue_ids(void **state)
{
	static const struct {
		const char *line;
		bool is_named;
	} rows[] = {
		{ "mail postfix/qmgr[195]: 4ZmV: removed", true },
		{ "4ZmV", true },
		{ "mail postfix/bounce[1]: 4ZmX: sender non-delivery notification: 4ZmV", true },
		{ "mail postfix/smtp[1]: 4ZmX: status=sent (250 queued as 4ZmV)", true },
		{ "mail postfix/qmgr[195]: 4ZmVx: removed", false },
		{ "mail postfix/qmgr[195]: x4ZmV: removed", false },
		{ "mail postfix/qmgr[195]: x4ZmV: 4ZmV", true },
		{ "mail postfix/qmgr[195]: 4zmv: removed", false },
		{ "", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		assert_int_equal(log_line_names(rows[i].line, "4ZmV"), rows[i].is_named);
	/* Exim's */
	assert_true(log_line_names("mail postern/transport[1]: 1rABCD-0000ab-2C: to=<a@b>", "1rABCD-0000ab-2C"));
	assert_false(log_line_names("mail postern/transport[1]: 1rABCD-0000ab-2Cd: to=<a@b>", "1rABCD-0000ab-2C"));
}

/* ---- the story ---- */

static void add_host(struct message_story *story, const char *line)
{
	struct log_line parsed;

	assert_true(log_line_parse(&parsed, line, THEN_S));
	assert_int_equal(message_story_add_host(story, &parsed), 0);
}

static void add_edge(struct message_story *story, const char *edge, int64_t offset_ms, const char *answer)
{
	json_t *value = json_loads(answer, 0, NULL);

	assert_non_null(value);
	assert_int_equal(message_story_add_edge(story, edge, value, offset_ms), 0);
	json_decref(value);
}

static void expect(struct message_story *story, const char *const *texts)
{
	char *text;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	assert_int_equal(message_story_sort(story), 0);
	message_story_print(story, out);
	fclose(out);
	for (const char *at = text; *texts != NULL; texts++) {
		const char *found = strstr(at, *texts);

		if (found == NULL)
			fail_msg("no \"%s\" in what is left: %s", *texts, at);
		at = found + strlen(*texts);
	}
	free(text);
	message_story_wipe(story);
}

/* Where the log has whole seconds, an outcome is after the edge's lines of its second. */
static void order_of_whole_seconds(void **state)
{
	static const char *const texts[] = { "02     mail postfix/qmgr[1]: 4Z: from", "03     mail postfix/lmtp[1]: 4Z: nothing",
					     "03.100 vps postern/edge: begins", "03.900 vps postern/edge: ends",
					     "03     mail postfix/lmtp[1]: 4Z: to=<a>, status=sent", "03     mail postfix/qmgr[1]: 4Z: removed",
					     "04.100 vps postern/edge: later", NULL };
	struct message_story story = { .count = 0 };

	(void)state;
	add_host(&story, "Nov 22 03:38:02 mail postfix/qmgr[1]: 4Z: from=<>");
	add_host(&story, "Nov 22 03:38:03 mail postfix/lmtp[1]: 4Z: nothing");
	add_host(&story, "Nov 22 03:38:03 mail postfix/lmtp[1]: 4Z: to=<a>, status=sent (ok)");
	add_host(&story, "Nov 22 03:38:03 mail postfix/qmgr[1]: 4Z: removed");
	add_edge(&story, "vps", 0,
		 "{\"lines\": [{\"time_ms\": 1795318683100, \"text\": \"begins\"}, {\"time_ms\": 1795318683900, \"text\": "
		 "\"ends\"}, {\"time_ms\": 1795318684100, \"text\": \"later\"}]}");
	expect(&story, texts);
}

/* Two edges, one of them with a clock that is an hour fast; what they say cannot move the cursor. */
static void order_by_corrected_clocks(void **state)
{
	static const char *const texts[] = { "02.100 mail postfix/lmtp[1]: one", "02.200 us postern/edge: two ?[2J",
					     "02.300 de postern/edge: three", "02.400 us postern/edge: four",
					     "02.500 mail postfix/lmtp[1]: five", NULL };
	struct message_story story = { .count = 0 };

	(void)state;
	add_host(&story, "2026-11-22T03:38:02.100Z mail postfix/lmtp[1]: one, status=deferred");
	add_host(&story, "2026-11-22T03:38:02.500Z mail postfix/lmtp[1]: five");
	add_edge(&story, "us", 3600000,
		 "{\"lines\": [{\"time_ms\": 1795322282200, \"text\": \"two \\u001b[2J\"}, {\"time_ms\": 1795322282400, "
		 "\"text\": \"four\"}]}");
	add_edge(&story, "de", 0, "{\"lines\": [{\"time_ms\": 1795318682300, \"text\": \"three\"}]}");
	expect(&story, texts);
}

/* Whatever an edge says, it is text or nothing. */
static void answers_of_another_kind(void **state)
{
	struct message_story story = { .count = 0 };
	static const char *const none[] = { NULL };

	(void)state;
	add_edge(&story, "vps", 0, "{}");
	add_edge(&story, "vps", 0, "[]");
	add_edge(&story, "vps", 0, "{\"lines\": 7}");
	add_edge(&story, "vps", 0, "{\"lines\": [7, {\"text\": 7}, null]}");
	/* (UBSan looks at the sums) */
	add_edge(&story, "vps", 1000, "{\"lines\": [{\"time_ms\": -9223372036854775808, \"text\": \"\"}]}");
	expect(&story, none);
}

/* ---- the trail ---- */

static void trails(void **state)
{
	static const struct {
		const char *title;
		const char *lines[6];
		const char *queue_id, *reply;
		enum message_trail_outcome outcome;
		bool is_through_postern;
	} rows[] = {
		{ "sent",
		  { "m postfix/cleanup[1]: 4Y: message-id=<other@x>", "m postfix/cleanup[1]: 4Z: message-id=<t.TOKEN@x>",
		    "m postern/transport[2]: 4Z: to=<a@b>, status=sent (of the transport)",
		    "m postfix/lmtp[1]: 4Z: to=<a@b>, relay=x[private/postern], dsn=2.0.0, status=sent (250 ok (really))" },
		  "4Z", "250 ok (really)", MESSAGE_TRAIL_SENT, true },
		{ "deferred",
		  { "m postfix/cleanup[1]: 4Z: message-id=<t.TOKEN@x>", "m postfix/lmtp[1]: 4Z: to=<a@b>, status=deferred (no)" },
		  "4Z", "no", MESSAGE_TRAIL_DEFERRED, false },
		{ "bounced",
		  { "m postfix/cleanup[1]: 4Z: message-id=<t.TOKEN@x>", "m postfix/lmtp[1]: 4Z: to=<a@b>, status=bounced (no)",
		    "m postfix/lmtp[1]: 4Z: to=<a@b>, status=sent (later)" },
		  "4Z", "no", MESSAGE_TRAIL_BOUNCED, false },
		{ "through a filter on this host",
		  { "m postfix/cleanup[1]: 4Z: message-id=<t.TOKEN@x>",
		    "m postfix/smtp[1]: 4Z: to=<a@b>, relay=127.0.0.1[127.0.0.1]:10024, status=sent (250 2.0.0 Ok: queued as 4X)",
		    "m postfix/lmtp[1]: 4Z: to=<a@b>, status=bounced (another)", "m postfix/lmtp[1]: 4X: to=<a@b>, status=sent (250)" },
		  "4X", "250", MESSAGE_TRAIL_SENT, false },
		{ "a server far away queues, too",
		  { "m postfix/cleanup[1]: 4Z: message-id=<t.TOKEN@x>",
		    "m postfix/smtp[1]: 4Z: to=<a@b>, relay=mx[192.0.2.1]:25, status=sent (250 2.0.0 Ok: queued as 4X)" },
		  "4Z", "250 2.0.0 Ok: queued as 4X", MESSAGE_TRAIL_SENT, false },
		{ "a server that speaks of a filter on this host",
		  { "m postfix/cleanup[1]: 4Z: message-id=<t.TOKEN@x>",
		    "m postfix/smtp[1]: 4Z: to=<a@b>, relay=mx[192.0.2.1]:25, status=sent (250 queued as 4X, relay=127.0.0.1[)" },
		  "4Z", "250 queued as 4X, relay=127.0.0.1[", MESSAGE_TRAIL_SENT, false },
		{ "what the server says is not what Postfix says",
		  { "m postfix/cleanup[1]: 4Z: message-id=<t.TOKEN@x>",
		    "m postfix/lmtp[1]: 4Z: to=<a@b>, relay=x[y], status=deferred (450 later, status=sent (250 ok))" },
		  "4Z", "450 later, status=sent (250 ok)", MESSAGE_TRAIL_DEFERRED, false },
		{ "another message's",
		  { "m postfix/cleanup[1]: 4Z: message-id=<t.TOKEN@x>", "m postfix/lmtp[1]: 4ZZ: to=<a@b>, status=sent (250)" },
		  "4Z", "", MESSAGE_TRAIL_OPEN, false },
		{ "recipients that Postfix added",
		  { "m postfix/cleanup[1]: 4Z: message-id=<t.TOKEN@x>", "m postfix/qmgr[1]: 4Z: from=<s@c>, size=5, nrcpt=2 (queue active)",
		    "m postfix/local[1]: 4Z: to=<archive@c>, relay=local, status=sent (to=<a@b>, delivered)",
		    "m postfix/lmtp[1]: 4Z: to=<x@d>, orig_to=<A@b>, relay=x[y], status=deferred (no)" },
		  "4Z", "no", MESSAGE_TRAIL_DEFERRED, false },
		{ "one that Postfix calls by another name",
		  { "m postfix/cleanup[1]: 4Z: message-id=<t.TOKEN@x>", "m postfix/qmgr[1]: 4Z: from=<s@c>, size=5, nrcpt=1 (queue active)",
		    "m postfix/lmtp[1]: 4Z: to=<x@d>, relay=x[y], status=sent (250)" },
		  "4Z", "250", MESSAGE_TRAIL_SENT, false },
		{ "another message's, whose server names this one",
		  { "m postfix/cleanup[1]: 4Z: message-id=<t.TOKEN@x>",
		    "m postfix/smtp[1]: 4Y: to=<a@b>, relay=mx[192.0.2.1]:25, status=sent (250 queued as 4Z)" },
		  "4Z", "", MESSAGE_TRAIL_OPEN, false },
		{ "no queue id",
		  { "m postfix/cleanup[1]: ../x: message-id=<t.TOKEN@x>", "m x TOKEN message-id=<", "m x]: : message-id=<TOKEN" },
		  "", "", MESSAGE_TRAIL_OPEN, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct message_trail trail = { .token = "TOKEN", .recipient = "a@b" };

		for (size_t k = 0; k < COUNT(rows[i].lines) && rows[i].lines[k] != NULL; k++)
			message_trail_take(&trail, rows[i].lines[k]);
		if (strcmp(trail.queue_id, rows[i].queue_id) != 0 || strcmp(trail.reply, rows[i].reply) != 0 ||
		    trail.outcome != rows[i].outcome || trail.is_through_postern != rows[i].is_through_postern)
			fail_msg("%s: %s, \"%s\", %d", rows[i].title, trail.queue_id, trail.reply, trail.outcome);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times),
		cmocka_unit_test(queue_ids),
		cmocka_unit_test(order_of_whole_seconds),
		cmocka_unit_test(order_by_corrected_clocks),
		cmocka_unit_test(answers_of_another_kind),
		cmocka_unit_test(trails),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
