/*
 * How messages leave the load generator: through a tunnel to an edge, or by SMTP to a Postfix. One session each, of one thread;
 * blocking, with deadlines.
 */
#ifndef LOAD_ROUTE_H
#define LOAD_ROUTE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/endpoint.h"
#include "load_message.h"
#include "tunnel/noise.h"
#include "tunnel/tunnel.h"

#define LOAD_PATIENCE_MS 900000
#define LOAD_REASON_MAX 600

enum load_outcome { LOAD_RELAYED, LOAD_DELAYED, LOAD_FAILED, LOAD_LOST, LOAD_OUTCOMES };

struct load_target {
	struct endpoint endpoint;
	bool is_smtp;
	uint8_t edge_key[NOISE_DHLEN];
	struct noise_static_key own;
	const char *sender;
};

struct load_session {
	const struct load_target *target;
	struct tunnel tunnel;		/* of an edge */
	uint32_t transaction;
	int fd;				/* of a Postfix; -1: none */
	bool is_open;
	char reason[LOAD_REASON_MAX];	/* of the last outcome that was not LOAD_RELAYED */
};

/* 0, or -1 with session->reason. */
int load_open(struct load_session *session, const struct load_target *target);
/* Sends one message to one recipient. *waited_us: from the end of the content (END, final dot) to the outcome. */
enum load_outcome load_send(struct load_session *session, const char *recipient, const struct load_message *message,
			    int64_t *waited_us);
void load_close(struct load_session *session);
int64_t load_now_us(void);

/* The two kinds: load_tunnel.c, load_smtp.c. */
int load_tunnel_open(struct load_session *session);
enum load_outcome load_tunnel_send(struct load_session *session, const char *recipient, const struct load_message *message,
				   int64_t *waited_us);
int load_smtp_open(struct load_session *session);
enum load_outcome load_smtp_send(struct load_session *session, const char *recipient, const struct load_message *message,
				 int64_t *waited_us);

#endif
