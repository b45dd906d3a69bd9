/*
 * Arbitrary bytes as TXT records at _smtp._tls.DOMAIN, one a line: what is kept of them has the
 * form that the day's file wants, and an address that is taken can stand in a header field.
 *
 * feeds: TLSRPT records and their addresses
 * covers: lib/tlsrpt_record.c
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/tlsrpt_record.h"

#define RECORDS_MAX 8

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void check_address(const char *uri, size_t length)
{
	char error[200] = "", text[MAILBOX_TEXT_MAX];
	struct mailbox mailbox;

	if (tlsrpt_mailto_parse(&mailbox, uri, length, error, sizeof(error)) != 0) {
		require(error[0] != '\0');
		return;
	}
	mailbox_print(&mailbox, text, sizeof(text));
	require(strchr(text, '@') != NULL && strpbrk(text, " \t\r\n\"<>,;:()[]\\") == NULL);
	for (const char *at = text; *at != '\0'; at++)
		require(*at > ' ' && *at <= '~');
}

static size_t split(char *text, char **records)
{
	size_t count = 0;

	for (char *line = text; line != NULL && count < RECORDS_MAX;)
		records[count++] = strsep(&line, "\n");
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	char *text = strndup((const char *)bytes, length), *records[RECORDS_MAX];
	char rua[TLSRPT_RUA_MAX + 1], reason[100] = "";

	if (tlsrpt_record_parse(records, split(text, records), rua, reason, sizeof(reason))) {
		require(tlsrpt_rua_is_valid(rua));
		for (const char *uri = rua; uri[0] != '\0'; uri += uri[0] == ',') {
			check_address(uri, tlsrpt_uri_length(uri));
			uri += tlsrpt_uri_length(uri);
		}
	} else {
		require(rua[0] == '\0' && reason[0] != '\0');
	}
	/* The bytes themselves as an address, too. */
	check_address(text, strlen(text));
	free(text);
	return 0;
}
