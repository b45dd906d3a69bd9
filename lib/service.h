/*
 * The life of a daemon: signals arrive as events on a descriptor (signalfd), readiness and state go to
 * systemd over NOTIFY_SOCKET when there is one.
 */
#ifndef SERVICE_H
#define SERVICE_H

#include <stddef.h>

enum service_event { SERVICE_NONE, SERVICE_STOP, SERVICE_RELOAD };

/* Blocks SIGTERM, SIGINT, SIGHUP in the calling thread (call before threads start), ignores SIGPIPE; returns a signalfd or -1. */
int service_signals_open(void);
/* Reads one pending event; SERVICE_NONE when there is none. */
enum service_event service_signals_read(int signal_fd);
/* sd_notify protocol: "READY=1", "STOPPING=1", "RELOADING=1", "STATUS=...". Without NOTIFY_SOCKET it does nothing. */
void service_notify(const char *state);

#endif
