/*
 * The smallest possible edge: accepts tunnels and answers each transaction without delivering it.
 * For tests of other implementations of the mail host's end, and of doc/PROTOCOL.md.
 *
 *     tunnel_responder EDGE-KEY-FILE AUTHORIZED-CLIENTS [COUNT]
 *
 * Listens on 127.0.0.1, prints "port N", serves COUNT connections (default 1) one after the other
 * and prints what it received. A recipient's local part decides its status: "ok..." is relayed,
 * "later..." delayed, anything else failed. Content whose digest is wrong ends the tunnel.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/dot_stuffing.h"
#include "tunnel/authorized_clients.h"
#include "tunnel/content_digest.h"
#include "tunnel/keyfile.h"
#include "tunnel/tunnel.h"

#define PATIENCE_MS 10000

struct session {
	struct tunnel tunnel;
	struct authorized_clients *clients;
	struct envelope envelope;
	struct content_digest digest;
	struct dot_verifier verifier;
	uint32_t transaction;
	bool is_sound;
};

static int listen_here(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, 8) < 0 || getsockname(fd, (struct sockaddr *)&address, &size) < 0) {
		perror("tunnel_responder");
		exit(1);
	}
	printf("port %d\n", ntohs(address.sin_port));
	fflush(stdout);
	return fd;
}

static bool authorize(void *context, const uint8_t public_key[NOISE_DHLEN],
		      uint8_t psk_out[NOISE_KEYLEN])
{
	struct session *session = context;
	const struct authorized_client *client =
		authorized_clients_find(session->clients, public_key);

	if (client == NULL)
		return false;
	memcpy(psk_out, client->psk, NOISE_KEYLEN);
	printf("client %s\n", client->name);
	return true;
}

static bool send_now(struct session *session, const struct frame *frame)
{
	return tunnel_send_frame(&session->tunnel, frame, deadline_in_ms(PATIENCE_MS)) ==
		       TUNNEL_OK &&
	       tunnel_flush(&session->tunnel, deadline_in_ms(PATIENCE_MS)) == TUNNEL_OK;
}

static bool send_info(struct session *session)
{
	struct frame frame = { .type = FRAME_INFO };

	strcpy(frame.u.info.edge_name, "responder.example");
	frame.u.info.size_max = 100 << 20;
	frame.u.info.recipients_max = TUNNEL_RECIPIENTS_MAX;
	return send_now(session, &frame);
}

static void on_envelope(struct session *session, const struct frame *frame)
{
	char path[MAILBOX_TEXT_MAX];

	envelope_wipe(&session->envelope);
	session->envelope = frame->u.envelope.envelope;
	session->transaction = frame->transaction;
	content_digest_init(&session->digest);
	dot_verifier_init(&session->verifier);
	session->is_sound = true;
	reverse_path_print(&session->envelope.reverse_path, path, sizeof(path));
	printf("envelope from=<%s> queue_id=%s body=%d smtputf8=%d\n", path,
	       session->envelope.queue_id, session->envelope.body_type, session->envelope.smtputf8);
}

static void set_status(struct delivery_status *status, const struct mailbox *mailbox)
{
	struct smtp_reply reply = { .code = 250, .text = "2.0.0 Ok: queued as 12345" };

	reply.status = ENHANCED_STATUS(2, 0, 0);
	if (strncmp(mailbox->local_part, "later", 5) == 0) {
		reply = (struct smtp_reply){ .code = 451, .text = "4.7.1 greylisted" };
		reply.status = ENHANCED_STATUS(4, 7, 1);
	} else if (strncmp(mailbox->local_part, "ok", 2) != 0) {
		reply = (struct smtp_reply){ .code = 550, .text = "5.1.1 no such user" };
		reply.status = ENHANCED_STATUS(5, 1, 1);
	}
	delivery_status_set_reply(status, STAGE_RCPT, &reply);
	strcpy(status->remote_mta, "mx.example.net");
	strcpy(status->remote_address, "192.0.2.9");
	status->remote_port = 25;
}

static bool answer(struct session *session)
{
	struct frame frame = { .type = FRAME_DELIVERY_STATUS, .transaction = session->transaction };

	for (size_t i = 0; i < session->envelope.recipient_count; i++) {
		memset(&frame.u.status, 0, sizeof(frame.u.status));
		frame.u.status.index = (uint32_t)i;
		set_status(&frame.u.status.status, &session->envelope.recipients[i].forward_path);
		if (!send_now(session, &frame))
			return false;
	}
	frame.type = FRAME_DONE;
	return send_now(session, &frame);
}

static bool on_end(struct session *session, const struct frame *frame)
{
	uint8_t digest[CONTENT_DIGEST_SIZE];
	uint64_t length = session->digest.length;

	content_digest_final(&session->digest, digest);
	session->is_sound = session->is_sound && dot_verifier_finish(&session->verifier);
	printf("end length=%llu digest=%s content=%s\n", (unsigned long long)length,
	       memcmp(digest, frame->u.end.digest, sizeof(digest)) == 0 ? "ok" : "wrong",
	       session->is_sound ? "sound" : "unsound");
	return length == frame->u.end.length && session->is_sound &&
	       memcmp(digest, frame->u.end.digest, sizeof(digest)) == 0 && answer(session);
}

/* false: the tunnel is to be closed. */
static bool on_frame(struct session *session, const struct frame *frame)
{
	char path[MAILBOX_TEXT_MAX];

	switch (frame->type) {
	case FRAME_ENVELOPE:
		on_envelope(session, frame);
		return true;
	case FRAME_RECIPIENT:
		printf("recipient %u <%s>\n", frame->u.recipient.index,
		       mailbox_print(&frame->u.recipient.recipient.forward_path, path,
				     sizeof(path)));
		return envelope_add_recipient(&session->envelope, &frame->u.recipient.recipient) ==
		       0;
	case FRAME_CONTENT:
		content_digest_update(&session->digest, frame->u.content.bytes,
				      frame->u.content.length);
		session->is_sound = dot_verifier_feed(&session->verifier, frame->u.content.bytes,
						      frame->u.content.length);
		return true;
	case FRAME_END_OF_CONTENT:
		return on_end(session, frame);
	case FRAME_ABORT:
		printf("abort\n");
		return true;
	case FRAME_PONG:
		return true;
	default:
		printf("%s\n", frame_type_name(frame->type));
		return false;
	}
}

static void serve(struct session *session, int fd, const struct noise_static_key *own)
{
	struct tunnel_server_params params = {
		.own = *own,
		.authorize = authorize,
		.authorize_context = session,
		.deadline = deadline_in_ms(TUNNEL_HANDSHAKE_TIMEOUT_MS),
	};
	static struct frame frame;
	bool goes_on;

	if (tunnel_accept(&session->tunnel, fd, &params) != TUNNEL_OK) {
		printf("failed: %s\n", session->tunnel.error);
		return;
	}
	goes_on = send_info(session);
	while (goes_on) {
		if (tunnel_receive_frame(&session->tunnel, &frame, deadline_in_ms(PATIENCE_MS)) !=
		    TUNNEL_OK) {
			printf("ended: %s\n", session->tunnel.error);
			break;
		}
		goes_on = on_frame(session, &frame);
		fflush(stdout);
	}
	tunnel_close(&session->tunnel, CLOSE_PROTOCOL_ERROR, "done");
	envelope_wipe(&session->envelope);
}

static void complain(void *context, const char *message)
{
	(void)context;
	fprintf(stderr, "tunnel_responder: %s\n", message);
}

int main(int argc, char **argv)
{
	static struct session session;
	struct authorized_clients clients;
	struct noise_keypair own;
	struct noise_static_key own_key;
	char error[256];
	int listening, count;

	if (argc < 3 || argc > 4) {
		fprintf(stderr,
			"usage: tunnel_responder EDGE-KEY-FILE AUTHORIZED-CLIENTS [COUNT]\n");
		return 64;
	}
	if (keyfile_read_static(&own, argv[1], error, sizeof(error)) < 0 ||
	    authorized_clients_read(&clients, argv[2], NULL, own.public_key, complain, NULL, error,
				    sizeof(error)) < 0) {
		fprintf(stderr, "tunnel_responder: %s\n", error);
		return 78;
	}
	own_key = noise_keypair_static_key(&own);
	session.clients = &clients;
	listening = listen_here();
	for (count = argc > 3 ? atoi(argv[3]) : 1; count > 0; count--) {
		serve(&session, accept(listening, NULL, NULL), &own_key);
		fflush(stdout);
	}
	close(listening);
	authorized_clients_wipe(&clients);
	noise_keypair_wipe(&own);
	return 0;
}
