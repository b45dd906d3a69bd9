/*
 * One transaction as a mail host sends it, honest or not: what breaks a limit is refused for every
 * recipient, what breaks the protocol ends the tunnel, and nothing is kept of either. Cases 104,
 * 116.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edge/received.h"
#include "edge/transaction.h"

#define EDGE "relay.example.com"
#define MESSAGE "Subject: x\r\n\r\nbody\r\n"

struct fixture {
	struct edge edge;
	struct edge_setup setup;
	struct transaction transaction;
	struct tenant_terms terms;
};

static int set_up(void **state)
{
	struct fixture *fixture = aligned_alloc(_Alignof(struct fixture), sizeof(*fixture));

	if (fixture == NULL || sodium_init() < 0)
		return -1;
	memset(fixture, 0, sizeof(*fixture));
	fixture->setup.conf.ehlo_name = strdup(EDGE);
	fixture->setup.conf.message_size_limit = 100000;
	fixture->setup.conf.recipient_limit = 3;
	fixture->setup.conf.hop_count_limit = 10;
	fixture->setup.conf.delivery_time_limit = 60000;
	atomic_init(&fixture->setup.references, 1);
	pthread_mutex_init(&fixture->edge.setup_lock, NULL);
	fixture->edge.setup = &fixture->setup;
	tenant_table_init(&fixture->edge.tenants);
	outcome_table_init(&fixture->edge.outcomes);
	content_pool_init(&fixture->edge.content_pool, 1 << 20);
	memset(&fixture->transaction, 0x5a, sizeof(fixture->transaction));
	transaction_init(&fixture->transaction);
	*state = fixture;
	return 0;
}

/* Whatever happened: ending it leaves nothing behind. */
static int tear_down(void **state)
{
	struct fixture *fixture = *state;
	int left;

	transaction_end(&fixture->transaction);
	transaction_end(&fixture->transaction);
	left = atomic_load(&fixture->setup.references) != 1 ||
	       content_pool_used(&fixture->edge.content_pool) != 0 ||
	       fixture->transaction.state != TRANSACTION_NONE;
	pthread_mutex_destroy(&fixture->edge.setup_lock);
	content_pool_wipe(&fixture->edge.content_pool);
	tenant_table_wipe(&fixture->edge.tenants);
	outcome_table_wipe(&fixture->edge.outcomes);
	free(fixture->setup.conf.ehlo_name);
	free(fixture);
	return left;
}

static void begin_declaring(struct fixture *fixture, uint64_t size)
{
	struct frame_envelope frame = { .envelope = { .queue_id = "4XyZ", .declared_size = size },
					.budget_ms = 600000 };

	transaction_begin(&fixture->transaction, &fixture->edge, fixture->transaction.id + 1,
			  &frame, &fixture->terms);
}

static bool add_recipient(struct fixture *fixture, uint32_t index)
{
	struct recipient recipient = { .forward_path = { .local_part = "user",
							 .domain = "example.net" } };

	return transaction_add_recipient(&fixture->transaction, index, &recipient);
}

static void begin(struct fixture *fixture)
{
	begin_declaring(fixture, 0);
	assert_int_equal(fixture->transaction.state, TRANSACTION_RECEIVING);
	assert_true(add_recipient(fixture, 0));
}

static bool add_text(struct fixture *fixture, const char *text)
{
	return transaction_add_content(&fixture->transaction, text, strlen(text));
}

/* END as an honest mail host sends it for this content. */
static bool complete(struct fixture *fixture, const void *bytes, size_t length)
{
	uint8_t out[CONTENT_DIGEST_SIZE];
	struct content_digest digest;

	content_digest_init(&digest);
	content_digest_update(&digest, bytes, length);
	content_digest_final(&digest, out);
	return transaction_complete(&fixture->transaction, out, length);
}

/*
 * Refused with this code, cleanly: a status like any other, and the content is given back at once.
 */
static void check_refused(struct fixture *fixture, struct enhanced_status code, const char *words)
{
	const struct delivery_status *refusal = &fixture->transaction.refusal;

	assert_int_equal(fixture->transaction.state, TRANSACTION_REFUSED);
	assert_int_equal(refusal->status.class, code.class);
	assert_int_equal(refusal->status.subject, code.subject);
	assert_int_equal(refusal->status.detail, code.detail);
	assert_int_equal(refusal->action, code.class == 5 ? DELIVERY_FAILED : DELIVERY_DELAYED);
	assert_int_equal(refusal->stage, STAGE_EDGE);
	assert_non_null(strstr(refusal->reason, words));
	assert_string_equal(refusal->remote_mta, "");
	assert_string_equal(refusal->remote_address, "");
	assert_string_equal(refusal->tls, "");
	assert_int_equal(refusal->remote_port, 0);
	assert_int_equal(refusal->reply.code, 0);
	assert_false(refusal->maybe_duplicate);
	assert_false(refusal->dsn_offered);
	assert_false(refusal->from_journal);
	assert_int_equal(content_pool_used(&fixture->edge.content_pool), 0);
}

static void test_good(void **state)
{
	struct fixture *fixture = *state;

	begin(fixture);
	assert_true(add_recipient(fixture, 1));
	assert_true(add_text(fixture, "Subject: x\r\n\r\nbo"));
	assert_true(add_text(fixture, "dy\r\n"));
	assert_true(complete(fixture, MESSAGE, strlen(MESSAGE)));
	assert_int_equal(fixture->transaction.state, TRANSACTION_RECEIVING);
	assert_int_equal(fixture->transaction.content.length, strlen(MESSAGE));
	assert_int_equal(fixture->transaction.envelope.recipient_count, 2);
	assert_string_equal(fixture->transaction.envelope.queue_id, "4XyZ");
	assert_int_equal(atomic_load(&fixture->setup.references), 2);
	transaction_end(&fixture->transaction);
	assert_int_equal(fixture->transaction.id, 1);	/* the id stays */
	begin(fixture);
	assert_int_equal(fixture->transaction.id, 2);
	assert_int_equal(fixture->transaction.envelope.recipient_count, 1);
}

static void test_empty_message(void **state)
{
	struct fixture *fixture = *state;

	begin(fixture);
	assert_true(complete(fixture, "", 0));
	assert_int_equal(fixture->transaction.state, TRANSACTION_RECEIVING);
}

/* The shorter of the two patiences holds. */
static void test_budget(void **state)
{
	static const struct {
		uint32_t budget_ms;
		int64_t expected_ms;
	} rows[] = {
		{ 600000, 60000 }, { 60000, 60000 }, { 5000, 5000 }, { 0, 0 }, { UINT32_MAX, 60000 }
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct frame_envelope frame = { .budget_ms = rows[i].budget_ms };
		int64_t before_ms = deadline_now_ms(), until_ms;

		transaction_begin(&fixture->transaction, &fixture->edge, 1, &frame, &fixture->terms);
		until_ms = fixture->transaction.deadline.at_ms;
		assert_in_range(until_ms, before_ms + rows[i].expected_ms, deadline_now_ms() + rows[i].expected_ms);
		transaction_end(&fixture->transaction);
	}
}

static void test_declared_size(void **state)
{
	struct fixture *fixture = *state;

	begin_declaring(fixture, 100000);
	assert_int_equal(fixture->transaction.state, TRANSACTION_RECEIVING);
	transaction_end(&fixture->transaction);
	begin_declaring(fixture, 100001);
	check_refused(fixture, ENHANCED_STATUS(5, 3, 4),
		      "message size 100001 exceeds this edge's limit of 100000 bytes");
	/* it still learns who is to get the refusal, and takes no content */
	assert_true(add_recipient(fixture, 0));
	assert_true(add_recipient(fixture, 1));
	assert_true(add_text(fixture, MESSAGE));
	assert_int_equal(fixture->transaction.envelope.recipient_count, 2);
	check_refused(fixture, ENHANCED_STATUS(5, 3, 4), "message size");
	assert_true(complete(fixture, MESSAGE, strlen(MESSAGE)));
	check_refused(fixture, ENHANCED_STATUS(5, 3, 4), "message size");
	transaction_end(&fixture->transaction);
	begin_declaring(fixture, UINT64_MAX);
	check_refused(fixture, ENHANCED_STATUS(5, 3, 4), "18446744073709551615");
}

/* Case 104: whatever was declared, what counts is what comes. */
static void test_real_size(void **state)
{
	struct fixture *fixture = *state;
	char *content = malloc(100000);

	memset(content, 'x', 100000);
	memcpy(content + 99998, "\r\n", 2);
	begin_declaring(fixture, 10);
	assert_true(add_recipient(fixture, 0));
	assert_true(transaction_add_content(&fixture->transaction, content, 100000));
	assert_true(complete(fixture, content, 100000));
	assert_int_equal(fixture->transaction.state, TRANSACTION_RECEIVING);
	transaction_end(&fixture->transaction);
	begin_declaring(fixture, 10);
	assert_true(add_recipient(fixture, 0));
	assert_true(transaction_add_content(&fixture->transaction, content, 100000));
	assert_true(transaction_add_content(&fixture->transaction, "x", 1));
	check_refused(fixture, ENHANCED_STATUS(5, 3, 4),
		      "message exceeds this edge's limit of 100000 bytes");
	free(content);
}

static void test_too_many_recipients(void **state)
{
	struct fixture *fixture = *state;
	struct delivery_status status;

	begin(fixture);
	assert_true(add_recipient(fixture, 1));
	assert_true(add_recipient(fixture, 2));
	assert_int_equal(fixture->transaction.state, TRANSACTION_RECEIVING);
	for (uint32_t i = 3; i < TUNNEL_RECIPIENTS_MAX; i++)
		assert_true(add_recipient(fixture, i));
	/* the first ones are delivered, and each of the others is to be answered */
	assert_int_equal(fixture->transaction.state, TRANSACTION_RECEIVING);
	assert_int_equal(fixture->transaction.envelope.recipient_count, 3);
	assert_int_equal(fixture->transaction.surplus, TUNNEL_RECIPIENTS_MAX - 3);
	transaction_surplus_status(&fixture->transaction, &status);
	assert_int_equal(status.action, DELIVERY_DELAYED);
	assert_int_equal(status.status.subject, 5);
	assert_int_equal(status.status.detail, 3);
	assert_string_equal(status.reason, "more recipients than the limit of 3 for this message");
	/* case 104: a million */
	assert_false(add_recipient(fixture, TUNNEL_RECIPIENTS_MAX));
}

/* What the tenant's own line says, where it is less than what holds for all. */
static void test_tenant_limits(void **state)
{
	struct fixture *fixture = *state;

	fixture->terms.limits.size = 500;
	fixture->terms.limits.recipients = 2;
	begin_declaring(fixture, 501);
	check_refused(fixture, ENHANCED_STATUS(5, 3, 4), "limit of 500 bytes");
	transaction_end(&fixture->transaction);
	begin(fixture);
	assert_true(add_recipient(fixture, 1));
	assert_true(add_recipient(fixture, 2));
	assert_int_equal(fixture->transaction.envelope.recipient_count, 2);
	assert_int_equal(fixture->transaction.surplus, 1);
	transaction_end(&fixture->transaction);
	/* More than the edge's own is not to be had. */
	fixture->terms.limits.size = 1000000;
	begin_declaring(fixture, 100001);
	check_refused(fixture, ENHANCED_STATUS(5, 3, 4), "limit of 100000 bytes");
}

static void test_foreign_sender(void **state)
{
	struct fixture *fixture = *state;
	struct frame_envelope frame = {
		.envelope = { .reverse_path.mailbox = { .local_part = "x", .domain = "bank.example" } },
		.budget_ms = 1000,
	};

	fixture->terms.has_domains = fixture->terms.is_foreign_sender = true;
	strcpy(fixture->terms.tenant.name, "shop");
	transaction_begin(&fixture->transaction, &fixture->edge, 1, &frame, &fixture->terms);
	check_refused(fixture, ENHANCED_STATUS(4, 7, 1),
		      "sender domain bank.example is not among the domains= of client shop");
	transaction_end(&fixture->transaction);
	/* A bounce belongs to no domain; it has one recipient. */
	frame.envelope.reverse_path = (struct reverse_path){ .is_null = true };
	fixture->terms.is_foreign_sender = false;
	transaction_begin(&fixture->transaction, &fixture->edge, 2, &frame, &fixture->terms);
	assert_true(add_recipient(fixture, 0));
	assert_true(add_recipient(fixture, 1));
	assert_int_equal(fixture->transaction.envelope.recipient_count, 1);
	assert_int_equal(fixture->transaction.surplus, 1);
}

static void test_gaps(void **state)
{
	static const uint32_t rows[][2] = { { 1, 0 }, { 0, 0 }, { 0, 2 }, { 0, UINT32_MAX } };
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		begin_declaring(fixture, 0);
		if (rows[i][0] == 0) {
			assert_true(add_recipient(fixture, 0));
			assert_false(add_recipient(fixture, rows[i][1]));
		} else {
			assert_false(add_recipient(fixture, rows[i][0]));
		}
		transaction_end(&fixture->transaction);
	}
}

static void test_order(void **state)
{
	struct fixture *fixture = *state;

	/* recipient after content */
	begin(fixture);
	assert_true(add_text(fixture, "x"));
	assert_false(add_recipient(fixture, 1));
	transaction_end(&fixture->transaction);
	/* content before the first recipient */
	begin_declaring(fixture, 0);
	assert_false(add_text(fixture, "x"));
	transaction_end(&fixture->transaction);
	/* END without a recipient */
	begin_declaring(fixture, 0);
	assert_false(complete(fixture, "", 0));
	transaction_end(&fixture->transaction);
	/* nor is there anybody to tell of a refusal */
	begin_declaring(fixture, 1 << 30);
	assert_false(add_text(fixture, "x"));
	transaction_end(&fixture->transaction);
	begin_declaring(fixture, 1 << 30);
	assert_false(complete(fixture, "", 0));
}

static void test_lies_about_the_content(void **state)
{
	static const struct {
		const char *claimed;
		size_t length;
	} rows[] = {
		{ "Subject: x\r\n\r\nbodY\r\n", sizeof(MESSAGE) - 1 },	/* another digest */
		{ MESSAGE, sizeof(MESSAGE) - 2 },			/* shorter */
		{ MESSAGE, sizeof(MESSAGE) },				/* longer, by its NUL */
		{ "", 0 },
	};
	struct fixture *fixture = *state;
	uint8_t digest[CONTENT_DIGEST_SIZE];
	struct content_digest right;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		begin(fixture);
		assert_true(add_text(fixture, MESSAGE));
		assert_false(complete(fixture, rows[i].claimed, rows[i].length));
		transaction_end(&fixture->transaction);
	}
	/* the right digest, and a lie about the length alone */
	content_digest_init(&right);
	content_digest_update(&right, MESSAGE, strlen(MESSAGE));
	content_digest_final(&right, digest);
	for (uint64_t lie = 0; lie < 3; lie++) {
		begin(fixture);
		assert_true(add_text(fixture, MESSAGE));
		assert_int_equal(transaction_complete(&fixture->transaction, digest,
						      strlen(MESSAGE) - 1 + lie),
				 lie == 1);
		transaction_end(&fixture->transaction);
	}
}

/*
 * Case 116: nothing that some server could take for an end of data comes through, wherever the
 * frames are cut.
 */
static void test_smuggling(void **state)
{
	static const struct {
		const char *bytes;
		size_t length;
	} rows[] = {
#define ROW(text) { text, sizeof(text) - 1 }
		ROW("a\n.\nb\r\n"),
		ROW("a\r\n.\nb\r\n"),
		ROW("a\n.\r\nb\r\n"),
		ROW("a\r.\rb\r\n"),
		ROW("a\r\n.\r\r\nb\r\n"),
		ROW("a\r\n.\r\nb\r\n"),
		ROW(".\r\nb\r\n"),
		ROW("a\r\n.\rb\r\n"),
		ROW("a\nb\r\n"),
		ROW("a\rb\r\n"),
		ROW("\n\r\n"),
		ROW("a\r\r\nb\r\n"),
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (size_t cut = 1; cut < rows[i].length; cut++) {
			begin(fixture);
			assert_true(
				transaction_add_content(&fixture->transaction, rows[i].bytes, cut));
			assert_true(transaction_add_content(
				&fixture->transaction, rows[i].bytes + cut, rows[i].length - cut));
			check_refused(fixture, ENHANCED_STATUS(5, 6, 0),
				      "content with a bare CR or LF");
			transaction_end(&fixture->transaction);
		}
	}
}

/*
 * NUL and dots are content (the rest of case 116): "\r\n\0.\r\n" is no end of data, and a stuffed
 * dot none either.
 */
static void test_sound_though_odd(void **state)
{
	static const char text[] = "a\r\n\0.\r\n..\r\n.x\r\n";
	struct fixture *fixture = *state;

	begin(fixture);
	assert_true(transaction_add_content(&fixture->transaction, text, sizeof(text) - 1));
	assert_true(complete(fixture, text, sizeof(text) - 1));
	assert_int_equal(fixture->transaction.state, TRANSACTION_RECEIVING);
}

static void test_no_end(void **state)
{
	static const char *const rows[] = { "a", "a\r", "a\r\nb", ".", "\r" };
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		begin(fixture);
		assert_true(add_text(fixture, rows[i]));
		assert_int_equal(fixture->transaction.state, TRANSACTION_RECEIVING);
		assert_true(complete(fixture, rows[i], strlen(rows[i])));
		check_refused(fixture, ENHANCED_STATUS(5, 6, 0), "does not end with CRLF");
		transaction_end(&fixture->transaction);
	}
}

static void test_pool_full(void **state)
{
	struct fixture *fixture = *state;
	struct content_pool *pool = &fixture->edge.content_pool;
	struct content other;
	char *bytes = calloc(1, 1 << 20);
	uint64_t used;

	/* another message holds nearly all of it */
	content_init(&other, pool);
	assert_int_equal(content_append(&other, bytes, 700000), CONTENT_OK);
	used = content_pool_used(pool);
	memset(bytes, 'x', 1 << 20);
	begin(fixture);
	assert_true(transaction_add_content(&fixture->transaction, bytes, 16000));
	assert_int_equal(fixture->transaction.state, TRANSACTION_RECEIVING);
	for (int i = 0; i < 2; i++)
		assert_true(transaction_add_content(&fixture->transaction, bytes, 32768));
	fixture->setup.conf.message_size_limit = 1 << 20;
	assert_true(transaction_add_content(&fixture->transaction, bytes, 500000));
	assert_int_equal(content_pool_used(pool),
			 used); /* the other keeps its own, this one nothing */
	content_wipe(&other);
	check_refused(fixture, ENHANCED_STATUS(4, 3, 1), "content_memory");
	/* the first refusal stands, though there is room again */
	assert_true(add_text(fixture, "\n"));
	check_refused(fixture, ENHANCED_STATUS(4, 3, 1), "content_memory");
	free(bytes);
}

/* RFC 5321 6.3 */
static void test_loops(void **state)
{
	static const struct {
		unsigned hops, own;
		bool is_loop;
	} rows[] = {
		{ 0, 0, false },
		{ 10, 0, false },
		{ 11, 0, true },
		{ 3, RECEIVED_OWN_MAX - 1, false },
		{ 2, RECEIVED_OWN_MAX, true },
		{ 0, RECEIVED_OWN_MAX, true },
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[4000] = "", own[RECEIVED_MAX];

		received_print(own, sizeof(own), EDGE, "Q", 0);
		for (unsigned n = 0; n < rows[i].hops; n++)
			strcat(text, "Received: from a by b\r\n");
		for (unsigned n = 0; n < rows[i].own; n++)
			strcat(text, own);
		strcat(text, "\r\nReceived: in the body\r\n");
		begin(fixture);
		assert_true(add_text(fixture, text));
		assert_true(complete(fixture, text, strlen(text)));
		if (rows[i].is_loop)
			check_refused(fixture, ENHANCED_STATUS(5, 4, 6), "mail loop");
		else
			assert_int_equal(fixture->transaction.state, TRANSACTION_RECEIVING);
		transaction_end(&fixture->transaction);
	}
}

/* After the outcome went out, what is still on its way is dropped. */
static void test_answered_swallows_the_rest(void **state)
{
	struct fixture *fixture = *state;

	begin(fixture);
	assert_true(add_text(fixture, "\n"));
	assert_int_equal(fixture->transaction.state, TRANSACTION_REFUSED);
	fixture->transaction.state = TRANSACTION_ANSWERED;
	assert_true(add_text(fixture, "more"));
	assert_true(add_recipient(fixture, 7));
	assert_true(complete(fixture, "lies", 4));
	assert_int_equal(fixture->transaction.state, TRANSACTION_ANSWERED);
	assert_int_equal(fixture->transaction.envelope.recipient_count, 1);
	assert_int_equal(content_pool_used(&fixture->edge.content_pool), 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

/* The socketmap cannot be asked: put off, and what was counted of the client stays as it is. */
static void test_unknown_client(void **state)
{
	struct fixture *fixture = *state;

	fixture->terms = (struct tenant_terms){ .tenant.name = "alice", .is_unknown = true };
	begin_declaring(fixture, 200000);
	check_refused(fixture, ENHANCED_STATUS(4, 3, 0), "whether client alice may deliver");
	assert_true(add_recipient(fixture, 0));
	assert_true(add_text(fixture, MESSAGE));
	assert_true(complete(fixture, MESSAGE, strlen(MESSAGE)));
	check_refused(fixture, ENHANCED_STATUS(4, 3, 0), "whether client alice may deliver");
	assert_null(fixture->transaction.row);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_good),
		TEST(test_empty_message),
		TEST(test_budget),
		TEST(test_declared_size),
		TEST(test_real_size),
		TEST(test_too_many_recipients),
		TEST(test_tenant_limits), TEST(test_foreign_sender), TEST(test_unknown_client), TEST(test_gaps),
		TEST(test_order),
		TEST(test_lies_about_the_content),
		TEST(test_smuggling),
		TEST(test_sound_though_odd),
		TEST(test_no_end),
		TEST(test_pool_full),
		TEST(test_loops),
		TEST(test_answered_swallows_the_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
