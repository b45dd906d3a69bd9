/*
 * Frames: vectors made by the Python implementation must decode and encode to the same bytes; rows
 * of bad ones (cases 96, 104, 105) must be refused with the field named.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tunnel/frame.h"

#define FRAME_BYTES_MAX 4096

static struct frame frame; /* big */
static char error[256];

static size_t from_hex(uint8_t *out, const char *text)
{
	unsigned int byte;
	size_t length = 0;

	for (; sscanf(text, " %2x", &byte) == 1; text += strspn(text, " ") + 2)
		out[length++] = (uint8_t)byte;
	return length;
}

/* In a block of its own, so that the sanitizer sees every byte read beyond the end. */
static enum frame_decode_result decode_copy(const uint8_t *bytes, size_t length)
{
	uint8_t *copy = malloc(length > 0 ? length : 1);
	enum frame_decode_result result;

	assert_non_null(copy);
	memcpy(copy, bytes, length);
	error[0] = '\0';
	result = frame_decode(&frame, copy, length, error, sizeof(error));
	free(copy);
	return result;
}

static enum frame_decode_result decode_hex(const char *text)
{
	static uint8_t bytes[FRAME_BYTES_MAX];

	return decode_copy(bytes, from_hex(bytes, text));
}

static void assert_encodes_to(const uint8_t *bytes, size_t length)
{
	struct buffer out;

	buffer_init(&out, TUNNEL_FRAME_MAX);
	assert_int_equal(frame_encode(&out, &frame), 0);
	assert_int_equal(buffer_length(&out), length);
	assert_memory_equal(buffer_data(&out), bytes, length);
	buffer_wipe(&out);
}

static void vectors(void **state)
{
	static char line[3 * FRAME_BYTES_MAX];
	static uint8_t bytes[FRAME_BYTES_MAX];
	FILE *file = fopen("tests/vectors/frames.txt", "r");
	size_t count = 0;

	(void)state;
	assert_non_null(file);
	while (fgets(line, sizeof(line), file) != NULL) {
		char *hex = strchr(line, ' ');
		size_t length;

		if (line[0] == '#')
			continue;
		length = from_hex(bytes, hex);
		if (frame_decode(&frame, bytes, length, error, sizeof(error)) != FRAME_OK)
			fail_msg("%.*s: %s", (int)(hex - line), line, error);
		assert_encodes_to(bytes, length);
		/* No prefix is read beyond its end; the sanitizer watches. */
		for (size_t cut = 0; cut < length; cut++)
			decode_copy(bytes, cut);
		count++;
	}
	fclose(file);
	assert_true(count >= 20);
}

static void values(void **state)
{
	const struct delivery_status *status = &frame.u.status.status;

	(void)state;
	assert_int_equal(
		decode_hex("01 01 00000007 01 0003 614062 02 0003 345a41 08 0004 000003e8"),
		FRAME_OK);
	assert_int_equal(frame.transaction, 7);
	assert_string_equal(frame.u.envelope.envelope.reverse_path.mailbox.local_part, "a");
	assert_string_equal(frame.u.envelope.envelope.queue_id, "4ZA");
	assert_int_equal(frame.u.envelope.budget_ms, 1000);
	assert_int_equal(frame.u.envelope.envelope.body_type, BODY_7BIT);
	assert_int_equal(
		decode_hex("11 01 00000001 01 0004 00000003 02 0001 02 03 0005 05 0001 0001 "
			   "04 0001 08 05 0002 0226 07 0002 6e6f 0b 0002 0019"),
		FRAME_OK);
	assert_int_equal(frame.u.status.index, 3);
	assert_int_equal(status->action, DELIVERY_FAILED);
	assert_int_equal(status->status.class, 5);
	assert_int_equal(status->status.detail, 1);
	assert_int_equal(status->stage, STAGE_RCPT);
	assert_int_equal(status->reply.code, 550);
	assert_int_equal(status->reply.status.class, 0);
	assert_string_equal(status->reply.text, "no");
	assert_int_equal(status->remote_port, 25);
	assert_false(status->maybe_duplicate);
	assert_false(status->dsn_offered);
	assert_false(status->from_journal);
	assert_false(status->in_progress);
}

#define ENVELOPE_7 "01 01 00000007 "
#define BUDGET " 08 0004 000003e8"
#define RECIPIENT_1 "02 01 00000001 "
#define INDEX_0 "01 0004 00000000 "
#define PATH_AB " 02 0003 614062"
#define STATUS_1 "11 01 00000001 "
#define STATUS_OK "01 0004 00000000 02 0001 00 03 0005 02 0000 0000 04 0001 0b "

static void bad_frames(void **state)
{
	static const struct {
		const char *hex;
		const char *why;
	} rows[] = {
		{ "", "header" },
		{ "01 01 000000", "header" },
		{ "7f 01 00000000", "unknown type 0x7f" },
		{ "21 03 00000000", "flags" },
		{ "21 01 00000001", "transaction: not zero" },
		{ "05 01 00000000", "transaction: missing" },
		{ "03 01 00000001", "content: length" },
		{ "03 01 00000000 61", "transaction: missing" },
		{ "05 01 00000001 01", "unknown field" },
		{ "05 01 00000001 01 0000", "unknown field: must not be skipped" },
		{ "05 01 00000001 81 0002 00", "unknown field: longer than the frame" },
		/* ENVELOPE */
		{ ENVELOPE_7 "01 0003 614062", "budget: missing" },
		{ ENVELOPE_7 BUDGET, "reverse-path: missing" },
		{ ENVELOPE_7 "01 0003 614062 01 0003 614062" BUDGET, "reverse-path: there twice" },
		{ ENVELOPE_7 "01 0004 614062" BUDGET, "ENVELOPE" },
		{ ENVELOPE_7 "01 ffff 614062", "reverse-path: longer than the frame" },
		{ ENVELOPE_7 "01 0001 61" BUDGET, "reverse-path" },
		{ ENVELOPE_7 "01 0005 3c6140623e" BUDGET, "reverse-path" }, /* <a@b> */
		{ ENVELOPE_7 "01 0005 61406200 62" BUDGET, "reverse-path" }, /* NUL */
		{ ENVELOPE_7 "01 0005 6140620d0a" BUDGET, "reverse-path" }, /* CR LF */
		{ ENVELOPE_7 "01 0004 c3bc4062" BUDGET, "reverse-path" }, /* UTF-8 unannounced */
		{ ENVELOPE_7 "01 0000 02 0000" BUDGET, "queue-id: length" },
		{ ENVELOPE_7 "01 0000 02 0002 2e2e" BUDGET, "queue-id" },
		{ ENVELOPE_7 "01 0000 03 0001 02" BUDGET, "body-type: number" },
		{ ENVELOPE_7 "01 0000 03 0002 0001" BUDGET, "body-type: wrong width" },
		{ ENVELOPE_7 "01 0000 04 0001 02" BUDGET, "smtputf8: number" },
		{ ENVELOPE_7 "01 0000 05 0001 00" BUDGET, "ret: number" },
		{ ENVELOPE_7 "01 0000 05 0001 03" BUDGET, "ret: number" },
		{ ENVELOPE_7 "01 0000 06 0002 2b67" BUDGET, "envid: not xtext" },
		{ ENVELOPE_7 "01 0000 06 0002 6120" BUDGET, "envid" },
		{ ENVELOPE_7 "01 0000 07 0004 00000001" BUDGET, "declared-size: wrong width" },
		{ ENVELOPE_7 "01 0000 08 0004 ffffffff", "budget: number" },
		{ ENVELOPE_7 "01 0000 0a 0000" BUDGET, "unknown field" },
		{ ENVELOPE_7 "01 0000" BUDGET "09 0001 02", "requiretls: number" },
		/* RECIPIENT; case 104 */
		{ RECIPIENT_1 "01 0004 000003e8" PATH_AB, "index: number out of range" },
		{ RECIPIENT_1 "01 0004 000f4240" PATH_AB, "index: number out of range" },
		{ RECIPIENT_1 INDEX_0, "forward-path: missing" },
		{ RECIPIENT_1 INDEX_0 "02 0000", "forward-path: length" },
		{ RECIPIENT_1 INDEX_0 "02 0001 61", "forward-path" },
		{ RECIPIENT_1 INDEX_0 PATH_AB " 03 0001 00", "notify: number" },
		{ RECIPIENT_1 INDEX_0 PATH_AB " 03 0001 10", "notify: number" },
		{ RECIPIENT_1 INDEX_0 PATH_AB " 03 0001 03", "notify: NEVER" },
		{ RECIPIENT_1 INDEX_0 PATH_AB " 04 0001 61", "orcpt" },
		{ RECIPIENT_1 INDEX_0 PATH_AB " 04 0002 3b61", "orcpt" },
		{ RECIPIENT_1 INDEX_0 PATH_AB " 04 0002 613b", "orcpt" },
		{ RECIPIENT_1 INDEX_0 PATH_AB " 04 0004 613b0d0a", "orcpt" },
		{ RECIPIENT_1 INDEX_0 PATH_AB " 04 0004 613b6120", "orcpt" },
		/* ASK, ANSWER */
		{ "31 01 00000001 01 0001 61", "transaction: not zero" },
		{ "31 01 00000000 02 0001 61", "question: missing" },
		{ "31 01 00000000 01 0000", "question: length" },
		{ "31 01 00000000 01 0003 612062", "question: not printable" },
		{ "31 01 00000000 01 0001 61 02 0000", "argument: length" },
		{ "31 01 00000000 01 0001 61 02 0001 0a", "argument: not printable" },
		{ "32 01 00000000 01 0001 01", "data: missing" },
		{ "32 01 00000000 01 0001 01 02 0000", "data: length" },
		{ "32 01 00000000 01 0001 02 02 0001 61", "last: number" },
		{ "32 01 00000000 02 0001 61", "last: missing" },
		/* END */
		{ "04 01 00000001 02 0008 0000000000000001", "digest: missing" },
		{ "04 01 00000001 01 0002 0000 02 0008 0000000000000001", "digest: length" },
		/* STATUS; case 105 */
		{ STATUS_1, "index: missing" },
		{ STATUS_1 "01 0004 00000000 02 0001 03 03 0005 02 0000 0000 04 0001 0b",
		  "action: number" },
		{ STATUS_1 "01 0004 00000000 02 0001 00 03 0005 03 0000 0000 04 0001 0b",
		  "status: class" },
		{ STATUS_1 "01 0004 00000000 02 0001 00 03 0005 02 03e8 0000 04 0001 0b",
		  "status: number" },
		{ STATUS_1 "01 0004 00000000 02 0001 00 03 0004 02 0000 00 04 0001 0b",
		  "status: length" },
		{ STATUS_1 "01 0004 00000000 02 0001 00 03 0005 02 0000 0000 04 0001 0c",
		  "stage: number" },
		{ STATUS_1 STATUS_OK "05 0002 00c7", "reply-code: number" },
		{ STATUS_1 STATUS_OK "05 0002 0258", "reply-code: number" },
		{ STATUS_1 STATUS_OK "07 0001 61", "reply-code: missing" },
		{ STATUS_1 STATUS_OK "06 0005 02 0000 0000", "reply-code: missing" },
		{ STATUS_1 STATUS_OK "05 0002 00fa 06 0005 01 0000 0000", "reply-status: class" },
		{ STATUS_1 STATUS_OK "05 0002 00fa 07 0002 0d0a", "reply-text: not printable" },
		{ STATUS_1 STATUS_OK "08 0001 c3", "reason: not printable" },
		{ STATUS_1 STATUS_OK "08 0000", "reason: length" },
		{ STATUS_1 STATUS_OK "09 0003 612062",
		  "remote-mta: not printable, or with a space" },
		{ STATUS_1 STATUS_OK "0b 0002 0000", "remote-port: number" },
		{ STATUS_1 STATUS_OK "0d 0001 02", "maybe-duplicate: number" },
		{ STATUS_1 STATUS_OK "0e 0001 02", "dsn-offered: number" },
		{ STATUS_1 STATUS_OK "0f 0001 02", "from-journal: number" },
		{ STATUS_1 STATUS_OK "0f 0002 0001", "from-journal: wrong width" },
		{ STATUS_1 STATUS_OK "0f 0001 01 0f 0001 01", "from-journal: there twice" },
		{ STATUS_1 STATUS_OK "11 0001 01", "unknown field: must not be skipped" },
		/* INFO, CLOSE */
		{ "13 01 00000000 02 0008 0000000000000001 03 0004 00000001",
		  "edge-name: missing" },
		{ "13 01 00000000 01 0001 61 02 0008 0000000000000001 03 0004 00000000",
		  "recipients-max" },
		{ "23 01 00000000 01 0001 00", "reason: number" },
		{ "23 01 00000000 01 0001 06", "reason: number" },
		{ "23 01 00000000 01 0001 01 02 0001 07", "text: not printable" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (decode_hex(rows[i].hex) != FRAME_BAD)
			fail_msg("accepted: %s", rows[i].hex);
		if (strstr(error, rows[i].why) == NULL)
			fail_msg("%s: \"%s\" does not say \"%s\"", rows[i].hex, error, rows[i].why);
	}
}

/* Each flag is its own: none is given by another's field, and none goes missing on the way back. */
static void status_flags(void **state)
{
	static const char *const flags[] = { "0d 0001 01 ", "0e 0001 01 ", "0f 0001 01 ",
					       "10 0001 01 " };
	const struct delivery_status *status = &frame.u.status.status;

	(void)state;
	for (unsigned int given = 0; given < 16; given++) {
		char hex[200] = STATUS_1 STATUS_OK;
		uint8_t bytes[sizeof(hex)];

		for (size_t i = 0; i < 4; i++)
			if ((given & 1U << i) != 0)
				strcat(hex, flags[i]);
		assert_int_equal(decode_hex(hex), FRAME_OK);
		assert_int_equal(status->maybe_duplicate, (given & 1) != 0);
		assert_int_equal(status->dsn_offered, (given & 2) != 0);
		assert_int_equal(status->from_journal, (given & 4) != 0);
		assert_int_equal(status->in_progress, (given & 8) != 0);
		assert_encodes_to(bytes, from_hex(bytes, hex));
	}
	assert_int_equal(decode_hex(STATUS_1 STATUS_OK "0f 0001 00"), FRAME_OK);
	assert_false(status->from_journal);
}

static void skipped(void **state)
{
	(void)state;
	assert_int_equal(decode_hex("7f 00 00000000"), FRAME_SKIP);
	assert_int_equal(decode_hex("3f fe 00000000 ff"), FRAME_SKIP);
	/* An unknown field with bit 7, anywhere, even twice. */
	assert_int_equal(decode_hex("05 01 00000001 80 0001 00 ff 0000 80 0000"), FRAME_OK);
	assert_int_equal(decode_hex(ENVELOPE_7 "88 0002 0000 01 0000 08 0004 00000000"), FRAME_OK);
	assert_true(frame.u.envelope.envelope.reverse_path.is_null);
}

/* Text one byte longer than its bound is refused; case 105's megabyte cannot even be framed. */
static void text_bounds(void **state)
{
	static const struct {
		uint8_t tag;
		size_t maximum;
	} rows[] = {
		{ 7, SMTP_REPLY_TEXT_MAX },   { 8, SMTP_REPLY_TEXT_MAX }, { 9, DELIVERY_HOST_MAX },
		{ 10, DELIVERY_ADDRESS_MAX }, { 12, DELIVERY_TLS_MAX },
	};
	static const char head[] = STATUS_1 STATUS_OK "05 0002 00fa";
	uint8_t bytes[FRAME_BYTES_MAX];
	size_t start = from_hex(bytes, head);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (size_t length = rows[i].maximum; length <= rows[i].maximum + 1; length++) {
			bytes[start] = rows[i].tag;
			bytes[start + 1] = (uint8_t)(length >> 8);
			bytes[start + 2] = (uint8_t)length;
			memset(bytes + start + 3, 'x', length);
			assert_int_equal(frame_decode(&frame, bytes, start + 3 + length, error,
						      sizeof(error)),
					 length == rows[i].maximum ? FRAME_OK : FRAME_BAD);
		}
	}
}

static void frame_bounds(void **state)
{
	static uint8_t bytes[TUNNEL_FRAME_MAX];

	(void)state;
	memcpy(bytes, "\x03\x01\0\0\0\1", 6);
	assert_int_equal(frame_decode(&frame, bytes, 6 + TUNNEL_CONTENT_MAX, error, sizeof(error)),
			 FRAME_OK);
	assert_int_equal(frame.u.content.length, TUNNEL_CONTENT_MAX);
	assert_ptr_equal(frame.u.content.bytes, bytes + 6);
	assert_int_equal(frame_decode(&frame, bytes, 7 + TUNNEL_CONTENT_MAX, error, sizeof(error)),
			 FRAME_BAD);
	/* A control frame full of fields that may be skipped is still too long. */
	memcpy(bytes, "\x05\x01\0\0\0\1\x80\x20\x00", 9);
	assert_int_equal(frame_decode(&frame, bytes, 9 + 0x2000, error, sizeof(error)), FRAME_BAD);
	memcpy(bytes + 7, "\x1f\xf7", 2);
	assert_int_equal(frame_decode(&frame, bytes, 9 + 0x1ff7, error, sizeof(error)), FRAME_OK);
}

/* What the encoder refuses, and what it repairs. */
static void encoding(void **state)
{
	struct delivery_status *status = &frame.u.status.status;
	struct buffer out;

	(void)state;
	buffer_init(&out, TUNNEL_FRAME_MAX);
	memset(&frame, 0, sizeof(frame));
	frame.type = 0x7f;
	assert_int_equal(frame_encode(&out, &frame), -1);
	frame.type = FRAME_CONTENT;
	frame.transaction = 1;
	assert_int_equal(frame_encode(&out, &frame), -1);
	frame.u.content.bytes = (const uint8_t *)"";
	frame.u.content.length = TUNNEL_CONTENT_MAX + 1;
	assert_int_equal(frame_encode(&out, &frame), -1);
	buffer_reset(&out);
	memset(&frame, 0, sizeof(frame));
	frame.type = FRAME_DELIVERY_STATUS;
	frame.transaction = 1;
	status->status = ENHANCED_STATUS(4, 0, 0);
	status->action = DELIVERY_DELAYED;
	status->reply.code = 450;
	strcpy(status->reply.text, "gr\xc3\xbc\xc3\x9f\r\n250 ok");
	strcpy(status->remote_mta, "a b");
	assert_int_equal(frame_encode(&out, &frame), 0);
	assert_int_equal(
		frame_decode(&frame, buffer_data(&out), buffer_length(&out), error, sizeof(error)),
		FRAME_OK);
	assert_string_equal(status->reply.text, "gr??????250 ok");
	assert_string_equal(status->remote_mta, "a?b");
	buffer_wipe(&out);
}

static void names(void **state)
{
	(void)state;
	assert_string_equal(frame_type_name(FRAME_ENVELOPE), "ENVELOPE");
	assert_string_equal(frame_type_name(FRAME_CLOSE), "CLOSE");
	assert_string_equal(frame_type_name(0x7f), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors),	cmocka_unit_test(values),
		cmocka_unit_test(bad_frames),	cmocka_unit_test(status_flags),
		cmocka_unit_test(skipped),	cmocka_unit_test(text_bounds),
		cmocka_unit_test(frame_bounds), cmocka_unit_test(encoding),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
