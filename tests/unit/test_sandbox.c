/*
 * What the two processes give up, tried in children: system calls, and which files the worker's
 * rules reach. Landlock's rules over files in the running edge: tests/e2e/test_58_keeper.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "edge/guarded_files.h"
#include "edge/landlock.h"
#include "edge/sandbox.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- system calls; a sanitizer's runtime makes some of its own ---- */

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

static void *do_nothing(void *argument)
{
	return argument;
}

static int make_thread(void)
{
	pthread_t thread;

	return pthread_create(&thread, NULL, do_nothing, NULL) == 0 &&
			       pthread_join(thread, NULL) == 0
		       ? 0
		       : -1;
}

static int run_program(void)
{
	char *const arguments[] = { (char *)(uintptr_t) "true", NULL };
	int status;
	pid_t pid;

	errno = posix_spawn(&pid, "/bin/true", NULL, NULL, arguments, NULL);
	return errno == 0 && waitpid(pid, &status, 0) == pid && status == 0 ? 0 : -1;
}

static int socket_of(int family)
{
	return socket(family, SOCK_STREAM, 0) >= 0 ? 0 : -1;
}

static int unix_socket(void)
{
	return socket_of(AF_UNIX);
}

static int internet_socket(void)
{
	return socket_of(AF_INET);
}

static int internet6_socket(void)
{
	return socket_of(AF_INET6);
}

static int udp_socket(void)
{
	return socket(AF_INET, SOCK_DGRAM, 0) >= 0 ? 0 : -1;
}

static int set_option(void)
{
	return setsockopt(-1, SOL_SOCKET, SO_SNDTIMEO, NULL, 0);
}

static int packet_socket(void)
{
	return socket(AF_PACKET, SOCK_RAW, 0) >= 0 ? 0 : -1;
}

static int write_file(void)
{
	return ftruncate(-1, 0);
}

static int new_namespace(void)
{
	return (int)syscall(SYS_clone, CLONE_NEWNET | SIGCHLD, NULL, NULL, NULL, NULL);
}

static int new_call(void)
{
	return (int)syscall(100000);
}

static int kernel_key(void)
{
	return (int)syscall(SYS_keyctl, 0, 0, 0, 0, 0);
}

static int trace(void)
{
	return (int)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static int unshare_all(void)
{
	return unshare(CLONE_NEWUSER);
}

#define KILLED (-1)

static const struct {
	const char *what;
	int (*act)(void);
	int worker, keeper; /* 0, an errno, or KILLED */
} calls[] = {
	{ "unix socket", unix_socket, 0, 0 },
	{ "internet socket", internet_socket, 0, ENOSYS },
	{ "packet socket", packet_socket, ENOSYS, ENOSYS },
	{ "thread", make_thread, 0, EPERM },
	{ "program", run_program, 0, ENOSYS },
	{ "file", write_file, EBADF, ENOSYS },
	{ "namespace", new_namespace, ENOSYS, ENOSYS },
	{ "unheard of", new_call, ENOSYS, ENOSYS },
	{ "kernel's keys", kernel_key, KILLED, KILLED },
	{ "ptrace", trace, KILLED, KILLED },
	{ "unshare", unshare_all, KILLED, KILLED },
};

static int try_in_child(int (*act)(void), enum sandbox_process process, const struct endpoint *server)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
		    sandbox_calls_restrict(process, server) != 0)
			_exit(255);
		errno = 0;
		_exit(act() == 0 ? 0 : errno != 0 ? errno : 254);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		return WTERMSIG(status) == SIGSYS ? KILLED : 253;
	return WEXITSTATUS(status);
}

static void test_calls(void **state)
{
	(void)state;
	assert_true(sandbox_calls_are_available());
	for (size_t i = 0; i < COUNT(calls); i++) {
		int worker = try_in_child(calls[i].act, SANDBOX_WORKER, NULL),
		    keeper = try_in_child(calls[i].act, SANDBOX_KEEPER, NULL);

		/* What a C library makes of a thread that cannot be is its own affair. */
		if (worker != calls[i].worker ||
		    (keeper != calls[i].keeper && !(calls[i].act == make_thread && keeper != 0)))
			fail_msg("%s: %d for the worker, %d for the keeper", calls[i].what, worker,
				 keeper);
	}
}

/* A keeper that asks a server gets what that takes, and no more of the network. */
static void test_calls_to_a_server(void **state)
{
	static const struct {
		const char *what;
		int (*act)(void);
		int none, by_unix, by_inet, by_inet6;
	} rows[] = {
		{ "unix socket", unix_socket, 0, 0, 0, 0 },
		{ "IPv4 socket", internet_socket, ENOSYS, ENOSYS, 0, ENOSYS },
		{ "IPv6 socket", internet6_socket, ENOSYS, ENOSYS, ENOSYS, 0 },
		{ "UDP socket", udp_socket, ENOSYS, ENOSYS, ENOSYS, ENOSYS },
		{ "packet socket", packet_socket, ENOSYS, ENOSYS, ENOSYS, ENOSYS },
		{ "option", set_option, ENOSYS, EBADF, EBADF, EBADF },
		{ "program", run_program, ENOSYS, ENOSYS, ENOSYS, ENOSYS },
		{ "file", write_file, ENOSYS, ENOSYS, ENOSYS, ENOSYS },
	};
	static const struct endpoint by_unix = { .is_unix = 1, .host = "/run/x" };
	static const struct endpoint by_inet = { .host = "192.0.2.1", .port = "1" };
	static const struct endpoint by_inet6 = { .host = "2001:db8::1", .port = "1" };

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		int none = try_in_child(rows[i].act, SANDBOX_KEEPER, NULL);
		int unix_ = try_in_child(rows[i].act, SANDBOX_KEEPER, &by_unix);
		int inet = try_in_child(rows[i].act, SANDBOX_KEEPER, &by_inet);
		int inet6 = try_in_child(rows[i].act, SANDBOX_KEEPER, &by_inet6);

		if (none != rows[i].none || unix_ != rows[i].by_unix || inet != rows[i].by_inet ||
		    inet6 != rows[i].by_inet6)
			fail_msg("%s: %d, %d, %d, %d", rows[i].what, none, unix_, inet, inet6);
	}
}

#else

static void test_calls_to_a_server(void **state)
{
	(void)state;
	assert_true(sandbox_calls_are_available());
}

static void test_calls(void **state)
{
	(void)state;
	assert_true(sandbox_calls_are_available());
}

#endif

/* ---- files ---- */

static char directory[64];

static const char *below(const char *name)
{
	static _Thread_local char paths[8][128];
	static _Thread_local unsigned next;
	char *path = paths[next++ % 8];

	snprintf(path, sizeof(paths[0]), "%s/%s", directory, name);
	return path;
}

static void make_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	close(fd);
}

static int set_up(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/test_sandbox.XXXXXX");
	assert_non_null(mkdtemp(directory));
	assert_int_equal(mkdir(below("state"), 0700), 0);
	make_file(below("state/file"));
	make_file(below("state-key"));
	make_file(below("key"));
	assert_int_equal(symlink("state", below("link")), 0);
	assert_int_equal(symlink("../key", below("state/out")), 0);
	assert_int_equal(symlink("state/file", below("in")), 0);
	assert_int_equal(link(below("key"), below("hard")), 0);
	return 0;
}

static int tear_down(void **state)
{
	static const char *const names[] = { "state/file", "state/out", "state-key", "key",
					     "link",	   "in",	"hard",	     "state/new" };

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++)
		unlink(below(names[i]));
	rmdir(below("state"));
	rmdir(directory);
	return 0;
}

static void test_reach(void **state)
{
	static const struct {
		const char *granted, *file;
		bool is_reached;
	} rows[] = {
		{ "state", "state/file", true }, { "state", "key", false },
		{ "state", "state-key", false }, { "state", "link/file", true },
		{ "link", "state/file", true },	 { "state", "in", true },
		{ "state", "state/out", false }, { "state", "state/none", false },
		{ "none", "key", false },	 { "key", "key", true },
		{ "state/../key", "key", true }, { "state", "state", true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct sandbox_grants grants;
		const char *found;

		sandbox_grants_init(&grants, below(rows[i].granted));
		found = sandbox_grants_reach(&grants, below(rows[i].file));
		if ((found != NULL) != rows[i].is_reached)
			fail_msg("%s, %s: %s", rows[i].granted, rows[i].file,
				 found != NULL ? found : "not reached");
	}
}

static void test_guarded(void **state)
{
	struct guarded_files files = { NULL };
	struct stat status;

	(void)state;
	assert_int_equal(guarded_files_add(&files, below("key")), 0);
	assert_int_equal(guarded_files_add(&files, below("key")), 0);
	assert_int_equal(guarded_files_add(&files, below("not-yet")), 0);
	assert_int_equal(stat(below("hard"), &status), 0);
	assert_true(guarded_files_has(&files, &status));
	assert_int_equal(stat(below("state-key"), &status), 0);
	assert_false(guarded_files_has(&files, &status));
	/* What stands behind the name now counts. */
	assert_int_equal(rename(below("state-key"), below("not-yet")), 0);
	assert_true(guarded_files_has(&files, &status));
	assert_int_equal(rename(below("not-yet"), below("state-key")), 0);
	guarded_files_wipe(&files);
	assert_false(guarded_files_has(&files, &status));
}

/* 0 or errno. */
static int try_open(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	return fd >= 0 ? 0 : errno;
}

/* In a child that has entered the worker's sandbox, as root, whom file modes do not stop: the check
 * that failed. */
static int confined(void)
{
	struct sandbox_grants grants;
	char error[200];

	sandbox_grants_init(&grants, below("state"));
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    sandbox_enter_worker(&grants, error, sizeof(error)) != 0)
		return 1;
	if (try_open(below("key"), O_RDONLY) != EACCES ||
	    try_open(below("hard"), O_RDONLY) != EACCES ||
	    try_open(below("state/out"), O_RDONLY) != EACCES)
		return 2;
	if (try_open(below("state/file"), O_RDWR) != 0 ||
	    try_open(below("state/new"), O_RDWR | O_CREAT) != 0 ||
	    rename(below("state/new"), below("state/file")) != 0)
		return 3;
	if (try_open("/usr/bin/env", O_RDONLY) != 0 || try_open("/dev/null", O_RDWR) != 0 ||
	    try_open("/etc/ssl/openssl.cnf", O_RDONLY) != 0)
		return 4;
	if (try_open("/usr/bin/env", O_WRONLY) != EACCES ||
	    try_open("/etc/passwd", O_RDONLY) != EACCES ||
	    try_open(below("new"), O_RDWR | O_CREAT) != EACCES)
		return 5;
	/* It may still be asked what a file is: so a changed one is seen. */
	return access(below("key"), F_OK) == 0 ? 0 : 6;
}

static int confined_keeper(void)
{
	char error[200];

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    sandbox_enter_keeper(NULL, error, sizeof(error)) != 0)
		return 1;
	if (try_open(below("key"), O_RDONLY) != 0 || try_open("/etc/passwd", O_RDONLY) != 0)
		return 2;
	if (try_open(below("state/file"), O_RDWR) != EACCES ||
	    try_open(below("new"), O_RDWR | O_CREAT) != EACCES)
		return 3;
	return 0;
}

static int in_child(int (*act)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(act());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static void test_files(void **state)
{
	(void)state;
	if (landlock_version() == 0) {
		print_message("SKIPPED: this kernel has no Landlock\n");
		return;
	}
	assert_int_equal(in_child(confined), 0);
	assert_int_equal(in_child(confined_keeper), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_calls),
		cmocka_unit_test(test_calls_to_a_server),
		cmocka_unit_test_setup_teardown(test_reach, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_guarded, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_files, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
