/*
 * What a mail host may ask its edge between two transactions (doc/PROTOCOL.md section 5.9). A row
 * in the table of edge_question.c makes a question; the answer is JSON.
 *
 * A question is answered in the session's own thread, so a slow one keeps nobody waiting but who
 * asks. It is about the asking client alone, or about the edge itself: nothing of another client
 * goes into an answer, and the edge never takes a host or an address to connect to from a question.
 */
#ifndef EDGE_QUESTION_H
#define EDGE_QUESTION_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "edge.h"

/* Who asks, as the handshake found it; a row of the table names those who may. */
enum edge_question_who {
	EDGE_QUESTION_CLIENT = 1,
	EDGE_QUESTION_INVITED = 2, /* holds an invite, and is no client yet */
};

struct edge_question {
	struct edge *edge;
	enum edge_question_who who;
	const char *client;		/* its name in the allow-list */
	const uint8_t *public_key;	/* NOISE_DHLEN bytes, proved */
	const char *argument;		/* printable, "": none */
};

/* One answer, a reference for the caller; NULL: no memory. */
typedef json_t *edge_question_fn(const struct edge_question *question);

/*
 * The text of the answer to the question `name` (printable), NUL-terminated, on the heap, of
 * 1..TUNNEL_ANSWER_MAX bytes; NULL: no memory. A question that there is not, or that this client may
 * not ask, is answered with {"error": "..."}.
 */
char *edge_question_answer(const struct edge_question *question, const char *name, size_t *length_out);

/* {"error": "..."} for a question that cannot be answered; NULL: no memory. */
json_t *edge_question_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
