/* A connection of the sink: socket, TLS, and replies that are held back. One thread, epoll. */
#ifndef SINK_CONNECTION_H
#define SINK_CONNECTION_H

#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#include "sink_record.h"
#include "sink_session.h"

/* What all connections share. */
struct sink {
	int epoll_fd;
	SSL_CTX *tls;			/* NULL: no STARTTLS, ever */
	bool offers_tls;
	uint32_t tarpit_first;		/* addresses, host order, whose replies come late; 0: none */
	uint32_t tarpit_count;
	int64_t tarpit_delay_us;
	bool is_tarpit_of_dots;		/* only the reply to the final dot comes late */
	struct sink_connection *delayed, **delayed_end;	/* by the time when they go on */
	struct sink_record record;
	unsigned long connections, open, handshakes, resumed, failed;
};

struct sink_connection {
	int fd;
	SSL *ssl;			/* NULL: cleartext */
	bool is_shaking_hands;
	bool ends;			/* when the replies are out */
	bool is_held, is_gone;		/* its reply is held back; its client went away meanwhile */
	int64_t delay_us;		/* of each reply; 0: none */
	bool only_dot_is_slow;		/* of that reply alone */
	int64_t goes_on_us;
	struct sink_connection *next_delayed;
	char *pending;			/* read, but not looked at before the reply is out */
	size_t pending_length;
	struct sink_session session;
};

void sink_init(struct sink *sink, int epoll_fd);
/* A certificate and its key in one PEM file. 0, or -1. */
int sink_load_certificate(struct sink *sink, const char *path);
void sink_connection_accept(struct sink *sink, int listening_fd);
void sink_connection_on_input(struct sink *sink, struct sink_connection *connection);
/* Those whose time has come go on. Returns milliseconds until the next one, -1 if there is none. */
int sink_run_delayed(struct sink *sink);

#endif
