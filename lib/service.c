/*
 * The life of a daemon.
 *
 * Signals become readable events, so that nothing ever runs inside a signal handler. The
 * sd_notify(3) protocol is one datagram to a unix socket; it is spoken by hand to spare a library.
 * A leading "@" in NOTIFY_SOCKET means the abstract name space (unix(7)).
 */
#include "service.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

/* A service manager that does not read for this long is not worth waiting for. */
#define NOTIFY_TIMEOUT_S 5

int service_signals_open(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) != 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return -1;
	return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

enum service_event service_signals_read(int signal_fd)
{
	struct signalfd_siginfo info;
	ssize_t got;

	do
		got = read(signal_fd, &info, sizeof(info));
	while (got < 0 && errno == EINTR);
	if (got != (ssize_t)sizeof(info))
		return SERVICE_NONE;
	return info.ssi_signo == SIGHUP ? SERVICE_RELOAD : SERVICE_STOP;
}

/* The address's length, or 0 if NOTIFY_SOCKET is nothing that we know. */
static socklen_t notify_address(struct sockaddr_un *address, const char *name)
{
	size_t length = strlen(name);

	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if ((name[0] != '/' && name[0] != '@') || length >= sizeof(address->sun_path))
		return 0;
	memcpy(address->sun_path, name, length);
	if (name[0] == '@')
		address->sun_path[0] = '\0';
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

static int notify_send(const struct sockaddr_un *address, socklen_t size, const char *state)
{
	const struct timeval timeout = { NOTIFY_TIMEOUT_S, 0 };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ssize_t sent;

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	do
		sent = sendto(fd, state, strlen(state), MSG_NOSIGNAL,
			      (const struct sockaddr *)address, size);
	while (sent < 0 && errno == EINTR);
	close(fd);
	return sent < 0 ? -1 : 0;
}

static void notify(const char *name, const char *state)
{
	struct sockaddr_un address;
	socklen_t size = notify_address(&address, name);

	if (size == 0)
		log_warning("NOTIFY_SOCKET: \"%s\" is not a unix socket", name);
	else if (notify_send(&address, size, state) != 0)
		log_warning("NOTIFY_SOCKET: cannot send to %s: %s", name, strerror(errno));
}

void service_notify(const char *state)
{
	const char *name = getenv("NOTIFY_SOCKET");
	char reloading[80];
	struct timespec now;

	if (name == NULL || name[0] == '\0')
		return;
	if (strcmp(state, "RELOADING=1") == 0) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		snprintf(reloading, sizeof(reloading), "RELOADING=1\nMONOTONIC_USEC=%" PRId64,
			 (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000);
		state = reloading;
	}
	notify(name, state);
}
