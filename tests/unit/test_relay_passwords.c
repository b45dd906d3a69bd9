/* The file of passwords: who may read it, what its lines mean, and that no error quotes a login. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "edge/relay_passwords.h"
#include "file_place.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int setup(void **state)
{
	return file_place_make(state, "relay_passwords");
}

static struct relay_passwords *create(struct file_place *place)
{
	return relay_passwords_create(place->path, place->error, sizeof(place->error));
}

/* "" = there is none. */
static void check(struct relay_passwords *passwords, const char *next_hop, const char *expected)
{
	struct sasl_login login = { "", "" };
	char found[600] = "";

	if (relay_passwords_find(passwords, next_hop, &login))
		snprintf(found, sizeof(found), "%s/%s", login.user, login.password);
	if (strcmp(found, expected) != 0)
		fail_msg("%s: \"%s\" instead of \"%s\"", next_hop, found, expected);
}

static void test_find(void **state)
{
	static const char text[] =
		"# Postfix's format\n"
		"[smtp.example.com]:587     user@example.com:secret:with: colons and blanks \n"
		"[SMTP.example.com]:submissions other:x\n"
		"mail.example.net           any:port\n"
		"[mail.example.net]:587     its:own\n"
		"example.org:25             domain:mx\n"
		"[192.0.2.1]                 address:p\n"
		"[2001:db8::1]:587\n"
		"   continued:line\n";
	static const struct {
		const char *next_hop, *expected;
	} rows[] = {
		{ "[smtp.example.com]:587", "user@example.com/secret:with: colons and blanks" },
		{ "[smtp.example.com]:465", "other/x" },
		{ "[smtp.example.com]:25", "" },
		{ "smtp.example.com:587", "" },
		{ "[mail.example.net]:25", "any/port" },
		{ "mail.example.net:25", "any/port" },
		{ "[mail.example.net]:587", "its/own" },
		{ "example.org:25", "domain/mx" },
		{ "[example.org]:25", "" },
		{ "example.org:587", "" },
		{ "[192.0.2.1]:25", "address/p" },
		{ "[192.0.2.1]:587", "" },
		{ "[IPv6:2001:db8::1]:587", "continued/line" },
		{ "nobody.example:25", "" },
		{ "", "" },
	};
	struct relay_passwords *passwords;

	file_place_write(*state, text, 0600);
	passwords = create(*state);
	if (passwords == NULL)
		fail_msg("%s", ((struct file_place *)*state)->error);
	assert_int_equal(relay_passwords_count(passwords), 7);
	for (size_t i = 0; i < COUNT(rows); i++)
		check(passwords, rows[i].next_hop, rows[i].expected);
	relay_passwords_destroy(passwords);
}

static void test_modes(void **state)
{
	static const struct {
		mode_t mode;
		bool is_good;
	} rows[] = {
		{ 0600, true }, { 0400, true }, { 0640, false }, { 0604, false }, { 0644, false },
		{ 0660, false }, { 0620, false }, { 0601, false }, { 0700, false }, { 0602, false },
	};
	struct file_place *place = *state;

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct relay_passwords *passwords;

		file_place_write(place, "[a.example]:587 u:p\n", rows[i].mode);
		passwords = create(place);
		if ((passwords != NULL) != rows[i].is_good)
			fail_msg("mode %04o: %s", rows[i].mode, passwords != NULL ? "taken" : place->error);
		if (passwords == NULL && (strstr(place->error, place->path) == NULL ||
					  strstr(place->error, "chmod 600 ") == NULL))
			fail_msg("%s", place->error);
		relay_passwords_destroy(passwords);
	}
}

/* Root may own it, and who reads it; nobody else. */
static void test_owner(void **state)
{
	struct file_place *place = *state;

	file_place_write(place, "[a.example]:587 u:p\n", 0600);
	if (geteuid() != 0 || chown(place->path, 12345, 0) != 0)
		skip();
	assert_null(create(place));
	assert_non_null(strstr(place->error, "owned by uid 12345, read by uid 0; chown 0 "));
}

static void test_mistakes(void **state)
{
	static char long_password[400];
	static const struct {
		const char *text, *expected;
	} rows[] = {
		{ "[a.example]:587\n", ":1: behind the relay stands no user:password" },
		{ "[a.example]:587 hunter2\n", ":1: behind the relay stands no user:password" },
		{ "[a.example]:587 :hunter2\n", ":1: behind the relay stands no user:password" },
		{ "\n[a.example]:587 hunter2:\n", ":2: behind the relay stands no user:password" },
		{ "[a.example u:hunter2\n", ":1: \"[a.example\" is no relay" },
		{ "[a.example]:587 u:hunter2\n[A.example]:submission v:hunter2\n",
		  ":2: [a.example]:587 stands in line 1 already" },
		{ "a.example u:hunter2\na.EXAMPLE v:w\n", ":2: a.example stands in line 1 already" },
		{ long_password, ":1: user or password is longer than 255 bytes" },
	};
	struct file_place *place = *state;

	snprintf(long_password, sizeof(long_password), "[a.example]:587 u:hunter2%0300d\n", 0);
	for (size_t i = 0; i < COUNT(rows); i++) {
		file_place_write(place, rows[i].text, 0600);
		if (create(place) != NULL)
			fail_msg("taken: %s", rows[i].text);
		if (strstr(place->error, rows[i].expected) == NULL ||
		    strstr(place->error, "hunter2") != NULL)
			fail_msg("%s", place->error);
	}
}

static void test_change(void **state)
{
	struct file_place *place = *state;
	struct relay_passwords *passwords = create(place);

	assert_non_null(passwords);	/* no file yet */
	check(passwords, "[a.example]:587", "");
	file_place_write(place, "[a.example]:587 u:one\n", 0600);
	check(passwords, "[a.example]:587", "u/one");
	file_place_write(place, "[a.example]:587 u:two\n[b.example]:25 v:three\n", 0600);
	check(passwords, "[a.example]:587", "u/two");
	file_place_write(place, "[a.example]:587 u:four\n", 0644);	/* others can read it: not taken */
	check(passwords, "[a.example]:587", "u/two");
	unlink(place->path);
	check(passwords, "[b.example]:25", "v/three");
	relay_passwords_destroy(passwords);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_find, setup, file_place_remove),
		cmocka_unit_test_setup_teardown(test_modes, setup, file_place_remove),
		cmocka_unit_test_setup_teardown(test_owner, setup, file_place_remove),
		cmocka_unit_test_setup_teardown(test_mistakes, setup, file_place_remove),
		cmocka_unit_test_setup_teardown(test_change, setup, file_place_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
