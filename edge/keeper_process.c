/*
 * What makes the keeper's memory its own: nobody of the same user may trace it or read its memory
 * (PR_SET_DUMPABLE), it leaves no core, and it ends with the worker, by PR_SET_PDEATHSIG and by the
 * end of the socket. It leaves signals that are meant for the whole service to the worker, which
 * needs it until the last tunnel is closed.
 */
#include "keeper_process.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "keeper_protocol.h"
#include "sandbox.h"

static int lock_up(pid_t worker, char *error, size_t error_size)
{
	const struct rlimit no_core = { 0, 0 };

	if (prctl(PR_SET_DUMPABLE, 0) != 0 || setrlimit(RLIMIT_CORE, &no_core) != 0 ||
	    prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || signal(SIGHUP, SIG_IGN) == SIG_ERR ||
	    signal(SIGTERM, SIG_IGN) == SIG_ERR || signal(SIGINT, SIG_IGN) == SIG_ERR) {
		snprintf(error, error_size, "cannot lock the keeper up: %s", strerror(errno));
		return -1;
	}
	/* A worker that died before the call above leaves us to somebody else. */
	if (getppid() != worker)
		_exit(EX_OK);
	prctl(PR_SET_NAME, "postern-keeper");
	return 0;
}

/* Listening sockets above all: a keeper that held them would keep their port. */
static void close_all_but(int fd)
{
	if (fd > STDERR_FILENO + 1)
		close_range(STDERR_FILENO + 1, (unsigned)fd - 1, 0);
	close_range((unsigned)fd + 1, ~0U, 0);
}

/* Ends without exit handlers: they are the worker's. */
static void __attribute__((noreturn))
run(const struct keeper_settings *settings, int fd, pid_t worker)
{
	struct keeper keeper = { .settings = settings };
	char error[KEEPER_ERROR_MAX];
	int result;

	close_all_but(fd);
	if (lock_up(worker, error, sizeof(error)) < 0 ||
	    keeper_open(&keeper, settings, error, sizeof(error)) < 0 ||
	    sandbox_enter_keeper(keeper.map != NULL ? client_map_endpoint(keeper.map) : NULL, error,
				 sizeof(error)) < 0) {
		keeper_greet(&keeper, fd, error);
		keeper_close(&keeper);
		_exit(EX_CONFIG);
	}
	result = keeper_greet(&keeper, fd, NULL);
	if (result == 0)
		result = keeper_serve(&keeper, fd);
	keeper_close(&keeper);
	_exit(result == 0 ? EX_OK : EX_PROTOCOL);
}

pid_t keeper_process_start(const struct keeper_settings *settings, int *fd_out)
{
	pid_t worker = getpid(), pid;
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		close(ends[0]);
		run(settings, ends[1], worker);
	}
	close(ends[1]);
	if (pid < 0)
		close(ends[0]);
	else
		*fd_out = ends[0];
	return pid;
}
