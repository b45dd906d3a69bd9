/*
 * Any bytes as the file relay_passwords: taken whole or not at all. A login that is found has a name
 * without a colon and a password, both within their bounds, and no error quotes what stands behind
 * a relay: inputs in which "hunter2" stands there are told by it.
 *
 * feeds: the file relay_passwords
 * covers: edge/relay_passwords.c:take_key, take_login, find_double, take_lines, take_table,
 *     read_entries, find, relay_passwords_find
 */
#include <sys/stat.h>

#include "edge/relay_passwords.h"
#include "fuzz_target.h"
#include "lib/table.h"

static const char *const next_hops[] = { "[smtp.example.com]:587", "[smtp.example.com]:465",
					 "example.com:25", "[192.0.2.1]:25", "" };

static void look_up_all(struct relay_passwords *passwords)
{
	for (size_t i = 0; i < sizeof(next_hops) / sizeof(next_hops[0]); i++) {
		struct sasl_login login = { "", "" };

		if (!relay_passwords_find(passwords, next_hops[i], &login))
			continue;
		require(relay_passwords_count(passwords) > 0);
		require(login.user[0] != '\0' && strchr(login.user, ':') == NULL);
		require(login.password[0] != '\0');
		require(strlen(login.user) <= SASL_USER_MAX && strlen(login.password) <= SASL_PASSWORD_MAX);
	}
}

/* No key holds it, so no error may. */
static bool is_secret(const char *path)
{
	char error[400];
	struct table table;
	bool is_secret = true;

	if (table_read(&table, path, NULL, error, sizeof(error)) != 0)
		return false;
	for (size_t i = 0; i < table.count; i++)
		is_secret = is_secret && strstr(table.lines[i].key, "hunter2") == NULL;
	table_wipe(&table);
	return is_secret;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	struct relay_passwords *passwords;
	struct memory_file file;
	char error[1000] = "";

	memory_file_open(&file, bytes, length);
	require(fchmod(file.fd, 0600) == 0);
	passwords = relay_passwords_create(file.path, error, sizeof(error));
	if (passwords != NULL) {
		look_up_all(passwords);
	} else {
		require(strncmp(error, file.path, strlen(file.path)) == 0);
		require(strstr(error, "hunter2") == NULL || !is_secret(file.path));
	}
	relay_passwords_destroy(passwords);
	memory_file_close(&file);
	return 0;
}
