/*
 * A socketmap server in a thread: every question gets the answer that was set last, or what a
 * function makes of it. Remembers the last question.
 */
#ifndef SOCKETMAP_SERVER_H
#define SOCKETMAP_SERVER_H

#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define SERVER_CONNECTIONS_MAX 64

enum server_manner {
	SERVER_STAYS,
	SERVER_CLOSES,		/* after every answer */
	SERVER_CLOSES_ONCE	/* instead of the next answer */
};

/* Writes the answer to `key`, as a whole netstring; returns its length. */
typedef size_t server_answer_fn(const char *key, char *answer, size_t size);

struct socketmap_server {
	pthread_t thread;
	pthread_mutex_t lock;		/* protects what the test sets and asks */
	const char *answer;
	size_t answer_length;
	enum server_manner manner;
	server_answer_fn *make_answer;
	unsigned connections, questions;
	bool drop;
	char question[600];
	/* the thread's own */
	struct pollfd fds[2 + SERVER_CONNECTIONS_MAX];
	nfds_t count;
	int stop[2];
	char directory[64], path[96];
};

static inline void server_close(struct socketmap_server *server, nfds_t index)
{
	close(server->fds[index].fd);
	server->fds[index] = server->fds[--server->count];
}

/* One question is one packet here: it is short and was written at once. */
static inline bool server_serve(struct socketmap_server *server, int fd)
{
	char answer[2000];
	const char *bytes = answer;
	bool stays;
	size_t length;
	ssize_t got = recv(fd, server->question, sizeof(server->question) - 1, 0);

	if (got <= 0)
		return false;
	server->question[got] = '\0';
	server->questions++;
	if (server->manner == SERVER_CLOSES_ONCE) {
		server->manner = SERVER_STAYS;
		return false;
	}
	if (server->make_answer != NULL) {
		char *key = strchr(server->question, ' ') + 1;

		server->question[got - 1] = '\0';
		length = server->make_answer(key, answer, sizeof(answer));
	} else {
		bytes = server->answer;
		length = server->answer_length;
	}
	stays = server->manner == SERVER_STAYS;
	for (size_t done = 0; done < length;) {
		ssize_t put = send(fd, bytes + done, length - done, MSG_NOSIGNAL);

		if (put < 0)
			return false;
		done += (size_t)put;
	}
	return stays;
}

static inline void *server_run(void *argument)
{
	struct socketmap_server *server = argument;

	for (;;) {
		poll(server->fds, server->count, -1);
		if (server->fds[0].revents != 0) {
			char byte;

			if (read(server->stop[0], &byte, 1) != 1 || byte == 's')
				return NULL;
			while (server->count > 2)
				server_close(server, server->count - 1);
			pthread_mutex_lock(&server->lock);
			server->drop = false;
			pthread_mutex_unlock(&server->lock);
			continue;
		}
		pthread_mutex_lock(&server->lock);
		for (nfds_t i = server->count; i > 2; i--)
			if (server->fds[i - 1].revents != 0 && !server_serve(server, server->fds[i - 1].fd))
				server_close(server, i - 1);
		if (server->fds[1].revents != 0 && server->count < 2 + SERVER_CONNECTIONS_MAX) {
			int fd = accept(server->fds[1].fd, NULL, NULL);

			if (fd >= 0) {
				server->connections++;
				server->fds[server->count++] = (struct pollfd){ .fd = fd, .events = POLLIN };
			}
		}
		pthread_mutex_unlock(&server->lock);
	}
}

static inline int socketmap_server_start(struct socketmap_server *server)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*server = (struct socketmap_server){ .count = 2 };
	strcpy(server->directory, "/tmp/postern-socketmap-XXXXXX");
	if (fd < 0 || mkdtemp(server->directory) == NULL || pipe(server->stop) != 0)
		return -1;
	snprintf(server->path, sizeof(server->path), "%s/socket", server->directory);
	strcpy(address.sun_path, server->path);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(fd, SERVER_CONNECTIONS_MAX) != 0)
		return -1;
	server->fds[0] = (struct pollfd){ .fd = server->stop[0], .events = POLLIN };
	server->fds[1] = (struct pollfd){ .fd = fd, .events = POLLIN };
	pthread_mutex_init(&server->lock, NULL);
	return pthread_create(&server->thread, NULL, server_run, server);
}

static inline void server_tell(struct socketmap_server *server, char byte)
{
	if (write(server->stop[1], &byte, 1) != 1)
		abort();
}

static inline void socketmap_server_stop(struct socketmap_server *server)
{
	server_tell(server, 's');
	pthread_join(server->thread, NULL);
	for (nfds_t i = 1; i < server->count; i++)
		close(server->fds[i].fd);
	close(server->stop[0]);
	close(server->stop[1]);
	pthread_mutex_destroy(&server->lock);
	unlink(server->path);
	rmdir(server->directory);
}

/* `answer` must live as long as it is in use. */
static inline void socketmap_server_say(struct socketmap_server *server, const char *answer, size_t length,
					enum server_manner manner)
{
	pthread_mutex_lock(&server->lock);
	server->answer = answer;
	server->answer_length = length;
	server->manner = manner;
	pthread_mutex_unlock(&server->lock);
}

static inline unsigned socketmap_server_connections(struct socketmap_server *server)
{
	unsigned connections;

	pthread_mutex_lock(&server->lock);
	connections = server->connections;
	pthread_mutex_unlock(&server->lock);
	return connections;
}

static inline unsigned socketmap_server_questions(struct socketmap_server *server)
{
	unsigned questions;

	pthread_mutex_lock(&server->lock);
	questions = server->questions;
	pthread_mutex_unlock(&server->lock);
	return questions;
}

/* Closes all connections; they are closed when it returns. */
static inline void socketmap_server_drop(struct socketmap_server *server)
{
	bool is_done = false;

	pthread_mutex_lock(&server->lock);
	server->drop = true;
	pthread_mutex_unlock(&server->lock);
	server_tell(server, 'd');
	while (!is_done) {
		usleep(1000);
		pthread_mutex_lock(&server->lock);
		is_done = !server->drop;
		pthread_mutex_unlock(&server->lock);
	}
}

#endif
