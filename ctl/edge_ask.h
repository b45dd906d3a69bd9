/*
 * Asks one edge one question (doc/PROTOCOL.md section 5.9) through a tunnel of its own, and says
 * which layer failed if there is no answer.
 */
#ifndef EDGE_ASK_H
#define EDGE_ASK_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/endpoint.h"
#include "transport/edge_table.h"
#include "tunnel/tunnel.h"

struct edge_ask {
	struct endpoint edge;
	uint8_t public_key[NOISE_DHLEN];
	uint8_t former_key[NOISE_DHLEN];	/* tried second, if has_former_key */
	bool has_former_key;
	uint8_t psk[NOISE_KEYLEN];		/* all zero = none; the caller's to wipe */
	struct noise_static_key own;
	const char *question;			/* a word */
	const char *argument;			/* printable; NULL: none */
	int64_t timeout_ms;			/* of all but the look-up of a name */
};

/* In the order in which they are tried. */
enum edge_ask_layer {
	EDGE_ASK_OK,
	EDGE_ASK_RESOLVE,	/* the name of the edge has no address */
	EDGE_ASK_CONNECT,	/* no TCP connection */
	EDGE_ASK_HANDSHAKE,	/* wrong key, not authorised, turned away */
	EDGE_ASK_ANSWER,	/* the tunnel was up, and no sound answer came, or "error" */
};

struct edge_reply {
	enum edge_ask_layer layer;
	bool is_unknown;		/* EDGE_ASK_RESOLVE: no resolver could tell the address, which may be there */
	char error[TUNNEL_ERROR_MAX];	/* unless EDGE_ASK_OK: a sentence, printable */
	json_t *answer;			/* EDGE_ASK_OK: an object or an array. Its text is the edge's:
					   log_printable() before it is shown */
	struct frame_info info;		/* EDGE_ASK_OK, EDGE_ASK_ANSWER: what the edge said of itself */
	double open_ms;			/* likewise: until the tunnel was up; three round trips */
	bool is_former_key;		/* the edge has the former key */
	int64_t answered_ms;		/* EDGE_ASK_OK: when, by the clock of this host, since the epoch */
};

/* Fills in what the table of edges knows; own, question and time-out are left. */
void edge_ask_from_table(struct edge_ask *ask, const struct edge *edge);
/* 0, or -1: no answer. *reply is to be wiped in either case. */
int edge_ask(const struct edge_ask *ask, struct edge_reply *reply);
void edge_reply_wipe(struct edge_reply *reply);

/* "name", "connection", "handshake", "answer"; "none" for EDGE_ASK_OK. */
const char *edge_ask_layer_name(enum edge_ask_layer layer);

#endif
