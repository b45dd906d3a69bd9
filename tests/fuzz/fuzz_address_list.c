/*
 * The first byte chooses RFC 6532. What the parser takes has addresses that print and parse again, as a field of their own too; its
 * names can be looked at; nothing of a control character is kept. What it refuses has a reason.
 *
 * feeds: the value of an address header field, to the milter
 * covers: milter/address_list.c milter/display_name.c
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "milter/address_list.h"
#include "milter/display_name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(int condition)
{
	if (!condition)
		abort();
}

static void expect_printable(const char *text, bool allow_utf8)
{
	for (; *text != '\0'; text++)
		expect(((unsigned char)*text >= ' ' || *text == '\t') && *text != 0x7f && (allow_utf8 || (unsigned char)*text < 0x80));
}

/* Its own address, written plainly, is the same address. */
static void check_again(const struct address_list_item *item, bool allow_utf8)
{
	char field[MAILBOX_TEXT_MAX + 2], reason[400];
	struct address_list list;
	int length = snprintf(field, sizeof(field), "<%s>", item->address.text);

	expect(address_list_parse(&list, field, (size_t)length, allow_utf8, reason, sizeof(reason)) == 0);
	expect(list.count == 1 && strcmp(list.items[0].address.text, item->address.text) == 0);
	expect(!display_name_misleads(&list.items[0], reason, sizeof(reason)));
	address_list_wipe(&list);
}

static void check_item(const struct address_list_item *item, bool allow_utf8)
{
	char reason[400] = "";

	expect(strchr(item->address.text, '@') == strrchr(item->address.text, '@'));
	expect(item->address.domain == strchr(item->address.text, '@') + 1);
	expect_printable(item->address.text, allow_utf8);
	expect_printable(item->display_name, allow_utf8);
	expect_printable(item->remarks, allow_utf8);
	expect(display_name_misleads(item, reason, sizeof(reason)) == (reason[0] != '\0'));
	expect_printable(reason, false);
	check_again(item, allow_utf8);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool allow_utf8 = size > 0 && data[0] == '8';
	char reason[400] = "";
	struct address_list list;

	if (size == 0)
		return 0;
	if (address_list_parse(&list, (const char *)data + 1, size - 1, allow_utf8, reason, sizeof(reason)) != 0) {
		expect(reason[0] != '\0' && list.items == NULL && list.count == 0);
		return 0;
	}
	expect(list.count <= ADDRESS_LIST_MAX);
	for (size_t i = 0; i < list.count; i++)
		check_item(&list.items[i], allow_utf8);
	address_list_wipe(&list);
	return 0;
}
