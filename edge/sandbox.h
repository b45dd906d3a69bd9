/*
 * What the edge's two processes give up before the first connection is accepted: Landlock for files
 * and ports, seccomp for system calls. Neither can be taken back, and both hold for children.
 */
#ifndef SANDBOX_H
#define SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/endpoint.h"
#include "sandbox_grants.h"

/* Before the first thread starts, with no_new_privs. 0, or -1 with error. */
int sandbox_enter_worker(const struct sandbox_grants *grants, char *error, size_t error_size);
/*
 * Reads any file that its user may read, writes none but those that are open already, speaks over unix sockets only; and to `server`
 * by TCP if that has a port (NULL: no server at all).
 */
int sandbox_enter_keeper(const struct endpoint *server, char *error, size_t error_size);
/* What this kernel cannot do, in a warning each. Before entering: seccomp does not answer later. */
void sandbox_warn(void);

/*
 * sandbox_calls.c: the system calls that may be made. Others fail with ENOSYS, as on a kernel that
 * is older, so that a C library that has learned a new one does not stop the mail; those that only
 * an intruder makes end the process. server: of the keeper, as above. 0, or -1 with errno; also 0 when the kernel has no seccomp.
 */
enum sandbox_process { SANDBOX_WORKER, SANDBOX_KEEPER };
int sandbox_calls_restrict(enum sandbox_process process, const struct endpoint *server);
bool sandbox_calls_are_available(void);

#endif
