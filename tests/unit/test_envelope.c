/* Goal of this test: the envelope's bounds hold, queue ids are only what Postfix makes, SMTPUTF8 is needed when an address is not ASCII. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/envelope.h"

static void test_recipients_are_copied_up_to_the_maximum(void **state)
{
	struct envelope envelope;
	struct recipient recipient = { .notify = DSN_NOTIFY_DELAY };

	(void)state;
	envelope_init(&envelope);
	for (int i = 0; i < SMTP_RECIPIENTS_MAX; i++) {
		snprintf(recipient.forward_path.local_part, sizeof(recipient.forward_path.local_part), "u%d", i);
		assert_int_equal(envelope_add_recipient(&envelope, &recipient), 0);
	}
	assert_int_equal(envelope_add_recipient(&envelope, &recipient), -1);
	assert_int_equal(envelope.recipient_count, SMTP_RECIPIENTS_MAX);
	assert_string_equal(envelope.recipients[0].forward_path.local_part, "u0");
	assert_string_equal(envelope.recipients[999].forward_path.local_part, "u999");
	assert_int_equal(envelope.recipients[999].notify, DSN_NOTIFY_DELAY);
	envelope_wipe(&envelope);
	assert_null(envelope.recipients);
	assert_int_equal(envelope_add_recipient(&envelope, &recipient), 0);
	envelope_wipe(&envelope);
}

#define ID63 "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0"

static void test_queue_ids(void **state)
{
	static const struct { const char *text; bool is_valid; } rows[] = {
		{ "4F2A1B3C4D", true }, { "4XyZ0k3bCqz1Ft", true }, { "A", true }, { ID63, true }, { ID63 "1", false },
		{ "", false }, { "NOQUEUE ", false }, { "1rABCD-0000ab-2C", true }, { "1rABCD-000000000ab-2Cde", true }, { "-4F", false }, { "4F_2", false }, { "4F\n", false }, { "../4F", false },
		{ "4F\xc3\xa9", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (envelope_queue_id_is_valid(rows[i].text, strlen(rows[i].text)) != rows[i].is_valid)
			fail_msg("%s", rows[i].text);
	assert_false(envelope_queue_id_is_valid("4F\0A", 4));
}

static void test_needs_smtputf8(void **state)
{
	struct envelope envelope;
	struct recipient ascii = { .notify = 0 }, utf8 = { .forward_path.is_utf8 = true };

	(void)state;
	envelope_init(&envelope);
	envelope.smtputf8 = true;
	assert_int_equal(envelope_add_recipient(&envelope, &ascii), 0);
	assert_false(envelope_needs_smtputf8(&envelope));
	envelope.reverse_path.mailbox.is_utf8 = true;
	assert_true(envelope_needs_smtputf8(&envelope));
	envelope.reverse_path.is_null = true;
	assert_false(envelope_needs_smtputf8(&envelope));
	assert_int_equal(envelope_add_recipient(&envelope, &utf8), 0);
	assert_true(envelope_needs_smtputf8(&envelope));
	envelope.smtputf8 = false;
	assert_false(envelope_needs_smtputf8(&envelope));
	envelope_wipe(&envelope);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_recipients_are_copied_up_to_the_maximum),
		cmocka_unit_test(test_queue_ids),
		cmocka_unit_test(test_needs_smtputf8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
