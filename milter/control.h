/*
 * The socket by which `postern limits` talks to the running milter. One connection at a time, one
 * request each, CONTROL_TIMEOUT_MS for all of it:
 *
 *	request = "limits show" LF / "limits reset " who LF
 *	answer  = *(text LF) ("ok " N LF / "error " reason LF)	; N: lines of text before it
 *
 * who is that of rate_limits_reset(). Only root and the milter's own user may connect (mode 0600).
 */
#ifndef CONTROL_H
#define CONTROL_H

#include <stddef.h>

#include "rate_limits.h"

#define CONTROL_TIMEOUT_MS 5000
/* With a login in it, and room to say that it is too long. */
#define CONTROL_LINE_MAX 1024

struct control;

/* endpoint: "unix:/path". Starts a thread; `limits` must live longer. NULL with error. */
struct control *control_start(const char *endpoint, struct rate_limits *limits, char *error, size_t error_size);
/* Ends what is under way, at once, and removes the socket. */
void control_stop(struct control *control);

#endif
