/*
 * One check of this machine at a time, and what it found is kept for a while: however many clients
 * ask however often, the edge, its resolver and the servers that it tries are asked twice a minute
 * each.
 */
#ifndef CHECK_TURN_H
#define CHECK_TURN_H

#include <pthread.h>
#include <stdbool.h>

#include "lib/deadline.h"
#include "tunnel/authorized_clients.h"

/* As long a finding is as good as new. */
#define CHECK_TURN_KEEP_MS 30000
/* Answers that are kept; each is about the addresses of one client. */
#define CHECK_TURN_KEPT_MAX 8

struct check_turn {
	pthread_mutex_t lock;	/* protects the rest */
	pthread_cond_t freed;
	bool is_taken;
	struct check_answer {
		char client[CLIENT_NAME_MAX + 1];
		char *text;	/* JSON; NULL: none */
		struct deadline until;
	} kept[CHECK_TURN_KEPT_MAX];
};

void check_turn_init(struct check_turn *turn);

enum check_turn_result {
	CHECK_TURN_KEPT,	/* *text_out is the answer, the caller's to free */
	CHECK_TURN_YOURS,	/* look, then check_turn_end() */
	CHECK_TURN_BUSY,	/* somebody else looks all the time; or no memory */
};
/* Waits until the deadline at most. */
enum check_turn_result check_turn_begin(struct check_turn *turn, const char *client, struct deadline deadline,
					char **text_out);
/* text: copied; NULL: nothing came of it. */
void check_turn_end(struct check_turn *turn, const char *client, const char *text);

#endif
