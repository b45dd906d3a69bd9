/*
 * What a path parser takes, it prints so that it reads the same again; what it prints has no control byte and fits its bounds.
 *
 * feeds: paths and mailboxes
 * covers: lib/mail_address.c
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mail_address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(int condition)
{
	if (!condition)
		abort();
}

static void check_mailbox(const struct mailbox *mailbox, bool allow_utf8)
{
	char printed[MAILBOX_TEXT_MAX], error[100], address[64];
	struct mailbox again;

	mailbox_print(mailbox, printed, sizeof(printed));
	expect(strlen(printed) == strlen(mailbox->local_part) + 1 + strlen(mailbox->domain));
	expect(strlen(mailbox->domain) <= SMTP_DOMAIN_MAX);
	for (const char *byte = printed; *byte != '\0'; byte++)
		expect((unsigned char)*byte >= ' ' && *byte != 0x7f && (allow_utf8 || (unsigned char)*byte < 0x80));
	expect(mailbox_parse(&again, printed, strlen(printed), allow_utf8, error, sizeof(error)) == 0);
	expect(memcmp(&again, mailbox, sizeof(again)) == 0 && mailbox_is_same(&again, mailbox));
	expect(mailbox->is_utf8 == (mailbox_parse(&again, printed, strlen(printed), false, error, sizeof(error)) != 0));
	expect(mailbox->is_literal == (mailbox_literal_address(mailbox, address, sizeof(address)) == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	char error[100] = "";
	struct reverse_path path;
	struct mailbox mailbox;
	int result;

	for (int allow_utf8 = 0; allow_utf8 <= 1; allow_utf8++) {
		memset(&mailbox, 0, sizeof(mailbox));
		if (mailbox_parse(&mailbox, text, size, allow_utf8, error, sizeof(error)) == 0)
			check_mailbox(&mailbox, allow_utf8);
		else
			expect(error[0] != '\0');
		memset(&mailbox, 0, sizeof(mailbox));
		result = forward_path_parse(&mailbox, text, size, allow_utf8, error, sizeof(error));
		if (result == 0)
			check_mailbox(&mailbox, allow_utf8);
		expect((reverse_path_parse(&path, text, size, allow_utf8, error, sizeof(error)) == 0) ==
		       (result == 0 || (size == 2 && memcmp(text, "<>", 2) == 0)));
	}
	return 0;
}
