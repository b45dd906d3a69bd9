/*
 * The main thread's loop: accepts connections, sees strangers off, hands those who know the edge's
 * key to sessions, watches signals and the files that may change.
 */
#ifndef LISTENER_H
#define LISTENER_H

#include "edge.h"

/* TUNNEL endpoints of one edge: addresses of both families for a few `listen` lines. */
#define LISTENER_SOCKETS_MAX 32

struct listener {
	int sockets[LISTENER_SOCKETS_MAX];
	int socket_count;
};

/* Binds every address of conf->listen. 0, or -1 with the address and the reason. */
int listener_open(struct listener *listener, const struct edge_conf *conf, char *error,
		  size_t error_size);
void listener_close(struct listener *listener);

/*
 * Serves until SIGTERM or SIGINT, then drains and returns. signal_fd from service_signals_open().
 * SIGHUP re-reads conf_path. false: deliveries are still running that would not end.
 */
bool listener_run(struct listener *listener, struct edge *edge, int signal_fd,
		  const char *conf_path);

#endif
