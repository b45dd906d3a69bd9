/* The allow-list (case 154): each bad line is named and skipped, the others stay valid. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tunnel/authorized_clients.h"
#include "tunnel/base64_key.h"
#include "tunnel/keyfile.h"
#include "tunnel/noise.h"

static char directory[64];
static char path[128], psk_path[128], enrolled_path[128];
static char complaints[8192];
static struct noise_keypair pairs[3], own;
static char keys[3][BASE64_KEY_TEXT + 1], own_key[BASE64_KEY_TEXT + 1], secret[BASE64_KEY_TEXT + 1];
static uint8_t psk[32];

static int set_up(void **state)
{
	char error[256];

	(void)state;
	strcpy(directory, "/tmp/postern-test-clients-XXXXXX");
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/authorized_clients", directory);
	snprintf(psk_path, sizeof(psk_path), "%s/psk", directory);
	snprintf(enrolled_path, sizeof(enrolled_path), "%s/enrolled", directory);
	for (size_t i = 0; i < 3; i++) {
		noise_keypair_generate(&pairs[i]);
		base64_key_encode(keys[i], pairs[i].public_key);
	}
	noise_keypair_generate(&own);
	base64_key_encode(own_key, own.public_key);
	base64_key_encode(secret, pairs[0].secret_key);
	memset(psk, 0x77, sizeof(psk));
	assert_int_equal(keyfile_create(psk_path, psk, error, sizeof(error)), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(path);
	unlink(psk_path);
	unlink(enrolled_path);
	return rmdir(directory);
}

static void complain(void *context, const char *message)
{
	assert_ptr_equal(context, complaints);
	strncat(complaints, message, sizeof(complaints) - strlen(complaints) - 2);
	strcat(complaints, "\n");
}

static int __attribute__((format(printf, 2, 3)))
read_list(struct authorized_clients *list, const char *format, ...)
{
	char error[256];
	va_list arguments;
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	va_start(arguments, format);
	vfprintf(file, format, arguments);
	va_end(arguments);
	assert_int_equal(fclose(file), 0);
	complaints[0] = '\0';
	return authorized_clients_read(list, path, enrolled_path, own.public_key, complain, complaints, error,
				       sizeof(error));
}

static void good_list(void **state)
{
	static const uint8_t zeros[32];
	struct authorized_clients list;
	const struct authorized_client *client;

	(void)state;
	assert_int_equal(
		read_list(&list, "# our hosts\n%s mail-1.example_A\n\n%s other psk=%s\n%s other\n",
			  keys[0], keys[1], psk_path, keys[2]),
		0);
	assert_string_equal(complaints, "");
	assert_int_equal(list.count, 3);
	assert_int_equal(list.bad_lines, 0);
	client = authorized_clients_find(&list, pairs[0].public_key);
	assert_non_null(client);
	assert_string_equal(client->name, "mail-1.example_A");
	assert_memory_equal(client->psk, zeros, 32);
	assert_int_equal(client->line, 2);
	client = authorized_clients_find(&list, pairs[1].public_key);
	assert_non_null(client);
	assert_memory_equal(client->psk, psk, 32);
	/* Two keys under one name: key rotation. */
	assert_string_equal(authorized_clients_find(&list, pairs[2].public_key)->name, "other");
	assert_null(authorized_clients_find(&list, own.public_key));
	authorized_clients_wipe(&list);
	assert_null(authorized_clients_find(&list, pairs[0].public_key));
}

static void put_enrolled(const char *invite, const char *key)
{
	FILE *file = fopen(enrolled_path, "w");

	assert_non_null(file);
	fprintf(file, "%s %s 2026-11-22T03:05:00Z\n", invite, key);
	assert_int_equal(fclose(file), 0);
}

#define INVITE "invite=2999-01-01T00:00:00Z"

/* The key of an invite may not deliver, before it was used and afterwards. */
static void invites(void **state)
{
	struct authorized_clients list;
	const struct authorized_client *client;

	(void)state;
	unlink(enrolled_path);
	assert_int_equal(read_list(&list, "%s home " INVITE " size=9\n%s other\n", keys[0], keys[1]), 0);
	assert_string_equal(complaints, "");
	assert_int_equal(list.pending_count, 1);
	assert_null(authorized_clients_find(&list, pairs[0].public_key));
	assert_null(authorized_clients_find_invite(&list, pairs[1].public_key));
	client = authorized_clients_find_invite(&list, pairs[0].public_key);
	assert_non_null(client);
	assert_true(client->is_pending);
	authorized_clients_wipe(&list);
	put_enrolled(keys[0], keys[2]);
	assert_int_equal(read_list(&list, "%s home " INVITE " size=9\n%s other\n", keys[0], keys[1]), 0);
	assert_string_equal(complaints, "");
	assert_int_equal(list.pending_count, 0);
	assert_null(authorized_clients_find(&list, pairs[0].public_key));
	client = authorized_clients_find(&list, pairs[2].public_key);
	assert_non_null(client);
	assert_string_equal(client->name, "home");
	assert_int_equal(client->options.size, 9);
	assert_int_equal(client->enrolled, 1795316700);
	assert_ptr_equal(authorized_clients_find_invite(&list, pairs[0].public_key), client);
	authorized_clients_wipe(&list);
	assert_null(authorized_clients_find_invite(&list, pairs[0].public_key));
	/* Its key is in another line, too: the first counts. */
	assert_int_equal(read_list(&list, "%s home " INVITE "\n%s other\n", keys[0], keys[2]), 0);
	assert_non_null(strstr(complaints, "2: the same key as in line 1 (home)"));
	authorized_clients_wipe(&list);
	/* A second key of one name: the time of the invite is no option to differ in. */
	assert_int_equal(read_list(&list, "%s home " INVITE "\n%s home\n", keys[0], keys[1]), 0);
	assert_string_equal(complaints, "");
	assert_int_equal(list.count, 2);
	authorized_clients_wipe(&list);
	/* What is enrolled for no invite, or for a line that is none, has no effect. */
	assert_int_equal(read_list(&list, "%s home\n", keys[0]), 0);
	assert_non_null(authorized_clients_find(&list, pairs[0].public_key));
	assert_null(authorized_clients_find(&list, pairs[2].public_key));
	authorized_clients_wipe(&list);
	put_enrolled(keys[0], own_key);
	assert_int_equal(read_list(&list, "%s home " INVITE "\n", keys[0]), 0);
	assert_non_null(strstr(complaints, "1: the edge's own public key was enrolled"));
	assert_int_equal(list.count, 0);
	authorized_clients_wipe(&list);
	unlink(enrolled_path);
}

static void bad_lines(void **state)
{
	struct {
		const char *line; /* line 2 of the file */
		const char *why;
	} rows[] = {
		{ "%s", "a name must follow the key" },
		{ "%s na/me", "a name is made of" },
		{ "%s \"\"", "the name is empty" },
		{ "%s n psk=relative", "absolute path" },
		{ "%s n psk=/nonexistent/psk", "No such file" },
		{ "%s n invite=tomorrow", "the moment belongs here when the invite expires" },
		{ "%s n invite=2026-11-23T03:05:00", "the moment belongs here" },
		{ "%s n " INVITE " " INVITE, "is there twice" },
		{ "%s n limit=10", "unknown option \"limit=10\" (known: psk=, domains=, rate=, " },
		{ "%s n rate=10", "rate=10: a rate is a number" },
		{ "%s n rate=0/1m", "rate=0/1m: the number must be" },
		{ "%s n rate=1/1m rate=2/1m", "rate=2/1m: is there twice" },
		{ "%s n bounces=1/32d", "the duration must be" },
		{ "%s n concurrency=0", "concurrency=0: a number in" },
		{ "%s n concurrency=", "a number in" },
		{ "%s n concurrency=1 concurrency=1", "concurrency=1: is there twice" },
		{ "%s n recipients=-1", "a number in" },
		{ "%s n size=1Q", "size=1Q: not a size" },
		{ "%s n size=0", "not a size" },
		{ "%s n source4=192.0.2", "source4=192.0.2: an IPv4 address" },
		{ "%s n source4=0.0.0.0", "nobody can send from" },
		{ "%s n source4=224.0.0.1", "nobody can send from" },
		{ "%s n source6=192.0.2.1", "an IPv6 address" },
		{ "%s n source6=::", "nobody can send from" },
		{ "%s n source6=fe80::1", "nobody can send from" },
		{ "%s n source6=::ffff:192.0.2.1", "nobody can send from" },
		{ "%s n hello=localhost", "hello=localhost: a full host name" },
		{ "%s n hello=a.example hello=b.example", "there twice" },
		{ "%s n domains=", "domains with commas" },
		{ "%s n domains=a.example,", "domains with commas" },
		{ "%s n domains=.", "domains with commas" },
		{ "%s n domains=a..example", "domains with commas" },
		{ "%s n domains=user@a.example", "domains with commas" },
		{ "%s n domains=*", "domains with commas" },
		{ "%s n disabled=yes", "unknown option" },
		{ "%s n psk=%s psk=%s", "there twice" },
		{ "%s n \"open", "quote" },
		{ "%s n PSK=/x", "unknown option" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct authorized_clients list;
		char line[512], expected[200];

		if (strstr(rows[i].line, "psk=%s") != NULL)
			snprintf(line, sizeof(line), "%s n psk=%s psk=%s", keys[0], psk_path,
				 psk_path);
		else
			snprintf(line, sizeof(line), "%s%s", keys[0], rows[i].line + 2);
		assert_int_equal(read_list(&list, "%s good\n%s\n%s too\n", keys[1], line, keys[2]),
				 0);
		snprintf(expected, sizeof(expected), "%s:2: ", path);
		if (strncmp(complaints, expected, strlen(expected)) != 0 ||
		    strstr(complaints, rows[i].why) == NULL)
			fail_msg("\"%s\": \"%s\"", line, complaints);
		assert_int_equal(list.bad_lines, 1);
		assert_int_equal(list.count, 2);
		assert_null(authorized_clients_find(&list, pairs[0].public_key));
		assert_non_null(authorized_clients_find(&list, pairs[1].public_key));
		assert_non_null(authorized_clients_find(&list, pairs[2].public_key));
		authorized_clients_wipe(&list);
	}
}

static void bad_keys(void **state)
{
	struct authorized_clients list;

	(void)state;
	assert_int_equal(read_list(&list, "%s edge\n%s pasted\nshort x\n%.43s y\n%s good\n",
				   own_key, secret, keys[1], keys[2]),
			 0);
	assert_non_null(strstr(complaints, ":1: this is the edge's own public key"));
	assert_non_null(strstr(complaints, ":2: this looks like a private key"));
	assert_null(strstr(complaints, secret));
	assert_non_null(strstr(complaints, ":3: not a public key"));
	assert_non_null(strstr(complaints, ":4: not a public key"));
	assert_int_equal(list.count, 1);
	assert_int_equal(list.bad_lines, 4);
	authorized_clients_wipe(&list);
}

/* One name is one client: its two lines must not say two things. */
static void contradictions(void **state)
{
	static const struct {
		const char *first, *second;
		bool is_good;
	} rows[] = {
		{ "", "", true },
		{ "rate=1/1m", "rate=1/1m", true },
		{ "rate=1/1m size=1k", "size=1k rate=1/60s", true },
		{ "domains=A.example", "domains=a.example", true },
		{ "disabled rate=1/1m", "rate=1/1m", true },
		{ "rate=1/1m", "", false },
		{ "", "bounces=1/1m", false },
		{ "rate=1/1m", "rate=2/1m", false },
		{ "domains=a.example", "domains=b.example", false },
		{ "hello=a.example", "", false },
		{ "concurrency=1", "concurrency=2", false },
		{ "size=1", "", false },
		{ "recipients=1", "", false },
		{ "source4=192.0.2.1", "source4=192.0.2.2", false },
		{ "source6=2001:db8::1", "", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct authorized_clients list;

		assert_int_equal(read_list(&list, "%s n %s\n%s other\n%s n %s\n", keys[0],
					   rows[i].first, keys[1], keys[2], rows[i].second),
				 0);
		if (list.count != (rows[i].is_good ? 3 : 2) ||
		    (strstr(complaints, ":3: other options than line 1 has") != NULL) == rows[i].is_good)
			fail_msg("row %zu: %zu: %s", i, list.count, complaints);
		assert_non_null(authorized_clients_find(&list, pairs[0].public_key));
		authorized_clients_wipe(&list);
	}
}

static void doubled_keys(void **state)
{
	struct authorized_clients list;

	(void)state;
	assert_int_equal(read_list(&list, "%s first\n%s between\n%s second\n%s first\n", keys[0],
				   keys[1], keys[0], keys[0]),
			 0);
	assert_non_null(strstr(complaints, ":3: the same key as in line 1 (first)"));
	assert_non_null(strstr(complaints, ":4: the same key as in line 1 (first)"));
	assert_int_equal(list.count, 2);
	assert_int_equal(list.bad_lines, 2);
	assert_string_equal(authorized_clients_find(&list, pairs[0].public_key)->name, "first");
	authorized_clients_wipe(&list);
}

static void zero_psk(void **state)
{
	static const uint8_t zeros[32];
	struct authorized_clients list;
	char zero_path[160], error[256];

	(void)state;
	snprintf(zero_path, sizeof(zero_path), "%s/zero", directory);
	assert_int_equal(keyfile_create(zero_path, zeros, error, sizeof(error)), 0);
	assert_int_equal(read_list(&list, "%s n psk=%s\n", keys[0], zero_path), 0);
	assert_non_null(strstr(complaints, "all zeros"));
	assert_int_equal(list.count, 0);
	authorized_clients_wipe(&list);
	unlink(zero_path);
}

/* A file that cannot be read authorises nobody. */
static void unreadable(void **state)
{
	struct authorized_clients list;
	char error[256];

	(void)state;
	memset(&list, 0xff, sizeof(list));
	assert_int_equal(authorized_clients_read(&list, "/nonexistent/list", NULL, NULL, NULL, NULL,
						 error, sizeof(error)),
			 -1);
	assert_non_null(strstr(error, "/nonexistent/list"));
	assert_int_equal(list.count, 0);
	assert_null(authorized_clients_find(&list, pairs[0].public_key));
	authorized_clients_wipe(&list);
	assert_int_equal(read_list(&list, "# empty\n"), 0);
	assert_int_equal(list.count, 0);
	authorized_clients_wipe(&list);
}

static void many_clients(void **state)
{
	struct authorized_clients list;
	FILE *file = fopen(path, "w");
	char error[256], text[BASE64_KEY_TEXT + 1];
	uint8_t key[32] = { 1 };

	(void)state;
	assert_non_null(file);
	for (unsigned int i = 0; i < 5000; i++) {
		key[1] = (uint8_t)i;
		key[2] = (uint8_t)(i >> 8);
		base64_key_encode(text, key);
		fprintf(file, "%s client-%u\n", text, i);
	}
	fclose(file);
	assert_int_equal(
		authorized_clients_read(&list, path, NULL, NULL, NULL, NULL, error, sizeof(error)), 0);
	assert_int_equal(list.count, 5000);
	key[1] = 4321 & 0xff;
	key[2] = 4321 >> 8;
	assert_string_equal(authorized_clients_find(&list, key)->name, "client-4321");
	authorized_clients_wipe(&list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_list),	cmocka_unit_test(invites),
		cmocka_unit_test(bad_lines),
		cmocka_unit_test(bad_keys),	cmocka_unit_test(doubled_keys),
		cmocka_unit_test(contradictions),
		cmocka_unit_test(zero_psk),	cmocka_unit_test(unreadable),
		cmocka_unit_test(many_clients),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
