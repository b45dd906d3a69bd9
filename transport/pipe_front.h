/* One message from pipe(8): arguments and standard input in, one line and an exit code out. */
#ifndef PIPE_FRONT_H
#define PIPE_FRONT_H

#include <stdint.h>
#include <sys/types.h>

#include "relay.h"
#include "transport_setup.h"

/*
 * The only exit codes used. pipe(8) looks at the output of a command that failed: if it starts with
 * an enhanced status code, that code decides (4.x.y defers, 5.x.y bounces) and the exit code does
 * not count; otherwise 75 defers, where most other codes would bounce.
 */
#define PIPE_EXIT_SENT 0
#define PIPE_EXIT_FAILED 75

struct pipe_arguments {
	const char *queue_id;
	const char *sender; /* "" or "<>" = null reverse-path */
	const char *login;  /* as whom the client was authenticated; "" or NULL = not */
	uint64_t size;	    /* what Postfix thinks; 0 = not given */
	char *const *recipients;
	int recipient_count;
	int in_fd, out_fd; /* in_fd is closed */
	pid_t parent;	   /* who started us: getppid() at the start */
};

/* Delivers and prints the outcome. Returns the exit code. */
int pipe_front_run(struct transport_setup *setup, struct relay *relay,
		   const struct pipe_arguments *arguments);
/* Prints one line, "STATUS text", cut and made printable. Returns PIPE_EXIT_FAILED. */
int pipe_front_fail(int out_fd, const char *status, const char *text);

#endif
