/* A test that is Postfix: an LMTP session in a thread over a socket pair, and an edge behind it. */
#ifndef LMTP_PEER_H
#define LMTP_PEER_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include "eventually.h"
#include "fake_edge.h"
#include "lib/dot_stuffing.h"
#include "transport/lmtp_session.h"
#include "transport/tunnel_link.h"

struct session {
	struct fake_edge edge;
	struct transport_setup setup;
	struct edge edges[1];
	struct noise_keypair key;
	struct lmtp_invocation invocation; /* set it between start() and go() */
	int server_fd;	      /* the thread's */
	int fd;		      /* ours */
	struct stream stream; /* over fd */
	pthread_t thread;
};

static inline void *run_session(void *argument)
{
	struct session *session = argument;
	struct tunnel_link link;
	struct relay relay;

	relay_init(&relay, tunnel_link_init(&link, &session->setup.key));
	lmtp_session_serve(&session->setup, &relay, &session->invocation, session->server_fd,
			   session->server_fd);
	relay_wipe(&relay);
	return NULL;
}

static inline void expect(struct session *session, const char *start)
{
	char line[4096];

	if (stream_read_line(&session->stream, line, sizeof(line), NULL, deadline_in_ms(PATIENCE_MS)) !=
	    STREAM_OK)
		fail_msg("expected \"%s\", the session said nothing", start);
	if (strncmp(line, start, strlen(start)) != 0)
		fail_msg("expected \"%s\", got \"%s\"", start, line);
}

static inline void say(struct session *session, const void *bytes, size_t length)
{
	assert_int_equal(stream_write_full(&session->stream, bytes, length, deadline_in_ms(PATIENCE_MS)),
			 STREAM_OK);
}

#define SAY(session, text) say(session, text, sizeof(text) - 1)
/* One command, one reply. */
#define ASK(session, command, reply)                                                               \
	do {                                                                                       \
		SAY(session, command "\r\n");                                                      \
		expect(session, reply);                                                            \
	} while (0)

static inline void start(struct session *session, enum fake_edge_mode mode)
{
	int pair[2];

	memset(session, 0, sizeof(*session));
	fake_edge_start(&session->edge, mode);
	noise_keypair_generate(&session->key);
	session->setup.key = noise_keypair_static_key(&session->key);
	session->setup.conf = (struct transport_conf){
		.hostname = (char *)(uintptr_t) "home.example",
		.connect_timeout = PATIENCE_MS,
		.idle_timeout = PATIENCE_MS,
		.key_file = (char *)(uintptr_t) "/nonexistent/key",
		.edges = (char *)(uintptr_t) "/nonexistent/edges",
		.routes = (char *)(uintptr_t) "/nonexistent/routes",
		.sendmail = (char *)(uintptr_t) "/bin/false",
		.stray_cr_lf = STRAY_CR_LF_SPACE,
	};
	session->edges[0] = session->edge.edge;
	session->setup.edges = (struct edge_table){ .edges = session->edges, .count = 1 };
	session->setup.routes.is_missing = true;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	session->server_fd = pair[0];
	session->fd = pair[1];
	stream_init(&session->stream, pair[1], pair[1]);
}

static inline void go(struct session *session)
{
	pthread_create(&session->thread, NULL, run_session, session);
	expect(session, "220 home.example LMTP postern");
}

static inline void greet(struct session *session)
{
	SAY(session, "LHLO mail.example\r\n");
	for (int i = 0; i < 8; i++)
		expect(session, "250-");
	expect(session, "250 XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE");
}

/* Started, greeted, with MAIL accepted. */
static inline void open_session(struct session *session, enum fake_edge_mode mode)
{
	start(session, mode);
	go(session);
	greet(session);
}

static inline void finish(struct session *session)
{
	char rest[100];
	size_t got;

	shutdown(session->fd, SHUT_WR);
	while (stream_read_some(&session->stream, rest, sizeof(rest), &got,
				deadline_in_ms(PATIENCE_MS)) == STREAM_OK)
		;
	pthread_join(session->thread, NULL);
	stream_wipe(&session->stream);
	fake_edge_stop(&session->edge);
}

#endif
