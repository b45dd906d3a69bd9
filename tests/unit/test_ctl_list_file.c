/*
 * list_file: rights are kept, links stay links, a change in between is seen, an uncommitted text
 * leaves nothing, editors wait.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <sysexits.h>
#include <unistd.h>

#include "ctl/list_file.h"

static char directory[64];
static char path[128];
static char error[512];

static void put(const char *name, const char *text)
{
	FILE *file = fopen(name, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void expect(const char *name, const char *text)
{
	char got[256] = "";
	FILE *file = fopen(name, "r");

	assert_non_null(file);
	got[fread(got, 1, sizeof(got) - 1, file)] = '\0';
	fclose(file);
	assert_string_equal(got, text);
}

static int set_up(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/postern-test.XXXXXX");
	if (mkdtemp(directory) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/list", directory);
	error[0] = '\0';
	return 0;
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", directory);
	return system(command);
}

static void replace(const char *name, const char *text)
{
	struct list_file file;

	assert_int_equal(list_file_open(&file, name, error, sizeof(error)), EX_OK);
	assert_int_equal(list_file_prepare(&file, text, strlen(text), error, sizeof(error)), EX_OK);
	assert_int_equal(list_file_commit(&file, error, sizeof(error)), EX_OK);
	list_file_close(&file);
}

static void test_rights(void **state)
{
	static const mode_t modes[] = { 0600, 0640, 0644, 0444, 0664 };
	struct stat before, after;
	char value[16] = "";

	(void)state;
	put(path, "old\n");
	if (geteuid() == 0)
		assert_int_equal(chown(path, 12345, 23456), 0);
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		bool has_attribute;

		assert_int_equal(chmod(path, modes[i]), 0);
		has_attribute = setxattr(path, "user.note", "kept", 4, 0) == 0;
		assert_int_equal(stat(path, &before), 0);
		replace(path, "new\n");
		assert_int_equal(stat(path, &after), 0);
		assert_int_equal(after.st_mode, before.st_mode);
		assert_int_equal(after.st_uid, before.st_uid);
		assert_int_equal(after.st_gid, before.st_gid);
		assert_int_not_equal(after.st_ino, before.st_ino);
		if (has_attribute) {
			assert_int_equal(getxattr(path, "user.note", value, sizeof(value)), 4);
			assert_memory_equal(value, "kept", 4);
		}
		expect(path, "new\n");
	}
}

/* acl(5): user:99:r beside 0640, as the kernel stores it. */
static void test_acl(void **state)
{
	static const uint8_t acl[] = {
		2, 0,  0,    0,	   1,	 0,    6,    0, 0xff, 0xff, 0xff, 0xff, 2,    0,    4,
		0, 99, 0,    0,	   0,	 4,    0,    4, 0,    0xff, 0xff, 0xff, 0xff, 0x10, 0,
		4, 0,  0xff, 0xff, 0xff, 0xff, 0x20, 0, 0,    0,    0xff, 0xff, 0xff, 0xff,
	};
	uint8_t got[sizeof(acl) + 1];

	(void)state;
	put(path, "old\n");
	if (setxattr(path, "system.posix_acl_access", acl, sizeof(acl), 0) != 0) {
		print_message("SKIPPED: no ACLs in %s\n", directory);
		skip();
	}
	replace(path, "new\n");
	assert_int_equal(getxattr(path, "system.posix_acl_access", got, sizeof(got)), sizeof(acl));
	assert_memory_equal(got, acl, sizeof(acl));
}

static void test_new_file(void **state)
{
	struct list_file file;
	struct stat status;

	(void)state;
	umask(077);
	assert_int_equal(list_file_open(&file, path, error, sizeof(error)), EX_OK);
	assert_false(file.exists);
	assert_int_equal(file.text.length, 0);
	assert_int_equal(list_file_prepare(&file, "x\n", 2, error, sizeof(error)), EX_OK);
	assert_int_equal(list_file_commit(&file, error, sizeof(error)), EX_OK);
	list_file_close(&file);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0644);
}

static void test_symbolic_links(void **state)
{
	char link[160], inner[160];
	struct stat status;
	struct list_file file;

	(void)state;
	snprintf(inner, sizeof(inner), "%s/inner", directory);
	assert_int_equal(mkdir(inner, 0755), 0);
	snprintf(inner, sizeof(inner), "%s/inner/real", directory);
	snprintf(link, sizeof(link), "%s/link", directory);
	put(inner, "old\n");
	assert_int_equal(symlink("inner/real", link), 0);
	replace(link, "new\n");
	expect(inner, "new\n");
	assert_int_equal(lstat(link, &status), 0);
	assert_true(S_ISLNK(status.st_mode));
	unlink(inner);
	assert_int_equal(list_file_open(&file, link, error, sizeof(error)), EX_NOINPUT);
	assert_non_null(strstr(error, "leads nowhere"));
	list_file_close(&file);
}

/* A trap where the temporary file goes is removed, not followed. */
static void test_planted_link(void **state)
{
	char trap[160], victim[160];

	(void)state;
	snprintf(trap, sizeof(trap), "%s/list.postern-new", directory);
	snprintf(victim, sizeof(victim), "%s/victim", directory);
	put(victim, "untouched\n");
	put(path, "old\n");
	assert_int_equal(symlink("victim", trap), 0);
	replace(path, "new\n");
	expect(victim, "untouched\n");
	expect(path, "new\n");
	assert_int_equal(access(trap, F_OK), -1);
}

static void test_tidy(void **state)
{
	struct list_file file;

	(void)state;
	put(path, "old\n");
	assert_int_equal(list_file_open(&file, path, error, sizeof(error)), EX_OK);
	put(file.temporary, "half\n");
	list_file_close(&file);
	assert_int_equal(access(file.temporary, F_OK), 0);
	list_file_tidy(path);
	assert_int_equal(access(file.temporary, F_OK), -1);
	expect(path, "old\n");
	list_file_tidy("/nonexistent/list");
}

/* What somebody has put beside it for later is his. */
static void test_draft_stays(void **state)
{
	char draft[160];

	(void)state;
	snprintf(draft, sizeof(draft), "%s/list.new", directory);
	put(draft, "for later\n");
	put(path, "old\n");
	replace(path, "new\n");
	expect(path, "new\n");
	expect(draft, "for later\n");
	unlink(draft);
}

static void test_uncommitted(void **state)
{
	struct list_file file;

	(void)state;
	put(path, "old\n");
	assert_int_equal(list_file_open(&file, path, error, sizeof(error)), EX_OK);
	assert_memory_equal(file.text.text, "old\n", 4);
	assert_int_equal(list_file_prepare(&file, "new\n", 4, error, sizeof(error)), EX_OK);
	expect(file.temporary, "new\n");
	list_file_close(&file);
	expect(path, "old\n");
	assert_int_equal(access(file.temporary, F_OK), -1);
}

static void test_changed_meanwhile(void **state)
{
	struct list_file file;

	(void)state;
	put(path, "old\n");
	assert_int_equal(list_file_open(&file, path, error, sizeof(error)), EX_OK);
	assert_int_equal(list_file_prepare(&file, "new\n", 4, error, sizeof(error)), EX_OK);
	put(path, "by hand\n");
	assert_int_equal(list_file_commit(&file, error, sizeof(error)), EX_TEMPFAIL);
	assert_non_null(strstr(error, "somebody changed it"));
	list_file_close(&file);
	expect(path, "by hand\n");
}

static void test_refusals(void **state)
{
	struct list_file file;
	char name[160];

	(void)state;
	snprintf(name, sizeof(name), "%s/no/such", directory);
	assert_int_equal(list_file_open(&file, name, error, sizeof(error)), EX_NOINPUT);
	list_file_close(&file);
	assert_int_equal(list_file_open(&file, directory, error, sizeof(error)), EX_NOINPUT);
	assert_non_null(strstr(error, "is a directory"));
	list_file_close(&file);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(list_file_open(&file, path, error, sizeof(error)), EX_NOINPUT);
	assert_non_null(strstr(error, "FIFO"));
	list_file_close(&file);
}

/* The second editor comes when the first is done, and sees its text. */
static void test_lock(void **state)
{
	struct list_file file;
	int status;
	pid_t child;

	(void)state;
	put(path, "0\n");
	assert_int_equal(list_file_open(&file, path, error, sizeof(error)), EX_OK);
	child = fork();
	if (child == 0) {
		struct list_file other;
		int result;

		/* Inherited, and as good as the lock itself. */
		close(file.directory);
		result = list_file_open(&other, path, error, sizeof(error));
		_exit(result == EX_OK && strcmp(other.text.text, "1\n") == 0 ? 0 : 1);
	}
	usleep(200000);
	assert_int_equal(waitpid(child, &status, WNOHANG), 0);
	assert_int_equal(list_file_prepare(&file, "1\n", 2, error, sizeof(error)), EX_OK);
	assert_int_equal(list_file_commit(&file, error, sizeof(error)), EX_OK);
	list_file_close(&file);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_rights, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_acl, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_new_file, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_symbolic_links, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_planted_link, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_tidy, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_draft_stays, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_uncommitted, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_changed_meanwhile, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_refusals, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_lock, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
