/* The keeper as a process of its own: a child of the worker that outlives no worker. */
#ifndef KEEPER_PROCESS_H
#define KEEPER_PROCESS_H

#include <sys/types.h>

#include "keeper.h"

/*
 * Forks the keeper, which then reads what settings name and greets. Call it before the first thread
 * starts and before anything secret is read, as the user who may read it. The keeper has no other
 * descriptor than its end of *fd_out and 0 to 2. Its process id, or -1 with errno.
 */
pid_t keeper_process_start(const struct keeper_settings *settings, int *fd_out);

#endif
