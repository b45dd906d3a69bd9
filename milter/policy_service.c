/*
 * One thread with poll(2) for all connections: each smtpd(8) process keeps one open and asks on it
 * again and again. A connection that sends what is no request, or does not read its answers, is
 * closed; Postfix then defers the recipient, as it should.
 */
#include "policy_service.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/thread.h"
#include "policy_request.h"

static const char answer[] = "action=DUNNO\n\n";

/* No descriptor for a new connection: how long to wait for one, instead of asking again at once. */
#define NO_ROOM_MS 100

struct connection {
	char text[POLICY_REQUEST_MAX];
	size_t length;
};

struct service {
	struct client_certificates *certificates;
	size_t count;						/* connections; polls[0] is the listener */
	struct pollfd polls[1 + POLICY_CONNECTIONS_MAX];
	struct connection *connections[1 + POLICY_CONNECTIONS_MAX];
};

static void accept_one(struct service *service)
{
	int fd = accept4(service->polls[0].fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct connection *connection = fd >= 0 ? calloc(1, sizeof(*connection)) : NULL;

	if (connection == NULL) {
		if (fd >= 0)
			close(fd);
		else if (errno != EAGAIN && errno != ECONNABORTED)
			poll(NULL, 0, NO_ROOM_MS);
		return;
	}
	service->count++;
	service->polls[service->count] = (struct pollfd){ .fd = fd, .events = POLLIN };
	service->connections[service->count] = connection;
}

/* The last one takes the place of the one that goes. */
static void end_connection(struct service *service, size_t index)
{
	close(service->polls[index].fd);
	free(service->connections[index]);
	service->polls[index] = service->polls[service->count];
	service->connections[index] = service->connections[service->count];
	service->count--;
}

/* Answers every complete request. -1: the connection is of no more use. */
static int serve_requests(struct service *service, int fd, struct connection *connection)
{
	struct policy_request request;
	ptrdiff_t taken;

	while ((taken = policy_request_parse(&request, connection->text, connection->length)) > 0) {
		/* Also without a certificate: then what was told of another client with this port is forgotten. */
		client_certificates_put(service->certificates, request.client_address, request.client_port, request.sender,
					request.ccert_fingerprint, request.ccert_pubkey_fingerprint);
		connection->length -= (size_t)taken;
		memmove(connection->text, connection->text + taken, connection->length);
		if (send(fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL) != (ssize_t)(sizeof(answer) - 1))
			return -1;
	}
	if (taken < 0)
		log_warning("policy_listen: what came in is no policy request of Postfix");
	return taken < 0 ? -1 : 0;
}

static int read_connection(struct service *service, int fd, struct connection *connection)
{
	ssize_t got = recv(fd, connection->text + connection->length, sizeof(connection->text) - connection->length, 0);

	if (got < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	if (got == 0)
		return -1;
	connection->length += (size_t)got;
	return serve_requests(service, fd, connection);
}

static void *run(void *argument)
{
	struct service *service = argument;

	for (;;) {
		/* Full: who waits in the backlog is not forgotten. */
		service->polls[0].events = service->count < POLICY_CONNECTIONS_MAX ? POLLIN : 0;
		if (poll(service->polls, 1 + service->count, -1) < 0 && errno != EINTR)
			log_panic("policy_listen: poll: %s", strerror(errno));
		for (size_t i = service->count; i > 0; i--)
			if (service->polls[i].revents != 0 &&
			    read_connection(service, service->polls[i].fd, service->connections[i]) < 0)
				end_connection(service, i);
		if (service->polls[0].revents != 0)
			accept_one(service);
	}
	return NULL;
}

int policy_service_start(int listen_fd, struct client_certificates *certificates)
{
	struct service *service = calloc(1, sizeof(*service));

	if (service == NULL)
		return -1;
	service->certificates = certificates;
	service->polls[0] = (struct pollfd){ .fd = listen_fd, .events = POLLIN };
	if (thread_start_detached(run, service) == 0)
		return 0;
	free(service);
	return -1;
}
