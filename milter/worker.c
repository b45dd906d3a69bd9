/*
 * Start-up order: limits, certificates, control socket, a thread for the signals, then libmilter. A
 * stop lets messages under way come to their end, keeps the state of the limits, and ends the
 * process; libmilter's own stop would take up to five seconds to notice.
 */
#include "worker.h"

#include <libmilter/mfapi.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sysexits.h>
#include <unistd.h>

#include "callbacks.h"
#include "control.h"
#include "lib/deadline.h"
#include "lib/log.h"
#include "lib/service.h"
#include "lib/thread.h"
#include "milter.h"
#include "policy_service.h"
#include "text_pool.h"

/* A connection per smtpd(8) process: memory of short-lived threads is kept together. */
#define ARENAS 4
/*
 * libmilter's threads wait for the next event of a message for one millisecond and then hand the
 * connection to another thread, which is most of what a message costs. So lazy a timer makes them
 * wait a little longer instead; no time-out here is so short that it matters.
 */
#define TIMER_SLACK_NS 20000000UL
/* While stopping: how often to look whether all messages are done. */
#define DRAIN_STEP_MS 20

struct worker {
	struct milter milter;
	const char *conf_path;
};

/* libmilter's threads look at it until the process ends. */
static struct worker the_worker;

static bool differ(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a != b : strcmp(a, b) != 0;
}

static void warn_of_restart(const struct milter_conf *now, const struct milter_conf *fresh)
{
	if (differ(now->listen, fresh->listen) || differ(now->policy_listen, fresh->policy_listen) ||
	    differ(now->socket_group, fresh->socket_group) || differ(now->control_socket, fresh->control_socket) ||
	    differ(now->user, fresh->user) || differ(now->limits, fresh->limits) ||
	    differ(now->state_directory, fresh->state_directory) || now->log_target != fresh->log_target ||
	    now->log_level != fresh->log_level)
		log_warning("listen, policy_listen, socket_group, control_socket, user, limits, state_directory, log_target and "
			    "log_level change only with a restart");
}

static void reload(struct worker *worker)
{
	char error[512];
	struct milter_setup *fresh = milter_setup_create(worker->conf_path, error, sizeof(error));

	if (fresh == NULL) {
		log_error("%s; the configuration read before stays in force", error);
		return;
	}
	warn_of_restart(&worker->milter.setup->conf, &fresh->conf);
	smfi_settimeout((int)(fresh->conf.idle_timeout / 1000));
	milter_replace_setup(&worker->milter, fresh);
	rate_limits_refresh(worker->milter.limits);
	log_info("%s was read again", worker->conf_path);
	senders_log_mistakes(fresh->senders);
}

/* Ends the process. Who is cut off is deferred by Postfix. libmilter's threads run to the last: nothing of theirs is freed. */
static void stop(struct worker *worker)
{
	struct deadline end = deadline_in_ms(worker->milter.setup->conf.drain_time);

	atomic_store(&worker->milter.is_stopping, true);
	while (atomic_load(&worker->milter.messages) > 0 && !deadline_has_passed(end))
		usleep(DRAIN_STEP_MS * 1000);
	rate_limits_stop(worker->milter.limits);
	_exit(EX_OK);
}

static void *wait_for_signals(void *argument)
{
	struct worker *worker = argument;
	sigset_t set;
	int number;

	sigemptyset(&set);
	sigaddset(&set, WORKER_RELOAD);
	sigaddset(&set, WORKER_STOP);
	for (;;) {
		if (sigwait(&set, &number) != 0)
			continue;
		if (number == WORKER_STOP)
			stop(worker);
		reload(worker);
	}
	return NULL;
}

static int open_limits(struct worker *worker, char *error, size_t error_size)
{
	const struct milter_conf *conf = &worker->milter.setup->conf;
	char state[PATH_MAX];

	snprintf(state, sizeof(state), "%s/limits", conf->state_directory);
	worker->milter.limits = rate_limits_create(conf->limits, state, error, error_size);
	return worker->milter.limits == NULL ? -1 : 0;
}

static int open_policy(struct worker *worker, int policy_fd, char *error, size_t error_size)
{
	if (policy_fd < 0)
		return 0;
	worker->milter.certificates = client_certificates_create();
	if (worker->milter.certificates != NULL && policy_service_start(policy_fd, worker->milter.certificates) == 0)
		return 0;
	snprintf(error, error_size, "no memory for the policy service");
	return -1;
}

static int open_all(struct worker *worker, const struct worker_start *start, char *error, size_t error_size)
{
	const struct milter_conf *conf = &start->setup->conf;

	if (open_limits(worker, error, error_size) < 0 || open_policy(worker, start->policy_fd, error, error_size) < 0 ||
	    control_start(conf->control_socket, worker->milter.limits, error, error_size) == NULL)
		return -1;
	callbacks_serve(&worker->milter);
	if (thread_start_detached(wait_for_signals, worker) == 0)
		return 0;
	snprintf(error, error_size, "the system has no room for another thread");
	return -1;
}

int worker_run(const struct worker_start *start)
{
	struct worker *worker = &the_worker;
	char error[512];

	mallopt(M_ARENA_MAX, ARENAS);
	/* Left to itself it grows with the first large block that is freed, and then such blocks stay on the heaps. */
	mallopt(M_MMAP_THRESHOLD, TEXT_POOL_MAPPED);
	prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS);
	/* Without the supervisor nobody would tell us to reload or to stop. */
	prctl(PR_SET_PDEATHSIG, WORKER_STOP);
	pthread_mutex_init(&worker->milter.setup_lock, NULL);
	worker->milter.setup = start->setup;
	worker->conf_path = start->conf_path;
	if (open_all(worker, start, error, sizeof(error)) < 0) {
		log_error("%s", error);
		return EX_CONFIG;
	}
	smfi_settimeout((int)(start->setup->conf.idle_timeout / 1000));
	if (write(start->ready_fd, "", 1) != 1)
		return EX_OSERR;
	close(start->ready_fd);
	/* Returns when somebody sent this process what libmilter takes for the end. */
	if (smfi_main() != MI_SUCCESS)
		return EX_OSERR;
	stop(worker);
	return EX_OK;
}
