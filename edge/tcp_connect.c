/*
 * One TCP connection attempt. Names were resolved and addresses checked before; nothing is looked
 * up here.
 */
#include "tcp_connect.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/endpoint.h"

/* 0, or why not as an errno value. */
static int wait_connected(int fd, struct deadline deadline, int cancel_fd)
{
	struct pollfd fds[] = { { .fd = fd, .events = POLLOUT },
				{ .fd = cancel_fd, .events = POLLIN } };
	int ready, error = 0;
	socklen_t size = sizeof(error);

	do {
		ready = poll(fds, 2, deadline_poll_ms(deadline));
	} while (ready < 0 && errno == EINTR);
	if (ready == 0)
		return ETIMEDOUT;
	if (ready > 0 && fds[1].revents != 0)
		return ECANCELED;
	if (ready < 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		return errno;
	return error;
}

/* The port is chosen at connect(2), so that one address is good for more than 28,000 connections. */
static int bind_to(int fd, const struct sockaddr_storage *source, socklen_t length)
{
	int on = 1;

	if (source == NULL)
		return 0;
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	return bind(fd, (const struct sockaddr *)source, length);
}

static int fail_source(int fd, const struct sockaddr_storage *source, char *reason, size_t reason_size)
{
	char text[SOCKADDR_TEXT_MAX];

	snprintf(reason, reason_size, "no connection from the source address %s: %s",
		 endpoint_print_address((const struct sockaddr *)source, text, sizeof(text)), strerror(errno));
	close(fd);
	return -1;
}

int tcp_connect(const struct sockaddr_storage *address, const struct sockaddr_storage *source,
		struct deadline deadline, int cancel_fd, char *reason, size_t reason_size)
{
	socklen_t length = address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
							  : sizeof(struct sockaddr_in);
	int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1, error = 0;

	if (fd >= 0 && bind_to(fd, source, length) < 0)
		return fail_source(fd, source, reason, reason_size);
	if (fd < 0 ||
	    (connect(fd, (const struct sockaddr *)address, length) < 0 && errno != EINPROGRESS))
		error = errno;
	else
		error = wait_connected(fd, deadline, cancel_fd);
	if (error != 0) {
		snprintf(reason, reason_size, "%s", strerror(error));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}
