/* privdrop.c: what a child is after it gave up root, seen from inside the child. */
#include "lib/privdrop.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

/* Runs `body` in a child, because privileges do not come back; its result must be 0. */
static void in_child(int (*body)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(body());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void skip_unless_root(void)
{
	if (geteuid() != 0) {
		print_message("SKIPPED: needs root\n");
		skip();
	}
}

static int become_nobody(void)
{
	const struct passwd *nobody = getpwnam("nobody");
	gid_t too_many[] = { 0, 1, 2, 3 }, groups[64];
	uid_t uid = nobody->pw_uid;
	gid_t gid = nobody->pw_gid;
	char error[256];
	int count;

	if (setgroups(4, too_many) != 0)
		return 1;
	if (privdrop("nobody", error, sizeof(error)) != 0)
		return 2;
	if (getuid() != uid || geteuid() != uid || getgid() != gid || getegid() != gid)
		return 3;
	count = getgroups(64, groups);
	for (int i = 0; i < count; i++)
		if (groups[i] == 0 || groups[i] == 3)
			return 4;
	if (setuid(0) == 0 || setreuid((uid_t)-1, 0) == 0 || setregid((gid_t)-1, 0) == 0)
		return 5;
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : 6;
}

static void root_becomes_nobody_for_good(void **state)
{
	(void)state;
	skip_unless_root();
	in_child(become_nobody);
}

static int drop_twice(void)
{
	char error[256];

	if (privdrop("nobody", error, sizeof(error)) != 0)
		return 1;
	return privdrop(NULL, error, sizeof(error)) == 0 ? 0 : 2;
}

static void others_only_set_no_new_privs(void **state)
{
	(void)state;
	skip_unless_root();
	in_child(drop_twice);
}

struct error_row {
	const char *user;
	const char *expected;
};

static int refuse(void)
{
	static const struct error_row rows[] = {
		{ "no-such-user", "cannot become user \"no-such-user\": there is no such user" },
		{ "root", "cannot become user \"root\": its user or group id is 0 (root)" },
		{ "", "started as root, but no user is set to become" },
		{ NULL, "started as root, but no user is set to become" },
	};
	char error[256];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (privdrop(rows[i].user, error, sizeof(error)) != -1 ||
		    strcmp(error, rows[i].expected) != 0 || geteuid() != 0)
			return (int)i + 1;
	return 0;
}

static void impossible_users_are_refused(void **state)
{
	(void)state;
	skip_unless_root();
	in_child(refuse);
}

/* As Sendmail's F=S starts a program: root's real ids, somebody else's effective ones. */
static int settle_half_root(void)
{
	char error[256];
	uid_t uid[3];
	gid_t gid[3], groups[2] = { 0, 3 };

	if (setgroups(2, groups) != 0 || setresgid(0, 65534, 65534) != 0 ||
	    setresuid(0, 65534, 65534) != 0)
		return 1;
	if (privdrop_settle(error, sizeof(error)) != 0)
		return 2;
	getresuid(&uid[0], &uid[1], &uid[2]);
	getresgid(&gid[0], &gid[1], &gid[2]);
	for (int i = 0; i < 3; i++)
		if (uid[i] != 65534 || gid[i] != 65534)
			return 3;
	if (getgroups(2, groups) != 1 || groups[0] != 65534)
		return 6;
	if (setuid(0) == 0 || seteuid(0) == 0 || setreuid((uid_t)-1, 0) == 0 || setegid(0) == 0)
		return 4;
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0 ? 0 : 5;
}

static int settle_root(void)
{
	char error[256];

	return privdrop_settle(error, sizeof(error)) == 0 && getuid() == 0 && geteuid() == 0 ? 0 : 1;
}

static void what_is_not_in_effect_is_given_up(void **state)
{
	(void)state;
	skip_unless_root();
	in_child(settle_half_root);
	in_child(settle_root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(root_becomes_nobody_for_good),
		cmocka_unit_test(others_only_set_no_new_privs),
		cmocka_unit_test(impossible_users_are_refused),
		cmocka_unit_test(what_is_not_in_effect_is_given_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
