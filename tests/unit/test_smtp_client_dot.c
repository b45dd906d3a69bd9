/*
 * Goal: before each final dot, when the server has all of the content, and for those whom it took,
 * the caller is asked once; and after a "no" the server never sees the dot.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>

#include "tests/fake/fake_conversation.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define BODY "Subject: x\r\n\r\nhello\r\n..dot\r\n"
#define CONTENT_BYTES (int)(sizeof(TRACE BODY) - 1)

#define TLS_SESSION \
	EHLO("250 STARTTLS\r\n"), EXPECT("STARTTLS"), SEND("220 go\r\n"), TLS, EXPECT("EHLO"), \
		SEND("250-mx\r\n250 8BITMIME\r\n")
#define RCPT(number, answer) EXPECT("RCPT TO:<u" number "@"), SEND(answer "\r\n")
/* The second of three is refused. */
#define TWO_OF_THREE \
	MAIL_OK, RCPT("0", "250 ok"), RCPT("1", "550 no"), RCPT("2", "250 ok"), DATA_OK
#define TWO_OF_THREE_PIPELINED \
	PIPELINING, EXPECT("MAIL FROM:"), EXPECT("RCPT TO:<u0"), EXPECT("RCPT TO:<u1"), EXPECT("RCPT TO:<u2"), \
		EXPECT("DATA\r\n"), SEND("250 a\r\n250 b\r\n550 c\r\n250 d\r\n354 e\r\n")

/* What the one who is asked sees, and answers. */
struct asked {
	int answer;
	int content_fd;			/* readable: the server has all of the content. -1: not looked at */
	bool takes_all_time;		/* asking takes longer than the delivery may */
	unsigned times;
	size_t indices[SMTP_RECIPIENTS_PER_TRANSACTION], count;
	bool has_content, is_before_results;
};

static int before_final_dot(void *context, const size_t *indices, size_t count)
{
	struct conversation *conversation = context;
	struct asked *asked = conversation->dot_context;
	struct pollfd wait = { .fd = asked->content_fd, .events = POLLIN };

	asked->times++;
	asked->count = count;
	memcpy(asked->indices, indices, count * sizeof(*indices));
	asked->has_content = asked->content_fd >= 0 && poll(&wait, 1, PATIENCE_MS / 3) == 1;
	asked->is_before_results = true;
	for (size_t i = 0; i < count; i++)
		if (conversation->results[indices[i]][0] != '\0')
			asked->is_before_results = false;
	if (asked->takes_all_time)
		conversation->client.params.deadline = deadline_in_ms(0);
	return asked->answer;
}

static struct conversation *begin(const struct fake_step *steps, size_t recipients, enum tls_level level,
				  struct asked *asked)
{
	struct conversation *conversation = calloc(1, sizeof(*conversation));

	conversation_begin(conversation, steps, level, PATIENCE_MS, -1);
	assert_true(conversation->is_open);
	conversation_add_recipients(conversation, recipients, "u");
	conversation->before_final_dot = before_final_dot;
	conversation->dot_context = asked;
	assert_int_equal(content_append(&conversation->content, BODY, sizeof(BODY) - 1), CONTENT_OK);
	return conversation;
}

/* Checks what the server saw, too. */
static void end(struct conversation *conversation, bool sees_dot)
{
	conversation_end(conversation);
	assert_string_equal(conversation->mx.problem, "");
	assert_true((strstr(conversation->mx.seen, TRACE BODY ".\r\n") != NULL) == sees_dot);
	if (!sees_dot)
		assert_string_equal(conversation->mx.seen + conversation->mx.seen_length - CONTENT_BYTES, TRACE BODY);
	conversation_wipe(conversation);
	free(conversation);
}

static void check_asked_for_two(const struct asked *asked)
{
	assert_int_equal(asked->times, 1);
	assert_int_equal(asked->count, 2);
	assert_int_equal(asked->indices[0], 0);
	assert_int_equal(asked->indices[1], 2);
	assert_true(asked->has_content);
	assert_true(asked->is_before_results);
}

static void check_yes(const struct fake_step *steps, int content_fd, enum tls_level level)
{
	struct asked asked = { .answer = 0, .content_fd = content_fd };
	struct conversation *conversation = begin(steps, 3, level, &asked);
	eventfd_t count;

	assert_true(conversation_send(conversation, 0, 3));
	check_asked_for_two(&asked);
	assert_string_equal(conversation->results[0], "DOT 250");
	assert_string_equal(conversation->results[1], "RCPT 550");
	assert_string_equal(conversation->results[2], "DOT 250");
	assert_int_equal(eventfd_read(content_fd, &count), 0);
	end(conversation, true);
}

static void check_no(const struct fake_step *steps, int content_fd, enum tls_level level)
{
	struct asked asked = { .answer = -1, .content_fd = content_fd };
	struct conversation *conversation = begin(steps, 3, level, &asked);
	eventfd_t count;

	assert_false(conversation_send(conversation, 0, 3));
	assert_false(conversation->client.is_open);
	check_asked_for_two(&asked);
	assert_string_equal(conversation->results[0], "CONTENT journal");
	assert_string_equal(conversation->results[1], "RCPT 550");
	assert_string_equal(conversation->results[2], "CONTENT journal");
	assert_int_equal(conversation->reports, 3);
	assert_int_equal(eventfd_read(content_fd, &count), 0);
	end(conversation, false);
}

/* Answered when all bytes of the content are with the server, and the dot is not. */
static void test_yes(void **state)
{
	int fd = eventfd(0, EFD_CLOEXEC);
	const struct fake_step plain[] = { PLAIN, TWO_OF_THREE, READ(CONTENT_BYTES), SIGNAL(fd), DOT_OK, QUIT_OK,
					   { 0 } };
	const struct fake_step pipelined[] = { TWO_OF_THREE_PIPELINED, READ(CONTENT_BYTES), SIGNAL(fd), DOT_OK,
					       QUIT_OK, { 0 } };
	const struct fake_step tls[] = { TLS_SESSION, TWO_OF_THREE, READ(CONTENT_BYTES), SIGNAL(fd), DOT_OK, QUIT_OK,
					 { 0 } };

	(void)state;
	check_yes(plain, fd, TLS_MAY);
	check_yes(pipelined, fd, TLS_MAY);
	check_yes(tls, fd, TLS_MAY);
	close(fd);
}

static void test_no(void **state)
{
	int fd = eventfd(0, EFD_CLOEXEC);
	const struct fake_step plain[] = { PLAIN, TWO_OF_THREE, READ(CONTENT_BYTES), SIGNAL(fd), DRAIN, { 0 } };
	const struct fake_step pipelined[] = { TWO_OF_THREE_PIPELINED, READ(CONTENT_BYTES), SIGNAL(fd), DRAIN,
					       { 0 } };
	const struct fake_step tls[] = { TLS_SESSION, TWO_OF_THREE, READ(CONTENT_BYTES), SIGNAL(fd), DRAIN, { 0 } };

	(void)state;
	check_no(plain, fd, TLS_MAY);
	check_no(pipelined, fd, TLS_MAY);
	check_no(tls, fd, TLS_MAY);
	close(fd);
}

/* The delivery's time is over at the last moment before the dot: it is not sent, and nothing is in doubt. */
static void test_too_late_for_the_dot(void **state)
{
	static const struct fake_step steps[] = { PLAIN, MAIL_OK, RCPT("0", "250 ok"), DATA_OK, READ(CONTENT_BYTES),
						  DRAIN, { 0 } };
	struct asked asked = { .answer = 0, .content_fd = -1, .takes_all_time = true };
	struct conversation *conversation = begin(steps, 1, TLS_MAY, &asked);

	(void)state;
	assert_false(conversation_send(conversation, 0, 1));
	assert_int_equal(asked.times, 1);
	assert_string_equal(conversation->results[0], "CONTENT no time");
	end(conversation, false);
}

/* Each dot of a connection has its question, with its own recipients. */
static void test_each_dot(void **state)
{
	static const struct fake_step steps[] = {
		PLAIN, MAIL_OK, RCPT("0", "250 ok"), RCPT("1", "452 4.5.3 too many"), DATA_OK, DOT_OK,
		MAIL_OK, RCPT("1", "250 ok"), DATA_OK, DOT_OK, QUIT_OK, { 0 },
	};
	struct asked asked = { .answer = 0, .content_fd = -1 };
	struct conversation *conversation = begin(steps, 2, TLS_MAY, &asked);

	(void)state;
	assert_true(conversation_send(conversation, 0, 2));
	assert_int_equal(asked.times, 1);
	assert_int_equal(asked.count, 1);
	assert_int_equal(asked.indices[0], 0);
	assert_true(conversation_send(conversation, 1, 1));
	assert_int_equal(asked.times, 2);
	assert_int_equal(asked.count, 1);
	assert_int_equal(asked.indices[0], 1);
	end(conversation, true);
}

/* Where no mail will be completed nobody is asked: an intent would be left on the disk. */
static void test_not_asked(void **state)
{
	static const struct {
		struct fake_step steps[24];
		const char *result;
	} rows[] = {
		{ { PLAIN, EXPECT("MAIL"), SEND("550 no\r\n"), QUIT_OK }, "MAIL 550" },
		{ { PLAIN, MAIL_OK, EXPECT("RCPT"), SEND("550 no\r\n"), QUIT_OK }, "RCPT 550" },
		{ { PLAIN, MAIL_OK, RCPT_OK, EXPECT("DATA"), SEND("451 no\r\n"), QUIT_OK }, "DATA 451" },
		{ { PLAIN, MAIL_OK, RCPT_OK, EXPECT("DATA"), CUT }, "DATA lost" },
		{ { PIPELINING, EXPECT("MAIL"), EXPECT("RCPT"), EXPECT("DATA"),
		    SEND("250 ok\r\n550 no\r\n354 go\r\n"), EXPECT(".\r\n"), SEND("554 nothing\r\n"), QUIT_OK },
		  "RCPT 550" },
		{ { PIPELINING, EXPECT("MAIL"), EXPECT("RCPT"), EXPECT("DATA"),
		    SEND("250 a\r\n250 b\r\n354 c\r\n250 d\r\n"), DRAIN }, "CONTENT protocol" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct asked asked = { .answer = 0, .content_fd = -1 };
		struct conversation *conversation = begin(rows[i].steps, 1, TLS_MAY, &asked);

		conversation_send(conversation, 0, 1);
		conversation_end(conversation);
		assert_string_equal(conversation->results[0], rows[i].result);
		assert_int_equal(asked.times, 0);
		conversation_wipe(conversation);
		free(conversation);
	}
}

/* "No" comes before what the server said meanwhile: nothing was promised. */
static void test_no_and_an_early_reply(void **state)
{
	int fd = eventfd(0, EFD_CLOEXEC);
	const struct fake_step steps[] = { TO_DATA, READ(CONTENT_BYTES), SEND("250 2.0.0 queued\r\n"), SIGNAL(fd), DRAIN,
					   { 0 } };
	struct asked asked = { .answer = -1, .content_fd = fd };
	struct conversation *conversation = begin(steps, 1, TLS_MAY, &asked);

	(void)state;
	assert_false(conversation_send(conversation, 0, 1));
	assert_string_equal(conversation->results[0], "CONTENT journal");
	end(conversation, false);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_yes),
		cmocka_unit_test(test_no),
		cmocka_unit_test(test_too_late_for_the_dot),
		cmocka_unit_test(test_each_dot),
		cmocka_unit_test(test_not_asked),
		cmocka_unit_test(test_no_and_an_early_reply),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
