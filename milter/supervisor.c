/*
 * Between two workers nothing is lost: the sockets stay open here, so Postfix's connections wait in
 * the backlog, and what a dying worker had in hand Postfix defers.
 */
#include "supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/deadline.h"
#include "lib/log.h"
#include "lib/service.h"
#include "worker.h"

/* Between the death of a worker and the next one, lest a crash at start burns the machine. */
#define RESTART_PAUSE_MS 500
/* Beyond drain_time: how long a stopping worker may take before it is killed. */
#define STOP_GRACE_MS 3000

struct supervisor {
	const char *conf_path;
	struct milter_setup *setup;	/* of the start; workers inherit it */
	int policy_fd, signal_fd;
	pid_t worker;
	int worker_fd;			/* pidfd: readable when it has ended */
	bool is_stopping;
};

static void block_worker_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, WORKER_RELOAD);
	sigaddset(&set, WORKER_STOP);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

/* In the child: never returns. */
static void become_worker(const struct supervisor *supervisor, int ready_fd)
{
	struct worker_start start = { .conf_path = supervisor->conf_path, .setup = supervisor->setup,
				      .policy_fd = supervisor->policy_fd, .ready_fd = ready_fd };

	close(supervisor->signal_fd);
	_exit(worker_run(&start));
}

/* 0 when it takes mail; otherwise it will end by itself. */
static int wait_until_ready(int ready_fd)
{
	char byte;
	ssize_t got;

	do
		got = read(ready_fd, &byte, 1);
	while (got < 0 && errno == EINTR);
	return got == 1 ? 0 : -1;
}

static int start_worker(struct supervisor *supervisor)
{
	int ready[2];

	if (pipe2(ready, O_CLOEXEC) < 0)
		return -1;
	supervisor->worker = fork();
	if (supervisor->worker == 0) {
		close(ready[0]);
		become_worker(supervisor, ready[1]);
	}
	close(ready[1]);
	if (supervisor->worker > 0) {
		supervisor->worker_fd = pidfd_open(supervisor->worker, 0);
		if (wait_until_ready(ready[0]) == 0)
			service_notify("READY=1");
	}
	close(ready[0]);
	return supervisor->worker > 0 && supervisor->worker_fd >= 0 ? 0 : -1;
}

static void tell_death(const struct supervisor *supervisor, int status)
{
	if (WIFSIGNALED(status))
		log_error("worker %d was ended by signal %d (%s); starting another", (int)supervisor->worker, WTERMSIG(status),
			  strsignal(WTERMSIG(status)));
	else
		log_error("worker %d ended by itself (exit code %d); starting another", (int)supervisor->worker, WEXITSTATUS(status));
}

/* The next worker begins with the files as they are now; if they are bad, with what was good at the start. */
static void renew_setup(struct supervisor *supervisor)
{
	char error[512];
	struct milter_setup *fresh = milter_setup_create(supervisor->conf_path, error, sizeof(error));

	if (fresh == NULL) {
		log_error("%s; the configuration of the start stays in force", error);
		return;
	}
	milter_setup_release(supervisor->setup);
	supervisor->setup = fresh;
}

/* The worker has ended. Returns an exit code if we shall end too, or -1. */
static int after_worker(struct supervisor *supervisor)
{
	int status = 0;

	waitpid(supervisor->worker, &status, 0);
	close(supervisor->worker_fd);
	if (supervisor->is_stopping)
		return EX_OK;
	/* What is wrong with the configuration it has said itself. */
	if (WIFEXITED(status) && WEXITSTATUS(status) == EX_CONFIG)
		return EX_CONFIG;
	tell_death(supervisor, status);
	poll(NULL, 0, RESTART_PAUSE_MS);
	renew_setup(supervisor);
	return start_worker(supervisor) < 0 ? EX_OSERR : -1;
}

static void take_signal(struct supervisor *supervisor)
{
	switch (service_signals_read(supervisor->signal_fd)) {
	case SERVICE_STOP:
		service_notify("STOPPING=1");
		supervisor->is_stopping = true;
		kill(supervisor->worker, WORKER_STOP);
		return;
	case SERVICE_RELOAD:
		kill(supervisor->worker, WORKER_RELOAD);
		return;
	case SERVICE_NONE:
		return;
	}
}

static int watch(struct supervisor *supervisor)
{
	struct deadline end = DEADLINE_NEVER;
	int exit_code;

	for (;;) {
		struct pollfd polls[] = { { .fd = supervisor->signal_fd, .events = POLLIN },
					  { .fd = supervisor->worker_fd, .events = POLLIN } };

		if (poll(polls, 2, deadline_poll_ms(end)) == 0 || deadline_has_passed(end))
			kill(supervisor->worker, SIGKILL);
		if (polls[1].revents != 0) {
			exit_code = after_worker(supervisor);
			if (exit_code >= 0)
				return exit_code;
		}
		if (polls[0].revents != 0) {
			take_signal(supervisor);
			if (supervisor->is_stopping)
				end = deadline_earlier(end, deadline_in_ms(supervisor->setup->conf.drain_time + STOP_GRACE_MS));
		}
	}
}

int supervisor_run(const char *conf_path, struct milter_setup *setup, int policy_fd)
{
	struct supervisor supervisor = { .conf_path = conf_path, .setup = setup, .policy_fd = policy_fd };
	int exit_code;

	supervisor.signal_fd = service_signals_open();
	block_worker_signals();
	if (supervisor.signal_fd < 0 || start_worker(&supervisor) < 0) {
		log_error("no room for another process or descriptor: %s", strerror(errno));
		milter_setup_release(supervisor.setup);
		return EX_OSERR;
	}
	exit_code = watch(&supervisor);
	if (exit_code == EX_OK)
		log_info("stopped");
	milter_setup_release(supervisor.setup);
	return exit_code;
}
