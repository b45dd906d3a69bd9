/*
 * An established tunnel: Noise transport messages over a TCP stream, one frame per record.
 * tunnel_client.c and tunnel_server.c make them.
 *
 * Sending is buffered: frames are encrypted into the output buffer and leave with tunnel_flush() or
 * when 64 KiB are waiting. One thread at a time uses a tunnel; several take turns with a lock of
 * their own, and then around receiving, too, because it may send (a PONG).
 *
 * A failure is final: from then on every call returns the first one, and only tunnel_close() is
 * of use. There is one exception: TUNNEL_TIMED_OUT from tunnel_receive_frame() while nothing of a
 * record had arrived. Then the tunnel is as it was.
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
	TUNNEL_UNREACHABLE, /* no TCP connection: refused, timed out, no such host */
	/*
	 * Client: the edge closed during the handshake. Wrong edge key, key not authorised, or other
	 * version. Server: a stranger, closed without a byte sent.
	 */
	TUNNEL_NO_ANSWER,
	TUNNEL_WRONG_PSK,	/* message 2 does not verify under the pinned and the preshared key */
	TUNNEL_LOST,		/* established, then closed, reset or silent */
	TUNNEL_TIMED_OUT,	/* the deadline passed; the sentence says in which stage */
	TUNNEL_BAD_RECORD,	/* tampering, or a broken peer */
	TUNNEL_BAD_FRAME,
	TUNNEL_LOCAL,		/* memory, descriptors, a frame that cannot be sent */
};

#define TUNNEL_ERROR_MAX 640

struct tunnel {
	struct stream stream;
	struct noise_cipher_state sending;
	struct noise_cipher_state receiving;
	uint8_t remote_static[NOISE_DHLEN];
	uint8_t handshake_hash[NOISE_HASHLEN];
	struct buffer output;	/* encrypted records on their way */
	struct buffer plain;	/* scratch: the frame being encoded */
	size_t record_used;	/* the longest since tunnel_forget() */
	uint8_t *record;	/* the record being received, decrypted in place; NULL: no tunnel */
	enum tunnel_failure failed;	/* the first final failure */
	char peer[ENDPOINT_TEXT_MAX + 8];	/* "edge HOST:PORT", or "the client" */
	char error[TUNNEL_ERROR_MAX];	/* a sentence for a person: what failed, where to look */
};

/* ---- mail host side: tunnel_client.c ---- */
struct tunnel_client_params {
	struct endpoint edge;
	uint8_t edge_public_key[NOISE_DHLEN];
	uint8_t psk[NOISE_KEYLEN];	/* all zero = none */
	struct noise_static_key own;
	struct deadline deadline;
};
/*
 * Connects, shakes hands, and reads the INFO frame into *info. TUNNEL_OK, or the failure with a
 * sentence in tunnel->error (the tunnel is then wiped). The sentence for TUNNEL_NO_ANSWER names our
 * own public key and the `postern authorize` command. *tunnel need not be initialised.
 */
enum tunnel_failure tunnel_connect(struct tunnel *tunnel, const struct tunnel_client_params *params,
				   struct frame_info *info);

/* ---- edge side: tunnel_server.c ---- */
/*
 * Looks the initiator up; false = not authorised. Fills the psk (zero = none). Called once per
 * handshake, after message 1 verified.
 */
typedef bool tunnel_authorize_fn(void *context, const uint8_t public_key[NOISE_DHLEN],
				 uint8_t psk_out[NOISE_KEYLEN]);

struct tunnel_server_params {
	struct noise_static_key own;
	tunnel_authorize_fn *authorize;
	void *authorize_context;
	struct deadline deadline;	/* for the whole handshake */
};
/*
 * Responds on a connected socket (owned from now on) and returns only after the first record of the
 * initiator verified (its PING: proof that message 1 was no replay). Not a byte is sent before mac1
 * and message 1 verified and the key is authorised, and nothing is allocated before the first
 * record verified. The caller sends INFO, which answers that PING. On failure the tunnel is wiped,
 * the socket closed, and tunnel->error says why, for the edge's own log.
 */
enum tunnel_failure tunnel_accept(struct tunnel *tunnel, int fd,
				  const struct tunnel_server_params *params);

/* mac1 over message 1 under a key derived from the edge's public key. */
void tunnel_mac1(uint8_t mac1[TUNNEL_MAC1_SIZE], const uint8_t edge_public_key[NOISE_DHLEN],
		 const uint8_t *message, size_t length);

/* ---- both ---- */
/* Encrypts into the output buffer; flushes when it is full. */
enum tunnel_failure tunnel_send_frame(struct tunnel *tunnel, const struct frame *frame,
				      struct deadline deadline);
enum tunnel_failure tunnel_flush(struct tunnel *tunnel, struct deadline deadline);
/*
 * Next known frame (PING is answered, unknown optional frames are skipped). Pointers in it are
 * valid until the next call. Flush first: the peer may wait for what lies in the output buffer.
 */
enum tunnel_failure tunnel_receive_frame(struct tunnel *tunnel, struct frame *frame,
					 struct deadline deadline);
/* Wipes what is left of the frames that were sent and received; what they pointed to is gone. */
void tunnel_forget(struct tunnel *tunnel);
/* Is there something to receive now, or the end, or an error? Never blocks. */
bool tunnel_has_input(struct tunnel *tunnel);
/*
 * Sends what is waiting and a CLOSE if it can be had at once (reason 0: neither), wipes keys,
 * closes. Only tunnel->error survives. Safe on a wiped tunnel or one of zero bytes.
 */
void tunnel_close(struct tunnel *tunnel, enum close_reason reason, const char *text);

#endif
