/*
 * What `postern limits` asks the running milter (lib/control_socket.h):
 *
 *	request = "limits show" / "limits reset " who
 *
 * who is that of rate_limits_reset().
 */
#ifndef CONTROL_H
#define CONTROL_H

#include <stddef.h>

#include "lib/control_socket.h"
#include "rate_limits.h"

/*
 * endpoint: "unix:/path". Starts a thread; `limits` must live longer. To be ended with
 * control_socket_close(). NULL with error.
 */
struct control_socket *control_start(const char *endpoint, struct rate_limits *limits, char *error, size_t error_size);

#endif
