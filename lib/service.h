/*
 * The life of a daemon: signals arrive as events on a descriptor (signalfd), readiness and state go
 * to systemd over NOTIFY_SOCKET when there is one.
 */
#ifndef SERVICE_H
#define SERVICE_H

#include <stddef.h>

enum service_event { SERVICE_NONE, SERVICE_STOP, SERVICE_RELOAD };

/*
 * Blocks SIGTERM, SIGINT, SIGHUP in the calling thread (call before threads start: they inherit it)
 * and ignores SIGPIPE. Returns a non-blocking, close-on-exec signalfd, or -1 with errno.
 */
int service_signals_open(void);
/*
 * Reads one pending event; SERVICE_NONE when there is none. SIGTERM and SIGINT stop, SIGHUP
 * reloads.
 */
enum service_event service_signals_read(int signal_fd);
/*
 * sd_notify(3) protocol: "READY=1", "STOPPING=1", "RELOADING=1" (the clock value that
 * Type=notify-reload asks for is added), "STATUS=...". Without NOTIFY_SOCKET it does nothing;
 * failures are logged and otherwise ignored.
 */
void service_notify(const char *state);

#endif
