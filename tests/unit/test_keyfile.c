/* Case 150: what may be a key file and what may not, with the remedy; and no key in any message. */
#include <errno.h>
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

#include "tunnel/base64_key.h"
#include "tunnel/keyfile.h"

#define KEY "yAKtBpRFnSK7Mc5MvB0oOzdmlGWIu8rRm9cVlgx5nGk="

static char directory[64];
static char path[128];
static char error[512];

static int make_directory(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/postern-test-keyfile-XXXXXX");
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/key", directory);
	return 0;
}

static int remove_directory(void **state)
{
	(void)state;
	chmod(directory, 0700);
	unlink(path);
	return rmdir(directory);
}

static void write_file(const char *content, size_t length, mode_t mode)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(content, 1, length, file), length);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path, mode), 0);
}

/* The key must not be read, and the message must say why, and not say the key. */
static void assert_refused(const char *why)
{
	uint8_t key[32];

	memset(error, 0, sizeof(error));
	assert_int_equal(keyfile_read(key, path, error, sizeof(error)), -1);
	assert_int_equal(strncmp(error, path, strlen(path)), 0);
	if (strstr(error, why) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", error, why);
	assert_null(strstr(error, "yAKt"));
	unlink(path);
}

static void contents(void **state)
{
	static const struct {
		const char *content;
		size_t length;
		const char *why;
	} rows[] = {
		{ "", 0, "empty" },
		{ "\n", 1, "not a key" },
		{ KEY "\r\n", 46, "carriage return" },
		{ KEY "\n\n", 46, "not a key" },
		{ KEY KEY, 88, "not a key" },
		{ KEY " ", 45, "not a key" },
		{ " " KEY, 45, "not a key" },
		{ KEY, 43, "not a key" },
		{ KEY, 20, "not a key" },
		{ "\0\1\2\3\4\5\6\7\0\1\2\3\4\5\6\7\0\1\2\3\4\5\6\7\0\1\2\3\4\5\6\7", 32,
		  "not a key" },
		{ "\xef\xbb\xbf" KEY "\n", 48, "not a key" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		write_file(rows[i].content, rows[i].length, 0600);
		assert_refused(rows[i].why);
	}
}

static void accepted(void **state)
{
	static const mode_t modes[] = { 0600, 0400 };
	uint8_t key[32], expected[32];

	(void)state;
	assert_int_equal(base64_key_decode(expected, KEY, 44), 0);
	for (size_t i = 0; i < 2; i++) {
		write_file(KEY "\n", 45 - i, modes[i]); /* the LF may be missing */
		assert_int_equal(keyfile_read(key, path, error, sizeof(error)), 0);
		assert_memory_equal(key, expected, sizeof(key));
		unlink(path);
	}
}

static void modes(void **state)
{
	static const mode_t rows[] = { 0644, 0640, 0660, 0604, 0601, 0610, 0700, 0622 };
	char remedy[256];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		write_file(KEY "\n", 45, rows[i]);
		snprintf(remedy, sizeof(remedy),
			 "mode %04o lets others read this key; chmod 600 %s", rows[i], path);
		assert_refused(remedy);
	}
}

static void places(void **state)
{
	char target[160];

	(void)state;
	assert_refused("No such file or directory; postern keygen makes a key");
	snprintf(target, sizeof(target), "%s/real", directory);
	write_file(KEY "\n", 45, 0600);
	assert_int_equal(rename(path, target), 0);
	assert_int_equal(symlink(target, path), 0);
	assert_refused("symbolic link");
	unlink(target);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_refused("not a regular file");
	rmdir(path);
	assert_int_equal(mkfifo(path, 0600), 0); /* must not hang */
	assert_refused("not a regular file");
	write_file(KEY "\n", 45, 0600);
	assert_int_equal(chmod(directory, 0777), 0);
	assert_refused("chmod go-w");
	write_file(KEY "\n", 45, 0600);
	assert_int_equal(chmod(directory, 0720), 0);
	assert_refused("chmod go-w");
	write_file(KEY "\n", 45, 0600);
	assert_int_equal(chmod(directory, 01777), 0); /* sticky, as /tmp */
	assert_int_equal(keyfile_read((uint8_t[32]){ 0 }, path, error, sizeof(error)), 0);
	assert_int_equal(chmod(directory, 0700), 0);
}

static void owners(void **state)
{
	uint8_t key[32];

	(void)state;
	if (geteuid() != 0) {
		fprintf(stderr, "SKIPPED: owners need root\n");
		skip();
	}
	write_file(KEY "\n", 45, 0600);
	assert_int_equal(chown(path, 65534, 65534), 0);
	assert_refused("owned by uid 65534, read by uid 0");
	/* A service's key in the service's directory: root may look. */
	write_file(KEY "\n", 45, 0600);
	assert_int_equal(chown(path, 65534, 65534), 0);
	assert_int_equal(chown(directory, 65534, 65534), 0);
	assert_int_equal(keyfile_read(key, path, error, sizeof(error)), 0);
	/* In a directory in which root lets services make files, and everybody else not. */
	assert_int_equal(chown(directory, 0, 0), 0);
	assert_int_equal(chmod(directory, 01771), 0);
	assert_int_equal(keyfile_read(key, path, error, sizeof(error)), 0);
	assert_int_equal(chmod(directory, 01773), 0);
	assert_int_equal(keyfile_read(key, path, error, sizeof(error)), -1);
	assert_non_null(strstr(error, "owned by uid 65534, read by uid 0"));
	assert_int_equal(chmod(directory, 0771), 0);
	assert_int_equal(keyfile_read(key, path, error, sizeof(error)), -1);
	assert_non_null(strstr(error, "chmod go-w"));
	assert_int_equal(chmod(directory, 0700), 0);
	/* Another user's, even root's, must be readable to be read; owned by root is trusted. */
	assert_int_equal(chown(directory, 0, 0), 0);
	assert_int_equal(seteuid(65533), 0);
	assert_refused("Permission denied; the key must belong to uid 65533");
	assert_int_equal(seteuid(0), 0);
	unlink(path);
}

static void static_keys(void **state)
{
	static const char zeros[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
	struct noise_keypair keypair, again;

	(void)state;
	noise_keypair_generate(&keypair);
	assert_int_equal(keyfile_create(path, keypair.secret_key, error, sizeof(error)), 0);
	assert_int_equal(keyfile_read_static(&again, path, error, sizeof(error)), 0);
	assert_memory_equal(&keypair, &again, sizeof(keypair));
	unlink(path);
	write_file(zeros, 44, 0600);
	assert_int_equal(keyfile_read_static(&again, path, error, sizeof(error)), -1);
	assert_non_null(strstr(error, "all zeros"));
}

/* Instead of libc's: the one that is so many calls away fails; 0: none. */
static int syncs_until_failure;

int fsync(int fd)
{
	(void)fd;
	if (syncs_until_failure == 0 || --syncs_until_failure > 0)
		return 0;
	errno = ENOSPC;
	return -1;
}

/* Neither the text nor the name is safe: then there is no key. */
static void full_disk(void **state)
{
	uint8_t key[32];

	(void)state;
	memset(key, 0x33, sizeof(key));
	unlink(path);
	for (int calls = 1; calls <= 2; calls++) {
		syncs_until_failure = calls;
		assert_int_equal(keyfile_create(path, key, error, sizeof(error)), -1);
		assert_non_null(strstr(error, "No space left"));
		assert_int_equal(access(path, F_OK), -1);
	}
}

static void creating(void **state)
{
	uint8_t key[32], again[32];
	struct stat status;
	mode_t old_mask = umask(0);

	(void)state;
	memset(key, 0x33, sizeof(key));
	unlink(path);
	assert_int_equal(keyfile_create(path, key, error, sizeof(error)), 0);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	assert_int_equal(status.st_size, 45);
	umask(0777);
	assert_int_equal(keyfile_create(path, again, error, sizeof(error)), -1);
	assert_non_null(strstr(error, "exists already"));
	assert_int_equal(keyfile_read(again, path, error, sizeof(error)), 0);
	assert_memory_equal(key, again, sizeof(key));
	unlink(path);
	assert_int_equal(keyfile_create(path, key, error, sizeof(error)),
			 0); /* whatever the umask */
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	umask(old_mask);
	unlink(path);
	assert_int_equal(chmod(directory, 0777), 0);
	assert_int_equal(keyfile_create(path, key, error, sizeof(error)), -1);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(symlink("/nonexistent/elsewhere", path), 0);
	assert_int_equal(chmod(directory, 0700), 0);
	assert_int_equal(keyfile_create(path, key, error, sizeof(error)), -1);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(contents), cmocka_unit_test(full_disk), cmocka_unit_test(accepted),
		cmocka_unit_test(modes),    cmocka_unit_test(places),
		cmocka_unit_test(owners),   cmocka_unit_test(static_keys),
		cmocka_unit_test(creating),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
