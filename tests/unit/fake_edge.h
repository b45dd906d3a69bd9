/*
 * An edge for tests of the transport: a thread behind a real tunnel on loopback. What it says of a
 * recipient follows from the local part ("ok1", "bounce", "defer", "missing", ...; with "again" in
 * it, that is an earlier attempt's outcome); how it misbehaves besides, from `mode`.
 */
#ifndef FAKE_EDGE_H
#define FAKE_EDGE_H

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "eventually.h"
#include "transport/edge_table.h"
#include "tunnel/content_digest.h"
#include "tunnel/tunnel.h"

enum fake_edge_mode {
	FAKE_EDGE_GOOD,
	FAKE_EDGE_IDLE_CLOSE,	      /* says CLOSE after each transaction */
	FAKE_EDGE_VANISH_AT_ENVELOPE, /* closes TCP on the first frame of a transaction */
	FAKE_EDGE_VANISH_AT_CONTENT,
	FAKE_EDGE_VANISH_AT_END,    /* has everything, says nothing */
	FAKE_EDGE_VANISH_AT_STATUS, /* tells of the first recipient only */
	FAKE_EDGE_EARLY_DONE,	    /* fails all at the first CONTENT */
	FAKE_EDGE_EARLY_SUCCESS,    /* claims success at the first CONTENT */
	FAKE_EDGE_EARLY_CLOSE,	    /* CLOSE shutdown at the first CONTENT */
	FAKE_EDGE_PAUSE,	    /* 200 ms before the last outcome */
	FAKE_EDGE_REVERSE,	    /* outcomes in reverse order, 200 ms between the last two */
};

struct fake_edge {
	int listen_fd;
	pthread_t thread;
	struct noise_keypair key;
	struct edge edge; /* what the table would say */
	enum fake_edge_mode mode;
	struct frame_info info;
	/* What was seen; read it after the session has ended. */
	_Atomic int tunnels, transactions, ends, aborts;
	_Atomic bool is_held;	/* a pause lasts until it is not */
	bool digest_is_good;
	struct frame_envelope envelope;
	struct recipient recipients[TUNNEL_RECIPIENTS_MAX];
	size_t recipient_count;
	struct content_digest digest;
};

/* Content of the last transaction of the last fake edge. */
static struct buffer fake_edge_content;

static inline bool fake_edge_authorize(void *context, const uint8_t public_key[NOISE_DHLEN],
				       uint8_t psk_out[NOISE_KEYLEN])
{
	(void)context;
	(void)public_key;
	memset(psk_out, 0, NOISE_KEYLEN);
	return true;
}

static inline void fake_edge_send(struct tunnel *tunnel, const struct frame *frame)
{
	tunnel_send_frame(tunnel, frame, deadline_in_ms(PATIENCE_MS));
}

static inline struct frame fake_edge_frame(enum frame_type type, uint32_t transaction)
{
	return (struct frame){ .type = (uint8_t)type,
			       .flags = FRAME_FLAG_CRITICAL,
			       .transaction = transaction };
}

static inline void fake_edge_reply(struct delivery_status *status, int code, const char *text)
{
	struct smtp_reply reply = { .code = code };

	snprintf(reply.text, sizeof(reply.text), "%s", text);
	enhanced_status_parse(&reply.status, text, strlen(text));
	memset(status, 0, sizeof(*status));
	snprintf(status->remote_mta, sizeof(status->remote_mta), "mx.example.net");
	snprintf(status->remote_address, sizeof(status->remote_address), "192.0.2.9");
	status->remote_port = 25;
	delivery_status_set_reply(status, code == 550 ? STAGE_RCPT : STAGE_AFTER_FINAL_DOT, &reply);
}

static inline bool fake_edge_is(const struct recipient *recipient, const char *start)
{
	return strncmp(recipient->forward_path.local_part, start, strlen(start)) == 0;
}

static inline void fake_edge_status(struct fake_edge *fake, struct tunnel *tunnel,
				    uint32_t transaction, size_t index)
{
	const struct recipient *recipient = &fake->recipients[index];
	struct frame frame = fake_edge_frame(FRAME_DELIVERY_STATUS, transaction);
	struct delivery_status *status = &frame.u.status.status;

	frame.u.status.index = (uint32_t)index;
	fake_edge_reply(status, 250, "2.0.0 Ok: queued");
	if (fake_edge_is(recipient, "missing"))
		return;
	if (fake_edge_is(recipient, "bounce"))
		fake_edge_reply(status, 550, "5.1.1 no such user");
	else if (fake_edge_is(recipient, "defer"))
		fake_edge_reply(status, 451, "4.7.1 greylisted");
	else if (fake_edge_is(recipient, "dsn"))
		status->dsn_offered = true;
	else if (fake_edge_is(recipient, "wrongclass"))
		status->action = DELIVERY_FAILED; /* and code 250 */
	else if (fake_edge_is(recipient, "noreply"))
		status->reply.code = 0;
	else if (fake_edge_is(recipient, "stranger"))
		frame.u.status.index = 999;
	status->from_journal = strstr(recipient->forward_path.local_part, "again") != NULL;
	fake_edge_send(tunnel, &frame);
	if (!fake_edge_is(recipient, "twice"))
		return;
	fake_edge_reply(status, 550, "5.1.1 changed my mind");
	fake_edge_send(tunnel, &frame);
}

static inline void fake_edge_on_end(struct fake_edge *fake, struct tunnel *tunnel,
				    uint32_t transaction)
{
	struct frame done = fake_edge_frame(FRAME_DONE, transaction);
	size_t count = fake->recipient_count;

	for (size_t i = 0; i < count; i++) {
		fake_edge_status(fake, tunnel, transaction,
				 fake->mode == FAKE_EDGE_REVERSE ? count - 1 - i : i);
		if (fake->mode == FAKE_EDGE_VANISH_AT_STATUS) {
			tunnel_flush(tunnel, deadline_in_ms(PATIENCE_MS));
			return;
		}
		if ((fake->mode == FAKE_EDGE_REVERSE || fake->mode == FAKE_EDGE_PAUSE) &&
		    i + 2 == count) {
			tunnel_flush(tunnel, deadline_in_ms(PATIENCE_MS));
			usleep(200000);
			while (fake->is_held)
				usleep(1000);
		}
	}
	fake_edge_send(tunnel, &done);
	tunnel_flush(tunnel, deadline_in_ms(PATIENCE_MS));
}

static inline void fake_edge_early(struct fake_edge *fake, struct tunnel *tunnel,
				   uint32_t transaction)
{
	struct frame frame = fake_edge_frame(FRAME_DELIVERY_STATUS, transaction);
	struct frame done = fake_edge_frame(FRAME_DONE, transaction);
	struct frame close = fake_edge_frame(FRAME_CLOSE, 0);

	if (fake->mode == FAKE_EDGE_EARLY_CLOSE) {
		close.u.close.reason = CLOSE_SHUTDOWN;
		fake_edge_send(tunnel, &close);
	}
	for (size_t i = 0; i < fake->recipient_count && fake->mode != FAKE_EDGE_EARLY_CLOSE; i++) {
		frame.u.status.index = (uint32_t)i;
		if (fake->mode == FAKE_EDGE_EARLY_SUCCESS)
			fake_edge_reply(&frame.u.status.status, 250, "2.0.0 Ok");
		else
			fake_edge_reply(&frame.u.status.status, 550, "5.1.1 early");
		fake_edge_send(tunnel, &frame);
	}
	if (fake->mode != FAKE_EDGE_EARLY_CLOSE)
		fake_edge_send(tunnel, &done);
	tunnel_flush(tunnel, deadline_in_ms(PATIENCE_MS));
}

static inline void fake_edge_on_content(struct fake_edge *fake, struct tunnel *tunnel,
					const struct frame *frame)
{
	bool is_first = buffer_length(&fake_edge_content) == 0;

	content_digest_update(&fake->digest, frame->u.content.bytes, frame->u.content.length);
	buffer_put(&fake_edge_content, frame->u.content.bytes, frame->u.content.length);
	if (is_first &&
	    (fake->mode == FAKE_EDGE_EARLY_DONE || fake->mode == FAKE_EDGE_EARLY_SUCCESS ||
	     fake->mode == FAKE_EDGE_EARLY_CLOSE))
		fake_edge_early(fake, tunnel, frame->transaction);
}

/* false: close the connection without a word. */
static inline bool fake_edge_on_frame(struct fake_edge *fake, struct tunnel *tunnel,
				      const struct frame *frame)
{
	uint8_t digest[CONTENT_DIGEST_SIZE];
	struct frame close = fake_edge_frame(FRAME_CLOSE, 0);

	switch (frame->type) {
	case FRAME_ENVELOPE:
		fake->transactions++;
		fake->envelope = frame->u.envelope;
		fake->recipient_count = 0;
		buffer_reset(&fake_edge_content);
		content_digest_init(&fake->digest);
		return fake->mode != FAKE_EDGE_VANISH_AT_ENVELOPE;
	case FRAME_RECIPIENT:
		fake->recipients[fake->recipient_count++] = frame->u.recipient.recipient;
		return true;
	case FRAME_CONTENT:
		fake_edge_on_content(fake, tunnel, frame);
		return fake->mode != FAKE_EDGE_VANISH_AT_CONTENT;
	case FRAME_END_OF_CONTENT:
		fake->ends++;
		content_digest_final(&fake->digest, digest);
		fake->digest_is_good = memcmp(digest, frame->u.end.digest, sizeof(digest)) == 0 &&
				       frame->u.end.length == buffer_length(&fake_edge_content);
		if (fake->mode == FAKE_EDGE_VANISH_AT_END)
			return false;
		fake_edge_on_end(fake, tunnel, frame->transaction);
		if (fake->mode == FAKE_EDGE_IDLE_CLOSE) {
			close.u.close.reason = CLOSE_IDLE;
			fake_edge_send(tunnel, &close);
			tunnel_flush(tunnel, deadline_in_ms(PATIENCE_MS));
		}
		return fake->mode != FAKE_EDGE_VANISH_AT_STATUS &&
		       fake->mode != FAKE_EDGE_IDLE_CLOSE;
	case FRAME_ABORT:
		fake->aborts++;
		return true;
	default:
		return false;
	}
}

static inline void fake_edge_serve(struct fake_edge *fake, int fd)
{
	struct tunnel_server_params params = {
		.own = noise_keypair_static_key(&fake->key),
		.authorize = fake_edge_authorize,
		.deadline = deadline_in_ms(PATIENCE_MS),
	};
	struct frame info = { .type = FRAME_INFO,
			      .flags = FRAME_FLAG_CRITICAL,
			      .u.info = fake->info };
	struct tunnel tunnel;
	struct frame frame;

	if (tunnel_accept(&tunnel, fd, &params) != TUNNEL_OK)
		return;
	fake->tunnels++;
	fake_edge_send(&tunnel, &info);
	tunnel_flush(&tunnel, deadline_in_ms(PATIENCE_MS));
	while (tunnel_receive_frame(&tunnel, &frame, deadline_in_ms(PATIENCE_MS)) == TUNNEL_OK &&
	       fake_edge_on_frame(fake, &tunnel, &frame))
		;
	tunnel_close(&tunnel, 0, NULL);
}

static inline void *fake_edge_run(void *argument)
{
	struct fake_edge *fake = argument;
	int fd;

	while ((fd = accept(fake->listen_fd, NULL, NULL)) >= 0)
		fake_edge_serve(fake, fd);
	return NULL;
}

/* Listens on loopback and starts the thread. */
static inline void fake_edge_start(struct fake_edge *fake, enum fake_edge_mode mode)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);

	memset(fake, 0, sizeof(*fake));
	fake->mode = mode;
	noise_keypair_generate(&fake->key);
	buffer_wipe(&fake_edge_content);
	buffer_init(&fake_edge_content, 64 << 20);
	snprintf(fake->info.edge_name, sizeof(fake->info.edge_name), "edge.example.com");
	fake->info.size_max = 50 << 20;
	fake->info.recipients_max = TUNNEL_RECIPIENTS_MAX;
	fake->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bind(fake->listen_fd, (struct sockaddr *)&address, size);
	listen(fake->listen_fd, 8);
	getsockname(fake->listen_fd, (struct sockaddr *)&address, &size);
	snprintf(fake->edge.name, sizeof(fake->edge.name), "us");
	snprintf(fake->edge.endpoint.host, sizeof(fake->edge.endpoint.host), "127.0.0.1");
	snprintf(fake->edge.endpoint.port, sizeof(fake->edge.endpoint.port), "%d",
		 ntohs(address.sin_port));
	memcpy(fake->edge.public_key, fake->key.public_key, sizeof(fake->edge.public_key));
	pthread_create(&fake->thread, NULL, fake_edge_run, fake);
}

static inline void fake_edge_stop(struct fake_edge *fake)
{
	shutdown(fake->listen_fd, SHUT_RDWR);
	pthread_join(fake->thread, NULL);
	close(fake->listen_fd);
}

#endif
