/* Invites: what is printed is read again; every damage has its name; the key follows from the secret. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tunnel/invite.h"

static struct invite example(const char *host)
{
	struct invite invite = { .port = 7843, .expires = 1795403100 };

	snprintf(invite.host, sizeof(invite.host), "%s", host);
	for (int i = 0; i < NOISE_DHLEN; i++)
		invite.edge_key[i] = (uint8_t)(i * 37 + 3);
	for (int i = 0; i < INVITE_SECRET_SIZE; i++)
		invite.secret[i] = (uint8_t)(251 - 11 * i);
	return invite;
}

static void print(char *text, const char *host)
{
	struct invite invite = example(host);

	assert_int_equal(invite_print(&invite, text), 0);
}

static void is_example(const char *text, const char *host)
{
	struct invite invite, wanted = example(host);
	char reason[400];

	assert_int_equal(invite_parse(&invite, text, reason, sizeof(reason)), INVITE_GOOD);
	assert_string_equal(invite.host, wanted.host);
	assert_int_equal(invite.port, wanted.port);
	assert_int_equal(invite.expires, wanted.expires);
	assert_memory_equal(invite.edge_key, wanted.edge_key, NOISE_DHLEN);
	assert_memory_equal(invite.secret, wanted.secret, INVITE_SECRET_SIZE);
}

static void round_trip(void **state)
{
	static const char *const hosts[] = { "relay.example.com", "198.51.100.20", "2001:db8:2::20",
					     "::1", "a.xn--p1ai" };
	char text[INVITE_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		print(text, hosts[i]);
		is_example(text, hosts[i]);
	}
}

/* What stands in one that was printed yesterday must be understood tomorrow. */
static void known_text(void **state)
{
	char text[INVITE_TEXT_MAX];

	(void)state;
	print(text, "relay.example.com");
	assert_string_equal(text, "postern-invite:1:relay.example.com:7843:AyhNcpe84QYrUHWav-"
				  "QJLlN4ncLnDDFWe6DF6g80WX4:"
				  "-_Dl2s_Eua6jmI2Cd2xhVg:1795403100:ymvt5k0");
	print(text, "2001:db8:2::20");
	assert_memory_equal(text, "postern-invite:1:[2001:db8:2::20]:7843:", 39);
}

static void white_space_is_skipped(void **state)
{
	char text[INVITE_TEXT_MAX], wrapped[2 * INVITE_TEXT_MAX];

	(void)state;
	print(text, "relay.example.com");
	snprintf(wrapped, sizeof(wrapped), " \t%.40s\r\n  %.30s\n%s \n", text, text + 40,
		 text + 70);
	is_example(wrapped, "relay.example.com");
}

static void refuses(const char *text, enum invite_fault fault)
{
	struct invite invite, untouched;
	char reason[400] = "";

	memset(&invite, 0x5a, sizeof(invite));
	memset(&untouched, 0x5a, sizeof(untouched));
	if (invite_parse(&invite, text, reason, sizeof(reason)) != fault)
		fail_msg("\"%s\": %s", text, reason);
	assert_memory_equal(&invite, &untouched, sizeof(invite));
	assert_true(strlen(reason) > 20);
	assert_null(strstr(reason, "-_Dl2s"));
}

/* Each character exchanged for each other one, left out, doubled, and in the other case. */
static void every_character_counts(void **state)
{
	char text[INVITE_TEXT_MAX], damaged[INVITE_TEXT_MAX + 1], reason[400];
	const size_t prefix = strlen(INVITE_PREFIX "1:");
	struct invite invite;
	size_t length;

	(void)state;
	print(text, "relay.example.com");
	length = strlen(text);
	for (size_t i = prefix; i < length; i++) {
		for (int c = '!'; c <= '~'; c++) {
			strcpy(damaged, text);
			damaged[i] = (char)c;
			assert_true((invite_parse(&invite, damaged, reason, sizeof(reason)) ==
				     INVITE_GOOD) == (text[i] == c));
		}
		snprintf(damaged, sizeof(damaged), "%.*s%s", (int)i, text, text + i + 1);
		assert_int_not_equal(invite_parse(&invite, damaged, reason, sizeof(reason)),
				     INVITE_GOOD);
		snprintf(damaged, sizeof(damaged), "%.*s%s", (int)i + 1, text, text + i);
		assert_int_not_equal(invite_parse(&invite, damaged, reason, sizeof(reason)),
				     INVITE_GOOD);
	}
}

static void cut_off(void **state)
{
	static const char *const hosts[] = { "relay.example.com", "2001:db8:2::20" };
	char text[INVITE_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		print(text, hosts[i]);
		for (size_t length = strlen(text) - 1; length > 0; length--) {
			text[length] = '\0';
			refuses(text, INVITE_CUT_OFF);
		}
	}
}

static void faults(void **state)
{
	char text[INVITE_TEXT_MAX], other[INVITE_TEXT_MAX + 20], longest[2000];

	(void)state;
	print(text, "relay.example.com");
	refuses("", INVITE_NONE);
	refuses("   \n", INVITE_NONE);
	refuses("hello", INVITE_NONE);
	refuses("Postern-invite:1:", INVITE_NONE);
	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	refuses(longest, INVITE_NONE);
	memcpy(longest, text, strlen(text));
	refuses(longest, INVITE_NONE);
	snprintf(other, sizeof(other), INVITE_PREFIX "2%s", text + strlen(INVITE_PREFIX "1"));
	refuses(other, INVITE_OTHER_VERSION);
	refuses(INVITE_PREFIX "23:whatever", INVITE_OTHER_VERSION);
	snprintf(other, sizeof(other), INVITE_PREFIX "l%s", text + strlen(INVITE_PREFIX "1"));
	refuses(other, INVITE_DAMAGED);
	snprintf(other, sizeof(other), "%s7", text);
	refuses(other, INVITE_DAMAGED);
	snprintf(other, sizeof(other), "%s:7", text);
	refuses(other, INVITE_CUT_OFF);
}

static void cannot_be_printed(void **state)
{
	static const char *const hosts[] = {
		"", "localhost", "a b.example", "x.example:7843", "[2001:db8::1]", "2001:db8::zz"
	};
	char text[INVITE_TEXT_MAX];
	struct invite invite;

	(void)state;
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		invite = example(hosts[i]);
		assert_int_equal(invite_print(&invite, text), -1);
	}
	invite = example("relay.example.com");
	invite.port = 0;
	assert_int_equal(invite_print(&invite, text), -1);
}

static void key_pair(void **state)
{
	/* By another implementation of BLAKE2b and X25519. */
	static const uint8_t wanted[NOISE_DHLEN] = {
		0x9b, 0x19, 0x07, 0xf8, 0xad, 0x52, 0x35, 0x55, 0xb4, 0xef, 0x2c,
		0xef, 0xbd, 0x46, 0x24, 0xdc, 0x95, 0x65, 0x71, 0xcd, 0x68, 0x0c,
		0xac, 0x78, 0x9a, 0x36, 0x11, 0x3d, 0x1e, 0xa5, 0x0e, 0x5c,
	};
	struct invite invite = example("relay.example.com");
	struct noise_keypair one, other, again;

	(void)state;
	invite_derive(&one, invite.secret);
	assert_memory_equal(one.public_key, wanted, sizeof(wanted));
	invite_derive(&again, invite.secret);
	assert_memory_equal(&one, &again, sizeof(one));
	assert_int_equal(noise_keypair_from_secret(&again, one.secret_key), 0);
	assert_memory_equal(one.public_key, again.public_key, NOISE_DHLEN);
	assert_int_equal(one.secret_key[0] & 7, 0);
	assert_int_equal(one.secret_key[31] & 0xc0, 0x40);
	invite.secret[15] ^= 1;
	invite_derive(&other, invite.secret);
	assert_memory_not_equal(one.public_key, other.public_key, NOISE_DHLEN);
	for (int i = 0; i < 300; i++) {
		invite_make_secret(invite.secret);
		invite_derive(&other, invite.secret);
		assert_false(noise_key_looks_secret(other.public_key));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(known_text),
		cmocka_unit_test(white_space_is_skipped),
		cmocka_unit_test(every_character_counts),
		cmocka_unit_test(cut_off),
		cmocka_unit_test(faults),
		cmocka_unit_test(cannot_be_printed),
		cmocka_unit_test(key_pair),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
