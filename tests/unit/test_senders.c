/* The table `senders`: which line counts, that a mistake hits its own key only, and that trouble is not absence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <cdb.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "captured_log.h"
#include "file_place.h"
#include "lib/deadline.h"
#include "milter/senders.h"
#include "milter/senders_key.h"
#include "socketmap_server.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define HEX16 "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF"
#define HEX64 HEX16 ":" HEX16 ":" HEX16 ":" HEX16

struct fixture {
	struct file_place place;
	char error[1200], spec[200];
	struct senders *senders;
	struct senders_entry entry;
};

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	*state = fixture;
	return file_place_init(&fixture->place, "senders");
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	senders_destroy(fixture->senders);
	sender_list_release(fixture->entry.list);
	file_place_wipe(&fixture->place);
	free(fixture);
	return 0;
}

/* As if it had been written `age_s` seconds ago. */
static void write_table(const struct fixture *fixture, const char *text, int age_s)
{
	struct timespec times[2];
	FILE *file = fopen(fixture->place.path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	clock_gettime(CLOCK_REALTIME, &times[0]);
	times[0].tv_sec -= age_s;
	times[1] = times[0];
	utimensat(AT_FDCWD, fixture->place.path, times, 0);
}

static void create(struct fixture *fixture, const char *spec)
{
	senders_destroy(fixture->senders);
	fixture->senders = senders_create(spec, "+", fixture->error, sizeof(fixture->error));
	if (fixture->senders == NULL)
		fail_msg("%s", fixture->error);
}

static enum senders_result find(struct fixture *fixture, const struct client *client)
{
	sender_list_release(fixture->entry.list);
	return senders_find(fixture->senders, client, &fixture->entry, fixture->error, sizeof(fixture->error));
}

/* "login:NAME", "cert:CERTIFICATE", "key:PUBLIC-KEY", "local", or an address. */
static struct client client_of(const char *who)
{
	struct client client = { .is_local = strcmp(who, "local") == 0 };
	struct sockaddr_in *v4 = (struct sockaddr_in *)&client.address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&client.address;

	if (strncmp(who, "login:", 6) == 0)
		snprintf(client.login, sizeof(client.login), "%s", who + 6);
	else if (strncmp(who, "cert:", 5) == 0)
		snprintf(client.certificate, sizeof(client.certificate), "%s", who + 5);
	else if (strncmp(who, "key:", 4) == 0)
		snprintf(client.public_key, sizeof(client.public_key), "%s", who + 4);
	else if (inet_pton(AF_INET, who, &v4->sin_addr) == 1)
		client.address.ss_family = AF_INET;
	else if (inet_pton(AF_INET6, who, &v6->sin6_addr) == 1)
		client.address.ss_family = AF_INET6;
	return client;
}

static enum senders_result find_who(struct fixture *fixture, const char *who)
{
	struct client client = client_of(who);

	return find(fixture, &client);
}

/* Is that what the list found allows? */
static bool is_allowed(const struct fixture *fixture, const char *text)
{
	struct sender_address address;
	struct mailbox mailbox;
	char reason[200];

	assert_int_equal(mailbox_parse(&mailbox, text, strlen(text), true, reason, sizeof(reason)), 0);
	assert_int_equal(sender_address_from_mailbox(&address, &mailbox, reason, sizeof(reason)), 0);
	return sender_list_allows(fixture->entry.list, SENDER_IN_FROM, &address, NULL);
}

static const char table[] =
	"# everybody\n"					/* 1 */
	"alice            a@example.com\n"		/* 2 */
	"bob@example.com  b@example.com\n"		/* 3 */
	"@example.com     self\n"			/* 4 */
	"login:local      l@example.com\n"		/* 5 */
	"login:192.0.2.1  i@example.com\n"		/* 6 */
	"local            @host.example\n"		/* 7 */
	"cert:" HEX16 "   c@example.com\n"		/* 8 */
	HEX64 "           d@example.com\n"		/* 9 */
	"192.0.2.0/24     n24@example.com\n"		/* 10 */
	"192.0.2.7        n32@example.com\n"		/* 11 */
	"192.0.0.0/16     n16@example.com\n"		/* 12 */
	"2001:DB8::/32    v32@example.com\n"		/* 13 */
	"2001:db8:0:1::/64 v64@example.com\n"		/* 14 */
	"2001:db8:0:1::5  v128@example.com\n"		/* 15 */
	"::ffff:198.51.100.0/120 m@example.com\n"	/* 16 */
	"@M\xc3\xbcnchen.example  self\n"		/* 17 */
	"login:@example.net  x@example.net\n"		/* 18 */
	"J\xc3\xbcrgen    j@example.com\n"		/* 19 */
	"192.0.2.128/25   n25@example.com\n";		/* 20 */

static const struct {
	const char *who;
	size_t line;		/* 0: none */
	const char *told;	/* entry.who */
} text_rows[] = {
	{ "login:alice", 2, "login:alice" },
	{ "login:ALICE", 2, "login:alice" },
	{ "login:bob@example.com", 3, "login:bob@example.com" },
	{ "login:Bob@Example.Com", 3, "login:bob@example.com" },
	{ "login:carol@example.com", 4, "login:carol@example.com" },
	{ "login:carol@sub.example.com", 0, "login:carol@sub.example.com" },
	{ "login:carol", 0, "login:carol" },
	{ "login:local", 5, "login:local" },
	{ "login:192.0.2.1", 6, "login:192.0.2.1" },
	{ "login:192.0.2.7", 0, "login:192.0.2.7" },
	{ "login:192.0.2.0/24", 0, "login:192.0.2.0/24" },
	{ "login:" HEX16, 0, "login:00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff" },
	{ "login:@example.com", 0, "login:@example.com" },
	{ "login:@example.net", 18, "login:@example.net" },
	{ "login:login:alice", 0, "login:login:alice" },
	{ "login:cert:" HEX16, 0, "login:cert:00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff" },
	{ "login:x@m\xc3\xbcnchen.example", 17, "login:x@m??nchen.example" },
	{ "login:x@xn--mnchen-3ya.example", 17, "login:x@xn--mnchen-3ya.example" },
	{ "login:j\xc3\xbcrgen", 19, "login:j??rgen" },
	{ "login:alice ", 0, "login:alice " },
	{ "login:al\nice", 0, "login:al?ice" },
	{ "login:alice\x7f", 0, "login:alice?" },
	{ "login:al\xff", 0, "login:al?" },
	{ "login:al\xc2\x85", 0, "login:al??" },
	{ "local", 7, "local" },
	{ "cert:" HEX16, 8, "cert:" HEX16 },
	{ "key:" HEX64, 9, "cert:" HEX64 },
	{ "key:00:11", 0, "client:unknown" },
	{ "192.0.2.8", 10, "client:192.0.2.0/24" },
	{ "192.0.2.7", 11, "client:192.0.2.7" },
	{ "192.0.2.129", 20, "client:192.0.2.128/25" },
	{ "192.0.3.7", 12, "client:192.0.0.0/16" },
	{ "193.0.2.7", 0, "client:193.0.2.7" },
	{ "::ffff:192.0.2.7", 11, "client:192.0.2.7" },
	{ "::ffff:192.0.2.8", 10, "client:192.0.2.0/24" },
	{ "198.51.100.9", 16, "client:198.51.100.0/24" },
	{ "2001:db8:0:1::5", 15, "client:2001:db8:0:1::5" },
	{ "2001:db8:0:1::6", 14, "client:2001:db8:0:1::/64" },
	{ "2001:db8:0:2::6", 13, "client:2001:db8::/32" },
	{ "2001:db9::1", 0, "client:2001:db9::1" },
	{ "", 0, "client:unknown" },
};

static void test_which_line(void **state)
{
	struct fixture *fixture = *state;
	char where[200];

	write_table(fixture, table, 0);
	create(fixture, fixture->place.path);
	assert_int_equal(senders_count(fixture->senders), 19);
	assert_int_equal(senders_check(fixture->senders, NULL, NULL), 0);
	for (size_t i = 0; i < COUNT(text_rows); i++) {
		enum senders_result result = find_who(fixture, text_rows[i].who);

		snprintf(where, sizeof(where), "%s:%zu", fixture->place.path, text_rows[i].line);
		if (result != (text_rows[i].line > 0 ? SENDERS_FOUND : SENDERS_NONE) ||
		    (result == SENDERS_FOUND && strcmp(fixture->entry.where, where) != 0) ||
		    strcmp(fixture->entry.who, text_rows[i].told) != 0)
			fail_msg("%s: %d, \"%s\", \"%s\", %s", text_rows[i].who, result, fixture->entry.where,
				 fixture->entry.who, fixture->error);
		if (result == SENDERS_NONE)
			assert_null(fixture->entry.list);
	}
}

/* The first kind that applies decides alone, also by having no line. */
static void test_order(void **state)
{
	struct fixture *fixture = *state;
	struct client client = client_of("192.0.2.7");

	write_table(fixture,
		    "alice a@example.com\nlocal b@example.com\n" HEX16 " c@example.com\n" HEX64 " d@example.com\n"
		    "192.0.2.7 e@example.com\n", 0);
	create(fixture, fixture->place.path);
	strcpy(client.certificate, HEX16);
	strcpy(client.public_key, HEX64);
	strcpy(client.login, "carol");
	assert_int_equal(find(fixture, &client), SENDERS_NONE);
	strcpy(client.login, "alice");
	assert_int_equal(find(fixture, &client), SENDERS_FOUND);
	assert_true(is_allowed(fixture, "a@example.com"));
	client.login[0] = '\0';
	assert_int_equal(find(fixture, &client), SENDERS_FOUND);
	assert_true(is_allowed(fixture, "c@example.com"));
	/* An unknown certificate is no reason to refuse: the public key, then the address. */
	client.certificate[0] = '1';
	assert_int_equal(find(fixture, &client), SENDERS_FOUND);
	assert_true(is_allowed(fixture, "d@example.com"));
	client.public_key[0] = '1';
	assert_int_equal(find(fixture, &client), SENDERS_FOUND);
	assert_true(is_allowed(fixture, "e@example.com"));
	assert_string_equal(fixture->entry.who, "client:192.0.2.7");
	client.is_local = true;
	assert_int_equal(find(fixture, &client), SENDERS_FOUND);
	assert_true(is_allowed(fixture, "b@example.com"));
	assert_string_equal(fixture->entry.who, "local");

	write_table(fixture, "login:* @example.com\n@example.com self\n", 0);
	create(fixture, fixture->place.path);
	assert_int_equal(find_who(fixture, "login:carol"), SENDERS_FOUND);
	assert_true(is_allowed(fixture, "x@example.com"));
	assert_int_equal(find_who(fixture, "login:carol@example.com"), SENDERS_FOUND);
	assert_false(is_allowed(fixture, "x@example.com"));
	assert_int_equal(find_who(fixture, "login:bad login"), SENDERS_NONE);
	assert_int_equal(find_who(fixture, "local"), SENDERS_NONE);
	assert_int_equal(find_who(fixture, "192.0.2.7"), SENDERS_NONE);
}

/* Longer than any login may be; not even terminated. */
static void test_long_login(void **state)
{
	struct fixture *fixture = *state;
	struct client client = { 0 };

	write_table(fixture, "login:* *\n", 0);
	create(fixture, fixture->place.path);
	memset(client.login, 'a', CLIENT_LOGIN_MAX);
	assert_int_equal(find(fixture, &client), SENDERS_FOUND);
	assert_int_equal(strlen(fixture->entry.who), strlen("login:") + CLIENT_LOGIN_MAX);
	client.login[CLIENT_LOGIN_MAX] = 'a';
	assert_int_equal(find(fixture, &client), SENDERS_NONE);
}

struct told {
	size_t count;
	char last[1200];
};

static void take_mistake(void *context, const char *mistake)
{
	struct told *told = context;

	told->count++;
	snprintf(told->last, sizeof(told->last), "%s", mistake);
}

static const struct {
	const char *line;
	const char *who;	/* gets BAD_LINE; NULL: the line is skipped */
	const char *expected;
} mistake_rows[] = {
	{ "alice", "login:alice", ":2: the line says nothing; write the addresses after the key" },
	{ "alice bob", "login:alice", ":2: \"bob\": is neither an address nor a domain; write" },
	{ "alice a@example.com default=x", "login:alice", ":2: \"default=x\": " },
	{ "@example.net nobody", "login:alice@example.net", ":2: \"nobody\"" },
	{ "192.0.2.0/24 *@example.com", "192.0.2.3", ":2: \"*@example.com\"" },
	{ "local -", "local", ":2: \"-\"" },
	{ HEX16 " -", "cert:" HEX16, ":2: \"-\"" },
	{ "login:* -", "login:alice", ":2: \"-\"" },
	{ "192.0.2.1/24 @example.com", NULL, ":2: \"192.0.2.1/24\" is an address inside a network; write 192.0.2.0/24" },
	{ "2001:db8::1/32 @example.com", NULL, "write 2001:db8::/32 for the network" },
	{ "0.0.0.1/0 @example.com", NULL, "write 0.0.0.0/0 for the network" },
	{ "::ffff:0.0.0.0/95 @example.com", NULL, "write ::fffe:0:0/95 for the network" },
	{ "192.0.2.0/33 @example.com", NULL, "write a number from 0 to 32" },
	{ "2001:db8::/129 @example.com", NULL, "write a number from 0 to 128" },
	{ "192.0.2.0/ @example.com", NULL, "write a number from 0 to 32" },
	{ "192.0.2.0/024 @example.com", NULL, "write a number from 0 to 32" },
	{ "192.0.2.0/255.255.255.0 @example.com", NULL, "write a number from 0 to 32" },
	{ "192.0.2 @example.com", NULL, "is neither an address, a network nor a fingerprint; write 192.0.2.0/24" },
	{ "192.0.2.256 @example.com", NULL, "is neither an address" },
	{ "2001:db8 @example.com", NULL, "is neither an address" },
	{ "[2001:db8::1] @example.com", NULL, "write an address without brackets" },
	{ "AB:CD:EF @example.com", NULL, "the 16 to 64 bytes of a fingerprint as AB:CD:..." },
	{ HEX64 ":00 @example.com", NULL, "the 16 to 64 bytes of a fingerprint as AB:CD:..." },
	{ "cert:abcd @example.com", NULL, "is no fingerprint; write its 16 to 64 bytes as cert:AB:CD:..." },
	{ "client:192.0.2.1 @example.com", NULL, "without \"client:\"" },
	{ "* @example.com", NULL, "write login:* for every login" },
	{ ".example.com @example.com", NULL, "write the logins of each domain as @sub.example.com" },
	{ "@ @example.com", NULL, "is no domain with \"@\" (" },
	{ "@a@b.example @example.com", NULL, "is no domain with \"@\" (" },
	{ "@M\xc3\x9cnchen.example self", NULL, "write the logins of a domain as @example.com" },
	{ "login: @example.com", NULL, "is no login" },
	{ "a\xff @example.com", NULL, "\"a?\" is no login" },
};

/* What is beside the bad line counts as if it were not there. */
static void test_mistakes(void **state)
{
	struct fixture *fixture = *state;
	struct captured_log log;
	char text[1000];

	for (size_t i = 0; i < COUNT(mistake_rows); i++) {
		struct told told = { 0 };
		unsigned logged;

		snprintf(text, sizeof(text), "carol c@example.com\n%s\ndave d@example.com\n", mistake_rows[i].line);
		write_table(fixture, text, 0);
		captured_log_start(&log);
		create(fixture, fixture->place.path);
		assert_int_equal(captured_log_count(&log, "/senders:2: "), 0);
		senders_log_mistakes(fixture->senders);
		logged = captured_log_count(&log, "/senders:2: ");
		captured_log_stop(&log);
		assert_int_equal(logged, 1);
		assert_int_equal(senders_check(fixture->senders, take_mistake, &told), 1);
		if (strstr(told.last, mistake_rows[i].expected) == NULL)
			fail_msg("%s: %s", mistake_rows[i].line, told.last);
		assert_int_equal(find_who(fixture, "login:carol"), SENDERS_FOUND);
		assert_int_equal(find_who(fixture, "login:dave"), SENDERS_FOUND);
		assert_int_equal(find_who(fixture, "192.0.2.1"),
				 mistake_rows[i].who != NULL && strcmp(mistake_rows[i].who, "192.0.2.3") == 0 ? SENDERS_BAD_LINE :
														 SENDERS_NONE);
		if (mistake_rows[i].who == NULL)
			continue;
		assert_int_equal(find_who(fixture, mistake_rows[i].who), SENDERS_BAD_LINE);
		assert_string_equal(fixture->error, told.last);
		assert_null(fixture->entry.list);
	}
}

/* A second line for a key that says the same does no harm; one that says something else spoils the key. */
static void test_doubles(void **state)
{
	static const struct {
		const char *lines;
		enum senders_result result;	/* of alice, and of 192.0.2.1 */
		size_t mistakes;
		const char *expected;
	} rows[] = {
		{ "alice a@example.com\nALICE a@example.com\n192.0.2.0/24 x@example.com\n", SENDERS_FOUND, 1,
		  ":2: \"ALICE\" stands in line 1 already, with the same addresses; remove one" },
		{ "alice a@example.com\nlogin:alice @example.com\n192.0.2.0/24 x@example.com\n", SENDERS_FOUND, 1,
		  ":2: \"login:alice\" stands in line 1 already, with other addresses; leave one" },
		{ "alice a@example.com\n192.0.2.0/24 x@example.com\n::ffff:192.0.2.0/120 x@example.com\n", SENDERS_FOUND, 1,
		  ":3: \"::ffff:192.0.2.0/120\" stands in line 2 already, with the same" },
		{ "alice a@example.com\nalice b@example.com\nalice a@example.com\n192.0.2.0/24 x@example.com\n",
		  SENDERS_BAD_LINE, 2, ":3: \"alice\" stands in line 1 already, with the same" },
		{ "alice -\nalice a@example.com\n192.0.2.0/24 x@example.com\n", SENDERS_BAD_LINE, 2,
		  ":2: \"alice\" stands in line 1 already, with other" },
	};
	struct fixture *fixture = *state;
	struct captured_log log;

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct told told = { 0 };
		bool is_other = strstr(rows[i].expected, "with other") != NULL;

		write_table(fixture, rows[i].lines, 0);
		captured_log_start(&log);
		create(fixture, fixture->place.path);
		captured_log_stop(&log);
		assert_int_equal(senders_check(fixture->senders, take_mistake, &told), rows[i].mistakes);
		if (strstr(told.last, rows[i].expected) == NULL)
			fail_msg("%zu: %s", i, told.last);
		assert_int_equal(find_who(fixture, "login:alice"), is_other ? SENDERS_BAD_LINE : rows[i].result);
		assert_int_equal(find_who(fixture, "192.0.2.1"), SENDERS_FOUND);
	}
}

static void wait_for_look(void)
{
	usleep(1050000);
}

static void test_changes(void **state)
{
	struct fixture *fixture = *state;
	struct captured_log log;
	unsigned complaints, readings, mistakes;

	write_table(fixture, "alice a@example.com\n", 10);
	create(fixture, fixture->place.path);
	captured_log_start(&log);
	write_table(fixture, "bob b@example.com\ncarol -\n", 5);
	wait_for_look();
	assert_int_equal(find_who(fixture, "login:alice"), SENDERS_NONE);
	assert_int_equal(find_who(fixture, "login:bob"), SENDERS_FOUND);
	assert_int_equal(find_who(fixture, "login:carol"), SENDERS_BAD_LINE);
	/* The list that somebody holds lives on. */
	assert_int_equal(find_who(fixture, "login:bob"), SENDERS_FOUND);
	/* Gone, unreadable as a table, a directory: as it was. */
	for (int i = 0; i < 3; i++) {
		unlink(fixture->place.path);
		if (i == 1)
			write_table(fixture, " continues nothing\n", 5);
		else if (i == 2)
			assert_int_equal(mkdir(fixture->place.path, 0700), 0);
		wait_for_look();
		assert_true(is_allowed(fixture, "b@example.com"));
		assert_int_equal(find_who(fixture, "login:bob"), SENDERS_FOUND);
	}
	rmdir(fixture->place.path);
	write_table(fixture, "dave d@example.com\n", 5);
	wait_for_look();
	assert_int_equal(find_who(fixture, "login:bob"), SENDERS_NONE);
	assert_int_equal(find_who(fixture, "login:dave"), SENDERS_FOUND);
	/* Once is enough. */
	wait_for_look();
	assert_int_equal(find_who(fixture, "login:dave"), SENDERS_FOUND);
	complaints = captured_log_count(&log, "the lines read before stay in force");
	readings = captured_log_count(&log, "was read again: ");
	mistakes = captured_log_count(&log, "/senders:2: \"-\"");
	captured_log_stop(&log);
	assert_int_equal(complaints, 1);
	assert_int_equal(readings, 2);
	assert_int_equal(mistakes, 1);
}

/* A file that is being written is not taken at its word, but only for a moment. */
static void test_fresh_file(void **state)
{
	struct fixture *fixture = *state;
	struct captured_log log;

	write_table(fixture, "alice a@example.com\n", 10);
	create(fixture, fixture->place.path);
	captured_log_start(&log);
	wait_for_look();
	write_table(fixture, "", 0);
	assert_int_equal(find_who(fixture, "login:alice"), SENDERS_FOUND);
	write_table(fixture, "bob b@example.com\n", 0);
	wait_for_look();
	assert_int_equal(find_who(fixture, "login:bob"), SENDERS_FOUND);
	captured_log_stop(&log);
}

static void test_specs(void **state)
{
	static const struct {
		const char *spec, *expected;
	} rows[] = {
		{ "/nonexistent/senders", "/nonexistent/senders: No such file or directory" },
		{ "senders", "\"senders\" is no table for senders; it can be /path" },
		{ "hash:/etc/postern/senders", "is no table for senders" },
		{ "cdb:/nonexistent/senders", "/nonexistent/senders.cdb: No such file or directory" },
		{ "cdb:/nonexistent/senders.cdb", "/nonexistent/senders.cdb: No such file or directory" },
		{ "cdb:/dev/null", "/dev/null.cdb: No such file" },
		{ "cdb:senders", "is no table for senders" },
		{ "socketmap:unix:/x", "\"socketmap:unix:/x\": " },
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < COUNT(rows); i++) {
		if (senders_create(rows[i].spec, "", fixture->error, sizeof(fixture->error)) != NULL)
			fail_msg("accepted: %s", rows[i].spec);
		if (strstr(fixture->error, rows[i].expected) == NULL)
			fail_msg("\"%s\": %s", rows[i].spec, fixture->error);
	}
	senders_destroy(NULL);
}

/* A file that is something else altogether does not fill the log. */
static void test_many_mistakes(void **state)
{
	struct fixture *fixture = *state;
	FILE *file = fopen(fixture->place.path, "w");
	struct captured_log log;
	unsigned lines, rest;

	assert_non_null(file);
	for (unsigned i = 0; i < 1000; i++)
		fprintf(file, "user%u x\n", i);
	fclose(file);
	captured_log_start(&log);
	create(fixture, fixture->place.path);
	senders_log_mistakes(fixture->senders);
	lines = captured_log_count(&log, "/senders");
	rest = captured_log_count(&log, "/senders: 980 more mistakes; postern-milter --check");
	captured_log_stop(&log);
	assert_int_equal(lines, 21);
	assert_int_equal(rest, 1);
	assert_int_equal(senders_check(fixture->senders, take_mistake, &(struct told){ 0 }), 1000);
}

/* That this program has computed for, however long it had to wait for a processor. */
static double computed_s(void)
{
	struct timespec computed;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &computed);
	return (double)computed.tv_sec + (double)computed.tv_nsec / 1e9;
}

/* What it costs to read so many pairs of lines, and to find every seventh. */
static double cost_s(struct fixture *fixture, unsigned pairs)
{
	FILE *file = fopen(fixture->place.path, "w");
	double begin_s;
	char who[80];

	assert_non_null(file);
	for (unsigned i = 0; i < pairs; i++)
		fprintf(file, "user%u@example.com user%u@example.com @list%u.example.com\n10.%u.%u.0/24 @n%u.example\n", i, i, i,
			i >> 8, i & 255, i);
	fclose(file);
	begin_s = computed_s();
	create(fixture, fixture->place.path);
	assert_int_equal(senders_check(fixture->senders, take_mistake, &(struct told){ 0 }), 0);
	assert_int_equal(senders_count(fixture->senders), 2 * pairs);
	for (unsigned i = 0; i < pairs; i += 7) {
		snprintf(who, sizeof(who), "login:USER%u@example.com", i);
		assert_int_equal(find_who(fixture, who), SENDERS_FOUND);
		snprintf(who, sizeof(who), "10.%u.%u.200", i >> 8, i & 255);
		assert_int_equal(find_who(fixture, who), SENDERS_FOUND);
	}
	return computed_s() - begin_s;
}

/* The bound that is promised: ten times as many lines cost ten times as much and not a hundred times, so that a reload takes no age. */
static void test_many_lines(void **state)
{
	struct fixture *fixture = *state;
	double few_s = cost_s(fixture, 5000), many_s = cost_s(fixture, 50000);

	if (many_s > 50 * few_s)
		fail_msg("%.3f s for ten times as much as %.3f s", many_s, few_s);
}

static void add_record(struct cdb_make *make, const char *key, size_t key_length, const char *value, size_t value_length)
{
	assert_int_equal(cdb_make_add(make, key, (unsigned)key_length, value, (unsigned)value_length), 0);
}

/* By rename, as postmap(1) does it. */
static void write_cdb(const struct fixture *fixture, const char *const (*records)[2], size_t count, size_t nul)
{
	char path[120], temporary[130];
	struct cdb_make make;
	int fd;

	snprintf(path, sizeof(path), "%s.cdb", fixture->place.path);
	snprintf(temporary, sizeof(temporary), "%s.tmp", path);
	fd = open(temporary, O_RDWR | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(cdb_make_start(&make, fd), 0);
	for (size_t i = 0; i < count; i++)
		add_record(&make, records[i][0], strlen(records[i][0]) + nul, records[i][1], strlen(records[i][1]) + nul);
	if (nul == 0) {
		add_record(&make, "nul", 3, "a\0b", 3);
		add_record(&make, "empty", 5, "", 0);
	}
	assert_int_equal(cdb_make_finish(&make), 0);
	close(fd);
	assert_int_equal(rename(temporary, path), 0);
}

static const char *const records[][2] = {
	{ "alice", "a@example.com" },
	{ "bob@example.com", "b@example.com" },
	{ "@example.com", "self" },
	{ "login:dave", "d@example.com" },
	{ "login:local", "l@example.com" },
	{ "local", "@host.example" },
	{ "00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff", "c@example.com" },
	{ "192.0.2.7", "n32@example.com" },
	{ "192.0.2", "n24@example.com" },
	{ "192.0", "n16@example.com" },
	{ "10", "n8@example.com" },
	{ "2001:db8:0:1", "v64@example.com" },
	{ "2001:db8", "v32@example.com" },
	{ "2003", "v16@example.com" },
	{ "mallory", "*@example.com" },
};

/* Those who ask a table of strings, and the key that decides; NULL: none. */
static const struct {
	const char *who, *key, *told;
} string_rows[] = {
	{ "login:alice", "alice", "login:alice" },
	{ "login:Alice", "alice", "login:alice" },
	{ "login:bob@example.com", "bob@example.com", "login:bob@example.com" },
	{ "login:carol@example.com", "@example.com", "login:carol@example.com" },
	{ "login:dave", "login:dave", "login:dave" },
	{ "login:eve", NULL, "login:eve" },
	{ "login:local", "login:local", "login:local" },
	{ "login:192.0.2.7", NULL, "login:192.0.2.7" },
	{ "login:192.0.2", NULL, "login:192.0.2" },
	{ "login:2001:db8", NULL, "login:2001:db8" },
	{ "login:login:dave", NULL, "login:login:dave" },
	{ "login:@example.com", NULL, "login:@example.com" },
	{ "login:" HEX16, NULL, "login:00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff" },
	{ "login:al ice", NULL, "login:al ice" },
	{ "local", "local", "local" },
	{ "cert:" HEX16, "00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff", "cert:" HEX16 },
	{ "192.0.2.7", "192.0.2.7", "client:192.0.2.7" },
	{ "192.0.2.8", "192.0.2", "client:192.0.2" },
	{ "192.0.3.8", "192.0", "client:192.0" },
	{ "::ffff:192.0.3.8", "192.0", "client:192.0" },
	/* The first octet alone could be a login. */
	{ "10.1.2.3", NULL, "client:10.1.2.3" },
	{ "login:10", "10", "login:10" },
	{ "2001:db8:0:1::7", "2001:db8:0:1", "client:2001:db8:0:1" },
	{ "2001:db8::7", "2001:db8", "client:2001:db8" },
	{ "2003::7", NULL, "client:2003::7" },
};

static void check_strings(struct fixture *fixture)
{
	char where[400];

	for (size_t i = 0; i < COUNT(string_rows); i++) {
		enum senders_result result = find_who(fixture, string_rows[i].who);
		const char *key = string_rows[i].key;

		snprintf(where, sizeof(where), "%s: %s", fixture->spec, key != NULL ? key : "");
		if (result != (key != NULL ? SENDERS_FOUND : SENDERS_NONE) ||
		    (key != NULL && strcmp(fixture->entry.where, where) != 0) ||
		    strcmp(fixture->entry.who, string_rows[i].told) != 0)
			fail_msg("%s: %d, \"%s\", \"%s\", %s", string_rows[i].who, result, fixture->entry.where,
				 fixture->entry.who, fixture->error);
	}
	assert_int_equal(find_who(fixture, "login:mallory"), SENDERS_BAD_LINE);
	assert_non_null(strstr(fixture->error, "mallory: \"*@example.com\": "));
	assert_int_equal(senders_count(fixture->senders), 0);
	assert_int_equal(senders_check(fixture->senders, take_mistake, NULL), 0);
}

static void test_cdb(void **state)
{
	struct fixture *fixture = *state;

	for (size_t nul = 0; nul < 2; nul++) {
		write_cdb(fixture, records, COUNT(records), nul);
		snprintf(fixture->spec, sizeof(fixture->spec), "cdb:%s%s", fixture->place.path, nul ? ".cdb" : "");
		create(fixture, fixture->spec);
		check_strings(fixture);
	}
	write_cdb(fixture, records, COUNT(records), 0);
	create(fixture, fixture->spec);
	assert_int_equal(find_who(fixture, "login:nul"), SENDERS_BAD_LINE);
	assert_non_null(strstr(fixture->error, "has a NUL inside"));
	assert_int_equal(find_who(fixture, "login:empty"), SENDERS_BAD_LINE);
	assert_non_null(strstr(fixture->error, "the line says nothing"));
}

static void test_cdb_changes(void **state)
{
	static const char *const later[][2] = { { "bob", "b@example.com" } };
	struct fixture *fixture = *state;
	struct captured_log log;
	unsigned complaints, openings;
	char path[120];

	snprintf(path, sizeof(path), "%s.cdb", fixture->place.path);
	snprintf(fixture->spec, sizeof(fixture->spec), "cdb:%s", fixture->place.path);
	write_cdb(fixture, records, COUNT(records), 0);
	create(fixture, fixture->spec);
	captured_log_start(&log);
	write_cdb(fixture, later, COUNT(later), 0);
	wait_for_look();
	assert_int_equal(find_who(fixture, "login:alice"), SENDERS_NONE);
	assert_int_equal(find_who(fixture, "login:bob"), SENDERS_FOUND);
	wait_for_look();
	assert_int_equal(find_who(fixture, "login:bob"), SENDERS_FOUND);
	openings = captured_log_count(&log, "was opened again");
	assert_int_equal(openings, 1);
	unlink(path);
	for (int i = 0; i < 2; i++) {
		wait_for_look();
		assert_int_equal(find_who(fixture, "login:bob"), SENDERS_FOUND);
	}
	complaints = captured_log_count(&log, "the file opened before stays in force");
	assert_int_equal(complaints, 1);
	/* Cut short while it is open: an error, neither a crash nor "no line". */
	write_cdb(fixture, later, COUNT(later), 0);
	wait_for_look();
	assert_int_equal(find_who(fixture, "login:bob"), SENDERS_FOUND);
	assert_int_equal(truncate(path, 100), 0);
	wait_for_look();
	assert_int_equal(find_who(fixture, "login:bob"), SENDERS_TROUBLE);
	captured_log_stop(&log);
	assert_non_null(strstr(fixture->error, "make it again with postmap(1)"));
	assert_null(senders_create(fixture->spec, "", fixture->error, sizeof(fixture->error)));
	assert_non_null(strstr(fixture->error, "is no cdb file"));
}

static size_t answer_from_records(const char *key, char *answer, size_t size)
{
	for (size_t i = 0; i < COUNT(records); i++)
		if (strcmp(records[i][0], key) == 0)
			return (size_t)snprintf(answer, size, "%zu:OK %s,", strlen(records[i][1]) + 3, records[i][1]);
	if (strcmp(key, "login:frank") == 0)
		return (size_t)snprintf(answer, size, "13:TEMP database,");
	return (size_t)snprintf(answer, size, "9:NOTFOUND ,");
}

static void test_socketmap(void **state)
{
	struct fixture *fixture = *state;
	struct socketmap_server server;
	unsigned questions;

	assert_int_equal(socketmap_server_start(&server), 0);
	server.make_answer = answer_from_records;
	snprintf(fixture->spec, sizeof(fixture->spec), "socketmap:unix:%s:senders", server.path);
	create(fixture, fixture->spec);
	check_strings(fixture);
	assert_int_equal(socketmap_server_connections(&server), 1);
	/* One question if the first answers. */
	questions = socketmap_server_questions(&server);
	assert_int_equal(find_who(fixture, "login:bob@example.com"), SENDERS_FOUND);
	assert_int_equal(socketmap_server_questions(&server), questions + 1);
	/* What could not be asked is not "no": neither of the login nor of what would be asked next. */
	assert_int_equal(find_who(fixture, "login:frank"), SENDERS_TROUBLE);
	assert_non_null(strstr(fixture->error, "the server says \"TEMP database\""));
	assert_string_equal(fixture->entry.who, "login:frank");
	socketmap_server_stop(&server);
	assert_int_equal(find_who(fixture, "login:alice"), SENDERS_TROUBLE);
	assert_null(fixture->entry.list);
}

static void *find_often(void *argument)
{
	struct senders *senders = argument;
	struct client client = client_of("login:alice");
	char error[600];

	for (int i = 0; i < 20000; i++) {
		struct senders_entry entry;

		if (senders_find(senders, &client, &entry, error, sizeof(error)) != SENDERS_FOUND)
			return NULL;
		sender_list_release(entry.list);
	}
	return senders;
}

/* The table is replaced under those who look things up. */
static void test_threads(void **state)
{
	struct fixture *fixture = *state;
	pthread_t threads[4];
	struct captured_log log;
	void *done;

	write_table(fixture, "alice a@example.com\n", 10);
	create(fixture, fixture->place.path);
	captured_log_start(&log);
	write_table(fixture, "alice b@example.com\n", 5);
	wait_for_look();
	for (size_t i = 0; i < COUNT(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, find_often, fixture->senders), 0);
	for (size_t i = 0; i < COUNT(threads); i++) {
		pthread_join(threads[i], &done);
		assert_ptr_equal(done, fixture->senders);
	}
	captured_log_stop(&log);
	assert_int_equal(find_who(fixture, "login:alice"), SENDERS_FOUND);
	assert_true(is_allowed(fixture, "b@example.com"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_which_line, setup, teardown),
		cmocka_unit_test_setup_teardown(test_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_long_login, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mistakes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_doubles, setup, teardown),
		cmocka_unit_test_setup_teardown(test_changes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fresh_file, setup, teardown),
		cmocka_unit_test_setup_teardown(test_specs, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_mistakes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_lines, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cdb, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cdb_changes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_socketmap, setup, teardown),
		cmocka_unit_test_setup_teardown(test_threads, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
