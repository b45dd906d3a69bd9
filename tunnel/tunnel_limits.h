/*
 * Every size and time bound of the tunnel protocol, with its reason. doc/PROTOCOL.md quotes them.
 */
#ifndef TUNNEL_LIMITS_H
#define TUNNEL_LIMITS_H

/* Mixed into the handshake hash: peers of different versions cannot complete a handshake. */
#define TUNNEL_PROLOGUE "postern/1"
#define TUNNEL_DEFAULT_PORT "7843"

/* Noise transport message (Noise 3): 65535 with the tag; the record length field is 16 bits. */
#define TUNNEL_RECORD_MAX 65535
#define TUNNEL_TAG_SIZE 16
/* Plaintext of one record = one frame. */
#define TUNNEL_FRAME_MAX (TUNNEL_RECORD_MAX - TUNNEL_TAG_SIZE)
/* type, flags, transaction id. */
#define TUNNEL_FRAME_HEADER 6
/* Content bytes in one CONTENT frame: half a frame keeps latency and buffers small. */
#define TUNNEL_CONTENT_MAX 32768
/*
 * Any other frame: the longest (STATUS with reply and host) is under 2 KiB; 8 KiB leaves room for
 * options.
 */
#define TUNNEL_CONTROL_FRAME_MAX 8192

/* A question to the edge, and its argument: a word, and a key or a queue id. */
#define TUNNEL_QUESTION_MAX 63
#define TUNNEL_ARGUMENT_MAX 512
/* Of an answer in one ANSWER frame; in all. */
#define TUNNEL_ANSWER_PIECE_MAX 8000
#define TUNNEL_ANSWER_MAX (256 * 1024)

/* mac1 + Noise message 1 with empty payload; Noise message 2 with empty payload. */
#define TUNNEL_MAC1_SIZE 16
#define TUNNEL_INITIATION_SIZE (TUNNEL_MAC1_SIZE + 96)
#define TUNNEL_RESPONSE_SIZE 48

/*
 * The whole handshake, both directions, after connect(2): a stranger holds a slot no longer than
 * this.
 */
#define TUNNEL_HANDSHAKE_TIMEOUT_MS 5000
/* TCP connect to the edge. */
#define TUNNEL_CONNECT_TIMEOUT_MS 10000
/* A dead peer is found within this (keepalive, TCP_USER_TIMEOUT). */
#define TUNNEL_DEAD_PEER_S 60
/* The edge closes a tunnel without an open transaction after this; the transport leaves at 300 s. */
#define TUNNEL_IDLE_TIMEOUT_MS 330000
/* Between two frames of an open transaction: the mail host is stuck; its memory is given back. */
#define TUNNEL_FRAME_TIMEOUT_MS 120000
/* Recipients of one transaction (also SMTP_RECIPIENTS_MAX). */
#define TUNNEL_RECIPIENTS_MAX 1000

/* Time budgets nest: edge < transport < lmtp(8)'s lmtp_data_done_timeout (1020 s). */
#define TUNNEL_EDGE_BUDGET_MS 900000
#define TUNNEL_TRANSPORT_BUDGET_MS 960000

#endif
