/*
 * A program that runs beside us: stdin is /dev/null or a file that we opened, stdout and stderr are
 * ours to read. It gets no other descriptor, no blocked or ignored signal, and no environment.
 */
#ifndef CHILD_PROCESS_H
#define CHILD_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

struct child_process {
	pid_t pid;
	int pid_fd;	/* readable once it has ended (pidfd_open(2)) */
	int out, err;	/* do not block; -1 once closed */
};

/*
 * arguments: as of execv(3), [0] included. in: its stdin, which stays the caller's, or -1. 0, or an
 * errno, also of exec, with nothing running. The calling thread must live until
 * child_process_end(): a child that asks for PR_SET_PDEATHSIG dies with the thread, not with the
 * process.
 */
int child_process_start(struct child_process *child, const char *program, char **arguments, int in);
/*
 * Waits until it has ended, with SIGKILL before if so wished, and closes everything. waitpid(2)'s
 * status, or -1 if somebody else had it (SIGCHLD is ignored).
 */
int child_process_end(struct child_process *child, bool kill_first);
/* Closes what is open, and marks it so. */
void child_process_close(int *fd);

#endif
