/* Goal of this test: a name that shows an address other than its own is found, however it is written; others are let alone. Case 134. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "milter/address_list.h"
#include "milter/display_name.h"
#include "milter/encoded_word.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define ME " <me@example.com>"
#define CEO "name that shows another address than <me@example.com>: \"ceo@bank.example\""
#define UNDECODABLE "name with an encoded word that cannot be decoded"
#define THAI_5 "\xe0\xb8\xa1\xe0\xb8\xa1\xe0\xb8\xa1\xe0\xb8\xa1\xe0\xb8\xa1"
#define THAI_10 THAI_5 THAI_5 "\xe0\xb8\xa1"
#define BIDI "name with bidirectional controls"

static const struct {
	const char *value;
	const char *reason;	/* NULL: nothing to say */
} rows[] = {
	{ "me@example.com", NULL },
	{ "Me" ME, NULL },
	{ "\"me@example.com\"" ME, NULL },
	{ "\"ME@Example.com\"" ME, NULL },
	{ "\"'me@example.com'\"" ME, NULL },
	{ "\"Me (me@example.com)\"" ME, NULL },
	{ "=?utf-8?q?me=40example.com?=" ME, NULL },
	{ "\"m\xe2\x80\x8b" "e@example.com\"" ME, NULL },
	{ "\"@\"" ME, NULL },
	{ "\"Alice @ Work\"" ME, NULL },
	{ "\"Alice@Work\"" ME, NULL },
	{ "\"Alice @alice\"" ME, NULL },
	{ "\"Alice (@alice.bsky.social)\"" ME, NULL },
	{ "\"alice@. Work\"" ME, NULL },
	{ "\"Alice @ work.example\"" ME, NULL },
	{ "\"@alice.example @\"" ME, NULL },
	{ "\" @alice.example\"" ME, NULL },
	{ "ceo =?utf-8?q?=40bank.example?=" ME, "name that shows another address than <me@example.com>: \"ceo @bank.example\"" },
	{ "\"ceo@bank.example\" <j\xc3\xb6rg@example.com>", "name that shows another address than <j??rg@example.com>: \"ceo@bank.example\"" },
	{ "\"ceo@ bank.example\"" ME, "name that shows another address than <me@example.com>: \"ceo@ bank.example\"" },
	{ "\"m\xc3\xbcnchen@m\xc3\xbcnchen.example\" <m\xc3\xbcnchen@xn--mnchen-3ya.example>", NULL },
	{ "\xd9\x85\xdb\x8c\xe2\x80\x8c\xd8\xae\xd9\x88" ME, NULL },	/* Persian needs the zero-width non-joiner */
	{ "\"ceo@bank.example\"" ME, CEO },
	{ "\"CEO@Bank.Example\"" ME, CEO },
	{ "\"The CEO, ceo@bank.example\"" ME, CEO },
	{ "\"'ceo@bank.example' via Me\"" ME, CEO },
	{ "\"me@example.com, ceo@bank.example.\"" ME, CEO },
	{ "\"ceo@\"bank.example" ME, CEO },
	{ "me@example.com (ceo@bank.example)", CEO },
	{ "(ceo@bank.example)" ME, CEO },
	{ "\"ceo@bank.example\": Me" ME ";", CEO },
	{ "=?utf-8?q?ceo=40bank.example?=" ME, CEO },
	{ "=?UTF-8?B?Y2VvQGJhbmsuZXhhbXBsZQ==?=" ME, CEO },
	{ "=?utf-8?b?Y2VvQGJhbmsuZXhhbXBsZQ?=" ME, CEO },
	{ "=?utf-8*en?q?ceo=40bank.example?=" ME, CEO },
	{ "=?utf-8?q?ceo?= =?utf-8?q?=40bank.example?=" ME, CEO },
	{ "=?utf-8?q?ceo?=\r\n =?iso-8859-15?b?QGJhbmsuZXhhbXBsZQ==?=" ME, CEO },
	{ "=?utf-7?q?ceo+AEA-bank.example?=" ME, CEO },
	{ "=?iso-2022-jp?q?ceo=40bank.example?=" ME, CEO },
	{ "ceo\xef\xbc\xa0" "bank.example" ME, CEO },
	{ "=?utf-8?q?ceo=EF=BC=A0bank.example?=" ME, CEO },
	{ "=?utf-8?q?=EF=BD=83eo=EF=B9=ABbank=E3=80=82example?=" ME, CEO },
	{ "\"ceo\xe2\x80\x8b@\xe2\x81\xa0" "ba\xc2\xadnk.example\"" ME, CEO },
	{ "\"ceo\xe2\x80\x8a@bank.example\"" ME, CEO },		/* hair space */
	{ "\"\xe2\x80\xae" "elpmaxe.knab@oec\"" ME, BIDI },
	{ "=?utf-8?q?=E2=81=A7x?=" ME, BIDI },
	{ "=?x-unknown?q?x?=" ME, UNDECODABLE },
	{ "=?utf-16?q?x?=" ME, UNDECODABLE },
	{ "=?utf-8?q?=E9?=" ME, UNDECODABLE },
	{ "=?us-ascii?q?=E9?=" ME, UNDECODABLE },
	{ "=?utf-8?q?=4?=" ME, UNDECODABLE },
	{ "=?utf-8?b?YWJjZ?=" ME, UNDECODABLE },
	{ "=?utf-8?b?YQ==YQ==?=" ME, UNDECODABLE },
	{ "=?utf-8?b?Y!Q?=" ME, UNDECODABLE },
	{ "=?utf-8?q?=3D=3Futf-8=3Fq=3Fceo=3D40bank.example=3F=3D?=" ME, UNDECODABLE },	/* nested */
};

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct address_list list;
		char reason[400] = "";
		bool misleads;

		if (address_list_parse(&list, rows[i].value, strlen(rows[i].value), true, reason, sizeof(reason)) != 0)
			fail_msg("%s: %s", rows[i].value, reason);
		misleads = display_name_misleads(&list.items[0], reason, sizeof(reason));
		if (misleads != (rows[i].reason != NULL) || (misleads && strcmp(reason, rows[i].reason) != 0))
			fail_msg("%s: %s", rows[i].value, misleads ? reason : "nothing found");
		address_list_wipe(&list);
	}
}

static const struct {
	const char *text, *decoded;
	enum encoded_word_fault fault;
} words[] = {
	{ "a b", "a b", ENCODED_WORD_FINE },
	{ "=?utf-8?q?J=C3=B6rg_x?= b", "J\xc3\xb6rg x b", ENCODED_WORD_FINE },
	{ "=?ISO-8859-1?Q?J=F6rg?= =?iso-8859-1?q?_x?=", "J\xc3\xb6rg x", ENCODED_WORD_FINE },
	{ "=?utf-8?b?SsO=?=\t=?utf-8?b?tnJn?=", "J\xc3\xb6rg", ENCODED_WORD_FINE },
	{ "a=?utf-8?q?b?=c", "abc", ENCODED_WORD_FINE },
	{ "=?iso-2022-jp?b?GyRCO0RFRBsoQg==?=", "\xe6\xae\x8b\xe7\x94\xb0", ENCODED_WORD_FINE },
	{ "=?koi8-r?q?=E9?=", "\xd0\x98", ENCODED_WORD_FINE },
	{ "=?utf-8?q?" "?=x", "x", ENCODED_WORD_FINE },
	{ "=?tis-620?b?ocLh4cHBwcHBwcHBwcHB?=", "\xe0\xb8\x81\xe0\xb8\xa2\xe0\xb9\x81\xe0\xb9\x81" THAI_10, ENCODED_WORD_FINE },
	{ "=?none?q?=E9?=", "\xc3\xa9", ENCODED_WORD_UNDECODABLE },
	{ "=?utf-8//TRANSLIT?q?x?=", "x", ENCODED_WORD_UNDECODABLE },
	{ "=?utf-8?q?=3D=3F?=", "=?", ENCODED_WORD_UNDECODABLE },
	{ "=?utf-8?q?a b?=", "a b", ENCODED_WORD_MALFORMED },
	{ "=?utf-8?q?a", "=?utf-8?q?a", ENCODED_WORD_MALFORMED },
	{ "=?utf-8?q?", "=?utf-8?q?", ENCODED_WORD_MALFORMED },
	{ "=?utf-8?x?a?=", "=?utf-8?x?a?=", ENCODED_WORD_MALFORMED },
	{ "x?= =?utf-8?q?y?=", "x?= y", ENCODED_WORD_MALFORMED },
	{ "x =?", "x =?", ENCODED_WORD_MALFORMED },
};

static void test_encoded_words(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(words); i++) {
		size_t length = strlen(words[i].text);
		enum encoded_word_fault fault;
		struct buffer out;

		buffer_init(&out, ENCODED_WORD_GROWTH * length + 1);
		assert_int_equal(encoded_word_decode(&out, words[i].text, length, &fault), 0);
		assert_int_equal(buffer_put_u8(&out, 0), 0);
		assert_string_equal((const char *)buffer_data(&out), words[i].decoded);
		assert_int_equal(fault, words[i].fault);
		buffer_wipe(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_encoded_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
