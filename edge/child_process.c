/*
 * One child process.
 *
 * posix_spawn(3) rather than fork(2): other threads hold locks. Everything else of the parent is
 * close-on-exec, and closed once more. The end is seen through a pidfd and waited for by process
 * id, so nothing here touches SIGCHLD or other children.
 */
#include "child_process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

static bool set_attributes(posix_spawnattr_t *attributes)
{
	sigset_t none, all;

	sigemptyset(&none);
	sigfillset(&all);
	return posix_spawnattr_setflags(attributes,
					POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF) == 0 &&
	       posix_spawnattr_setsigmask(attributes, &none) == 0 &&
	       posix_spawnattr_setsigdefault(attributes, &all) == 0;
}

static bool set_input(posix_spawn_file_actions_t *actions, int in)
{
	if (in >= 0)
		return posix_spawn_file_actions_adddup2(actions, in, STDIN_FILENO) == 0;
	return posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0) ==
	       0;
}

static bool set_actions(posix_spawn_file_actions_t *actions, int in, int out, int err)
{
	return set_input(actions, in) &&
	       posix_spawn_file_actions_adddup2(actions, out, STDOUT_FILENO) == 0 &&
	       posix_spawn_file_actions_adddup2(actions, err, STDERR_FILENO) == 0 &&
	       posix_spawn_file_actions_addclosefrom_np(actions, STDERR_FILENO + 1) == 0;
}

/* 0, or an errno. */
static int spawn(pid_t *pid, const char *program, char **arguments, int in, int out, int err)
{
	char *const no_environment[] = { NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int failed = ENOMEM;

	if (posix_spawnattr_init(&attributes) != 0)
		return ENOMEM;
	if (posix_spawn_file_actions_init(&actions) == 0) {
		if (set_attributes(&attributes) && set_actions(&actions, in, out, err))
			failed = posix_spawn(pid, program, &actions, &attributes, arguments,
					     no_environment);
		posix_spawn_file_actions_destroy(&actions);
	}
	posix_spawnattr_destroy(&attributes);
	return failed;
}

/* Both ends; ours does not block. */
static int make_pipe(int ends[2])
{
	if (pipe2(ends, O_CLOEXEC) != 0) {
		ends[0] = ends[1] = -1;
		return -1;
	}
	return fcntl(ends[0], F_SETFL, O_NONBLOCK);
}

void child_process_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* No child of ours can be watched, so it must not live. */
static int give_up(struct child_process *child)
{
	int failed = errno;

	child_process_end(child, true);
	return failed;
}

int child_process_start(struct child_process *child, const char *program, char **arguments, int in)
{
	int out[2] = { -1, -1 }, err[2] = { -1, -1 }, failed;

	*child = (struct child_process){ .pid_fd = -1, .out = -1, .err = -1 };
	if (make_pipe(out) == 0 && make_pipe(err) == 0)
		failed = spawn(&child->pid, program, arguments, in, out[1], err[1]);
	else
		failed = errno;
	child_process_close(&out[1]);
	child_process_close(&err[1]);
	child->out = out[0];
	child->err = err[0];
	if (failed == 0) {
		child->pid_fd = pidfd_open(child->pid, 0);
		return child->pid_fd >= 0 ? 0 : give_up(child);
	}
	child_process_close(&child->out);
	child_process_close(&child->err);
	return failed;
}

int child_process_end(struct child_process *child, bool kill_first)
{
	int wait_status = -1;

	if (kill_first)
		kill(child->pid, SIGKILL);
	while (waitpid(child->pid, &wait_status, 0) < 0)
		if (errno != EINTR) {
			wait_status = -1;
			break;
		}
	child_process_close(&child->pid_fd);
	child_process_close(&child->out);
	child_process_close(&child->err);
	return wait_status;
}
