/*
 * An established tunnel: Noise transport messages over a TCP stream, one frame per record. tunnel_client.c and
 * tunnel_server.c make them.
 *
 * Sending is buffered: frames are encrypted into the output buffer and leave with tunnel_flush() or when 64 KiB are
 * waiting. One thread receives; sending may be done by several threads only if the caller locks around it.
 */
#ifndef TUNNEL_H
#define TUNNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "frame.h"
#include "lib/deadline.h"
#include "lib/endpoint.h"
#include "lib/stream.h"
#include "noise.h"

enum tunnel_failure {
	TUNNEL_OK = 0,
	TUNNEL_UNREACHABLE,		/* no TCP connection: refused, timed out, no such host */
	TUNNEL_NO_ANSWER,		/* handshake: closed or silent. Wrong edge key, key not authorised, or other version */
	TUNNEL_WRONG_PSK,		/* message 2 does not verify under the pinned key and this preshared key */
	TUNNEL_LOST,			/* established, then closed, reset or silent */
	TUNNEL_TIMED_OUT,
	TUNNEL_BAD_RECORD,		/* tampering, or a broken peer */
	TUNNEL_BAD_FRAME,
	TUNNEL_LOCAL,			/* memory, descriptors, key file */
};

struct tunnel {
	struct stream stream;
	struct noise_cipher_state sending;
	struct noise_cipher_state receiving;
	uint8_t remote_static[NOISE_DHLEN];
	uint8_t handshake_hash[NOISE_HASHLEN];
	struct buffer output;		/* encrypted records on their way */
	struct buffer plain;		/* scratch: the frame being encoded */
	uint8_t *record;		/* TUNNEL_RECORD_MAX bytes: the record being received, decrypted in place */
	char error[256];		/* a sentence for a person: what failed and what to look at */
};

/* ---- mail host side: tunnel_client.c ---- */
struct tunnel_client_params {
	struct endpoint edge;
	uint8_t edge_public_key[NOISE_DHLEN];
	uint8_t psk[NOISE_KEYLEN];		/* all zero = none */
	struct noise_static_key own;
	struct deadline deadline;
};
/*
 * Connects, shakes hands, and reads the INFO frame into *info. TUNNEL_OK, or the failure with a sentence in tunnel->error (the
 * tunnel is then wiped). The sentence for TUNNEL_NO_ANSWER names our own public key and the `postern authorize` command.
 */
enum tunnel_failure tunnel_connect(struct tunnel *tunnel, const struct tunnel_client_params *params, struct frame_info *info);

/* ---- edge side: tunnel_server.c ---- */
/* Looks the initiator up; false = not authorised. Fills the psk (zero = none). Called once per handshake, after msg 1 verified. */
typedef bool tunnel_authorize_fn(void *context, const uint8_t public_key[NOISE_DHLEN], uint8_t psk_out[NOISE_KEYLEN]);

struct tunnel_server_params {
	struct noise_static_key own;
	tunnel_authorize_fn *authorize;
	void *authorize_context;
	struct deadline deadline;		/* for the whole handshake */
};
/*
 * Responds on a connected socket (owned from now on) and returns only after the first record of the initiator verified (its PING; proof
 * that message 1 was no replay). Not a byte is sent before mac1 and message 1 verified and the key is authorised. The caller sends INFO.
 * On failure the tunnel is wiped and tunnel->error says why, for the edge's own log.
 */
enum tunnel_failure tunnel_accept(struct tunnel *tunnel, int fd, const struct tunnel_server_params *params);

/* mac1 over message 1 under a key derived from the edge's public key. */
void tunnel_mac1(uint8_t mac1[TUNNEL_MAC1_SIZE], const uint8_t edge_public_key[NOISE_DHLEN], const uint8_t *message,
		 size_t length);

/* ---- both ---- */
/* Encrypts into the output buffer; flushes when it is full. */
enum tunnel_failure tunnel_send_frame(struct tunnel *tunnel, const struct frame *frame, struct deadline deadline);
enum tunnel_failure tunnel_flush(struct tunnel *tunnel, struct deadline deadline);
/* Next known frame (PING is answered, unknown optional frames are skipped). Valid until the next call. */
enum tunnel_failure tunnel_receive_frame(struct tunnel *tunnel, struct frame *frame, struct deadline deadline);
/* Is there something to receive now? Never blocks. */
bool tunnel_has_input(struct tunnel *tunnel);
/* Sends CLOSE if it can be had at once (reason 0: none), wipes keys, closes. Safe on a wiped tunnel. */
void tunnel_close(struct tunnel *tunnel, enum close_reason reason, const char *text);

#endif
