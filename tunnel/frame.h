/*
 * Typed messages inside records: encode and decode. Byte layout in doc/PROTOCOL.md.
 *
 *   frame   = type(1) flags(1) transaction(4) body
 *   body    = raw content bytes (CONTENT) / *field (every other type)
 *   field   = tag(1) length(2) value
 *   flags   bit 0 set: a receiver that does not know the type closes the tunnel; clear: it skips it
 *
 * Integers are big-endian. A field whose tag has bit 7 set may be skipped by who does not know it.
 */
#ifndef FRAME_H
#define FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buffer.h"
#include "lib/delivery_status.h"
#include "lib/envelope.h"
#include "tunnel_limits.h"

enum frame_type {
	/* mail host to edge */
	FRAME_ENVELOPE = 0x01,
	FRAME_RECIPIENT = 0x02,
	FRAME_CONTENT = 0x03,
	FRAME_END_OF_CONTENT = 0x04,
	FRAME_ABORT = 0x05,
	/* edge to mail host */
	FRAME_DELIVERY_STATUS = 0x11,
	FRAME_DONE = 0x12,
	FRAME_INFO = 0x13,
	/* both */
	FRAME_PING = 0x21,
	FRAME_PONG = 0x22,
	FRAME_CLOSE = 0x23,
	/* mail host to edge, between transactions; and back */
	FRAME_ASK = 0x31,
	FRAME_ANSWER = 0x32,
	/* 0x33..0x3f are kept */
};

#define FRAME_FLAG_CRITICAL 0x01

/* BLAKE2b-256 over the content as carried (dot-stuffed, without the final dot line). */
#define CONTENT_DIGEST_SIZE 32

struct frame_envelope {
	struct envelope envelope;	/* recipients empty */
	uint32_t budget_ms;		/* time the mail host will still wait */
};

struct frame_info {
	char edge_name[SMTP_DOMAIN_MAX + 1];	/* its EHLO name */
	uint64_t size_max;			/* largest content it takes */
	uint32_t recipients_max;
};

enum close_reason {
	CLOSE_IDLE = 1,
	CLOSE_SHUTDOWN = 2,		/* the edge stops; try again soon */
	CLOSE_REVOKED = 3,		/* the key was taken off the allow-list */
	CLOSE_PROTOCOL_ERROR = 4,
	CLOSE_LIMIT = 5,		/* too many tunnels of this client */
};

struct frame_close {
	enum close_reason reason;
	char text[SMTP_REPLY_TEXT_MAX + 1];	/* printable */
};

struct frame_ask {
	char question[TUNNEL_QUESTION_MAX + 1];	/* a word */
	char argument[TUNNEL_ARGUMENT_MAX + 1];	/* printable; "": none */
};

/* A decoded frame. Pointers lead into the decoded bytes and live as long as they. */
struct frame {
	uint8_t type;
	uint8_t flags;
	uint32_t transaction;
	union {
		struct frame_envelope envelope;			/* ENVELOPE */
		struct {
			uint32_t index;				/* from 0 without gaps */
			struct recipient recipient;
		} recipient;					/* RECIPIENT */
		struct {
			const uint8_t *bytes;
			size_t length;				/* 1..TUNNEL_CONTENT_MAX */
		} content;					/* CONTENT */
		struct {
			uint8_t digest[CONTENT_DIGEST_SIZE];
			uint64_t length;			/* bytes of content in all */
		} end;						/* END_OF_CONTENT */
		struct {
			uint32_t index;
			struct delivery_status status;
		} status;					/* DELIVERY_STATUS */
		struct frame_info info;				/* INFO */
		struct frame_close close;			/* CLOSE */
		struct frame_ask ask;				/* ASK */
		struct {
			bool is_last;
			const uint8_t *bytes;			/* UTF-8, but a piece may end anywhere */
			size_t length;				/* 1..TUNNEL_ANSWER_PIECE_MAX */
		} answer;					/* ANSWER */
	} u;
};

enum frame_decode_result {
	FRAME_OK,
	FRAME_SKIP,		/* unknown type without the critical flag */
	FRAME_BAD,		/* malformed, missing or doubled field, value out of bounds,
				   unknown type or field that must not be skipped */
};

/*
 * Appends the plaintext of one record (CONTENT is copied). Sets the flags itself: every type of
 * this version is critical. 0, or -1 if a value cannot be sent (a programming error) or
 * memory is out.
 */
int frame_encode(struct buffer *out, const struct frame *frame);
/*
 * On FRAME_BAD `error` says which field of which type. Addresses are validated by lib's parsers.
 * Nothing is allocated. Every number is in range and every text printable afterwards; whether they
 * make sense together (action and reply code, index and recipients named) is not looked at.
 */
enum frame_decode_result frame_decode(struct frame *frame, const uint8_t *bytes, size_t length,
				      char *error, size_t error_size);
const char *frame_type_name(uint8_t type);

#endif
