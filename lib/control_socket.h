/*
 * A socket by which commands ask a running daemon. One connection at a time, one request each,
 * CONTROL_TIMEOUT_MS for all of it:
 *
 *	request = line LF
 *	answer  = *(text LF) ("ok " N LF / "error " reason LF)	; N: lines of text before it
 *
 * Only root and the daemon's own user may connect (mode 0600).
 */
#ifndef CONTROL_SOCKET_H
#define CONTROL_SOCKET_H

#include <stddef.h>
#include <stdio.h>

#define CONTROL_TIMEOUT_MS 5000
/* Of a request, and of each line of an answer. */
#define CONTROL_LINE_MAX 1024

struct control_socket;

/*
 * Answers one request (without LF, no NUL in it): whole lines of text to `out`, and 0; or -1 and the
 * reason in `error`, which need not be printable, and nothing of `out` is sent. Called by the
 * socket's own thread; what is slow here keeps nobody waiting but who asks.
 */
typedef int control_answer_fn(void *context, const char *request, FILE *out, char *error, size_t error_size);

/*
 * Listens at "unix:/path"; a socket file that nobody listens on any more is replaced. No thread yet,
 * so it may come before confinement. NULL with error.
 */
struct control_socket *control_socket_open(const char *endpoint, char *error, size_t error_size);
/* Starts the thread that answers. 0, or -1 with error; it is to be closed in any case. */
int control_socket_serve(struct control_socket *control, control_answer_fn *answer, void *context, char *error,
			 size_t error_size);
/* Ends what is under way, at once, and removes the file if it is ours and may be removed. NULL is fine. */
void control_socket_close(struct control_socket *control);

#endif
