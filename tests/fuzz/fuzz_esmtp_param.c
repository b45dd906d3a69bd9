/*
 * Arguments of MAIL and RCPT that are taken print as one line that reads the same again; a refusal is a 5xx with a printable
 * text. First byte: bit 0 RCPT instead of MAIL, bit 1 SMTPUTF8 was given before.
 *
 * feeds: arguments of MAIL and RCPT
 * covers: lib/esmtp_param.c lib/esmtp_print.c lib/xtext.c:xtext_is_valid, xtext_decode,
 *     xtext_utf8_address_is_valid, xtext_utf8_address_to_ascii, read_embedded
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/esmtp_param.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct esmtp_offer everything = { true, true, true, true, true };

static void expect(int condition)
{
	if (!condition)
		abort();
}

static void check_refusal(const struct esmtp_refusal *refusal)
{
	expect(refusal->code >= 500 && refusal->code <= 599 && refusal->status.class == 5 && refusal->text[0] != '\0');
	for (const char *byte = refusal->text; *byte != '\0'; byte++)
		expect(*byte >= ' ' && *byte <= '~');
}

/* The arguments of the one line in the buffer. */
static const char *check_line(const struct buffer *buffer, size_t verb, size_t *length_out)
{
	const char *line = (const char *)buffer_data(buffer);
	size_t length = buffer_length(buffer);

	expect(length > verb + 2 && memcmp(line + length - 2, "\r\n", 2) == 0);
	for (size_t i = 0; i < length - 2; i++)
		expect((unsigned char)line[i] >= ' ' && line[i] != 0x7f);
	*length_out = length - 2 - verb;
	return line + verb;
}

static void check_mail(const char *text, size_t size)
{
	struct envelope envelope, again;
	struct esmtp_refusal refusal;
	struct buffer buffer;
	const char *line;

	memset(&envelope, 0, sizeof(envelope));
	memset(&again, 0, sizeof(again));
	if (esmtp_parse_mail(&envelope, text, size, &refusal) != 0) {
		check_refusal(&refusal);
		expect(memcmp(&envelope, &again, sizeof(envelope)) == 0);
		return;
	}
	buffer_init(&buffer, SMTP_COMMAND_MAX);
	expect(esmtp_print_mail(&buffer, &envelope, everything, envelope.declared_size) == 0);
	line = check_line(&buffer, strlen("MAIL FROM:"), &size);
	expect(esmtp_parse_mail(&again, line, size, &refusal) == 0);
	expect(memcmp(&envelope, &again, sizeof(envelope)) == 0);
	buffer_wipe(&buffer);
}

static void check_rcpt(const char *text, size_t size, bool smtputf8)
{
	struct esmtp_offer offer = everything;
	struct recipient recipient, again;
	struct esmtp_refusal refusal;
	struct buffer buffer;
	const char *line;

	memset(&recipient, 0, sizeof(recipient));
	memset(&again, 0, sizeof(again));
	if (esmtp_parse_rcpt(&recipient, text, size, smtputf8, &refusal) != 0) {
		check_refusal(&refusal);
		expect(memcmp(&recipient, &again, sizeof(recipient)) == 0);
		return;
	}
	buffer_init(&buffer, SMTP_COMMAND_MAX);
	expect(esmtp_print_rcpt(&buffer, &recipient, everything) == 0);
	line = check_line(&buffer, strlen("RCPT TO:"), &size);
	expect(esmtp_parse_rcpt(&again, line, size, smtputf8, &refusal) == 0);
	expect(memcmp(&recipient, &again, sizeof(recipient)) == 0);
	/* to a server without SMTPUTF8 every parameter is ASCII, or left out */
	buffer_reset(&buffer);
	memset(&again, 0, sizeof(again));
	offer.smtputf8 = false;
	expect(esmtp_print_rcpt(&buffer, &recipient, offer) == 0);
	line = check_line(&buffer, strlen("RCPT TO:"), &size);
	expect(esmtp_parse_rcpt(&again, line, size, recipient.forward_path.is_utf8, &refusal) == 0);
	for (const char *byte = again.orcpt; *byte != '\0'; byte++)
		expect((unsigned char)*byte < 0x80);
	buffer_wipe(&buffer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	if (data[0] & 1)
		check_rcpt((const char *)data + 1, size - 1, data[0] & 2);
	else
		check_mail((const char *)data + 1, size - 1);
	return 0;
}
