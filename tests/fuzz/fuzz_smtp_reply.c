/*
 * Lines, separated by LF, to a reply: within bounds, printable, its status of the code's class; and a reply that was
 * printed and read again says the same. An LMTP reply made from it is one line of the class of its action.
 *
 * feeds: SMTP replies
 * covers: lib/smtp_reply_parser.c lib/enhanced_status.c
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/delivery_status.h"
#include "lib/smtp_reply_parser.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(int condition)
{
	if (!condition)
		abort();
}

static void check_printable(const char *text)
{
	for (; *text != '\0'; text++)
		expect(*text >= ' ' && *text <= '~');
}

static void check_delivery_status(const struct smtp_reply *reply, enum delivery_stage stage)
{
	static const char digits[] = { [DELIVERY_RELAYED] = '2', [DELIVERY_DELAYED] = '4', [DELIVERY_FAILED] = '5' };
	struct delivery_status status = { .remote_mta = "mx1.example.net", .remote_address = "2001:db8::1", .remote_port = 25 };
	char lmtp[DELIVERY_LMTP_REPLY_MAX];

	delivery_status_set_reply(&status, stage, reply);
	delivery_status_print_lmtp(&status, "us", lmtp, sizeof(lmtp));
	check_printable(lmtp);
	expect(lmtp[0] == digits[status.action] && lmtp[4] == lmtp[0] && status.status.class == lmtp[0] - '0');
}

static void check_reply(const struct smtp_reply *reply)
{
	struct smtp_reply_parser again;
	char printed[SMTP_REPLY_TEXT_MAX + 32];

	expect(reply->code >= 200 && reply->code <= 599 && strlen(reply->text) <= SMTP_REPLY_TEXT_MAX);
	expect(reply->status.class == 0 || reply->status.class == reply->code / 100);
	check_printable(reply->text);
	smtp_reply_print(reply, printed, sizeof(printed));
	smtp_reply_parser_init(&again);
	expect(smtp_reply_parse_line(&again, printed, strlen(printed)) == SMTP_REPLY_COMPLETE);
	expect(again.reply.code == reply->code);
	/* the text is what was printed after the code, unless the status put in front of it makes it too long */
	expect(strncmp(printed + strcspn(printed, " ") + 1, again.reply.text, strlen(again.reply.text)) == 0 ||
	       again.reply.text[0] == '\0');
	expect(strlen(printed) > SMTP_REPLY_TEXT_MAX || strlen(again.reply.text) >= strlen(reply->text));
	if (reply->status.class != 0)
		expect(again.reply.status.class == reply->status.class);
	for (int stage = 0; stage < STAGE_COUNT; stage++)
		check_delivery_status(reply, (enum delivery_stage)stage);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *line = (const char *)data, *end = line + size, *line_end;
	enum smtp_reply_progress progress = SMTP_REPLY_MORE;
	struct smtp_reply_parser parser;

	smtp_reply_parser_init(&parser);
	while (progress == SMTP_REPLY_MORE && line < end) {
		line_end = memchr(line, '\n', (size_t)(end - line));
		if (line_end == NULL)
			line_end = end;
		progress = smtp_reply_parse_line(&parser, line, (size_t)(line_end - line));
		line = line_end < end ? line_end + 1 : end;
	}
	if (progress == SMTP_REPLY_COMPLETE)
		check_reply(&parser.reply);
	expect((progress == SMTP_REPLY_PROTOCOL_ERROR) == (parser.error[0] != '\0'));
	check_printable(parser.error);
	return 0;
}
