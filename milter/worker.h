/*
 * The process that does the work: libmilter and its threads. It is a child of the one that systemd
 * started (supervisor.h), because libmilter takes SIGHUP, SIGTERM and SIGINT for itself and stops on
 * each of them.
 */
#ifndef WORKER_H
#define WORKER_H

#include <signal.h>

#include "milter_setup.h"

#define WORKER_RELOAD SIGUSR1
#define WORKER_STOP SIGUSR2

struct worker_start {
	const char *conf_path;
	struct milter_setup *setup;	/* taken over */
	int policy_fd;			/* or -1 */
	int ready_fd;			/* a byte is written when mail is taken */
};

/*
 * Serves until WORKER_STOP. Returns an exit code of sysexits(3): EX_CONFIG for what starting again
 * would not mend. To be called in a fresh process in which both signals are blocked.
 */
int worker_run(const struct worker_start *start);

#endif
