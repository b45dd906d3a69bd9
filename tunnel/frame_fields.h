/*
 * The fields inside frames: the tags of each frame type, shared by frame_encode.c and
 * frame_decode.c, and cutting a received body into them. doc/PROTOCOL.md
 * has the same table with types and bounds. Numbers are for ever: a tag may be added, never reused.
 * Tags with bit 7 set are for fields that an older receiver may skip; there are none yet.
 */
#ifndef FRAME_FIELDS_H
#define FRAME_FIELDS_H

#include "frame.h"

#define FIELD_SKIPPABLE 0x80
/* tag, length */
#define FIELD_HEADER 3

enum envelope_field {
	ENVELOPE_REVERSE_PATH = 1,
	ENVELOPE_QUEUE_ID = 2,
	ENVELOPE_BODY_TYPE = 3,
	ENVELOPE_SMTPUTF8 = 4,
	ENVELOPE_RET = 5,
	ENVELOPE_ENVID = 6,
	ENVELOPE_DECLARED_SIZE = 7,
	ENVELOPE_BUDGET_MS = 8,
	ENVELOPE_REQUIRETLS = 9,
};

enum recipient_field {
	RECIPIENT_INDEX = 1,
	RECIPIENT_FORWARD_PATH = 2,
	RECIPIENT_NOTIFY = 3,
	RECIPIENT_ORCPT = 4,
};

enum end_field { END_DIGEST = 1, END_LENGTH = 2 };

enum status_field {
	STATUS_INDEX = 1,
	STATUS_ACTION = 2,
	STATUS_CODE = 3,	/* enhanced status */
	STATUS_STAGE = 4,
	STATUS_REPLY_CODE = 5,
	STATUS_REPLY_STATUS = 6,
	STATUS_REPLY_TEXT = 7,
	STATUS_REASON = 8,
	STATUS_REMOTE_MTA = 9,
	STATUS_REMOTE_ADDRESS = 10,
	STATUS_REMOTE_PORT = 11,
	STATUS_TLS = 12,
	STATUS_MAYBE_DUPLICATE = 13,
	STATUS_DSN_OFFERED = 14,
	STATUS_FROM_JOURNAL = 15,
	STATUS_IN_PROGRESS = 16,
};

enum info_field { INFO_EDGE_NAME = 1, INFO_SIZE_MAX = 2, INFO_RECIPIENTS_MAX = 3 };

enum close_field { CLOSE_REASON = 1, CLOSE_TEXT = 2 };

enum ask_field { ASK_QUESTION = 1, ASK_ARGUMENT = 2 };

enum answer_field { ANSWER_LAST = 1, ANSWER_DATA = 2 };

#define FIELD_TAG_LIMIT 17	/* one more than the highest tag */

/* An enhanced status on the wire: class(1) subject(2) detail(2). */
#define ENHANCED_STATUS_SIZE 5
#define ENHANCED_STATUS_PART_MAX 999

/* A day: what a peer may claim to be willing to wait. The edge has its own, smaller bound. */
#define BUDGET_MS_MAX 86400000

/* Enumerations of lib travel by their numbers; these are what doc/PROTOCOL.md says. */
_Static_assert(BODY_7BIT == 0 && BODY_8BITMIME == 1, "wire number");
_Static_assert(DSN_RETURN_FULL == 1 && DSN_RETURN_HEADERS == 2, "wire number");
_Static_assert(DSN_NOTIFY_NEVER == 1 && DSN_NOTIFY_SUCCESS == 2 && DSN_NOTIFY_FAILURE == 4 &&
	       DSN_NOTIFY_DELAY == 8, "wire number");
_Static_assert(DELIVERY_RELAYED == 0 && DELIVERY_DELAYED == 1 && DELIVERY_FAILED == 2,
	       "wire number");
_Static_assert(STAGE_TUNNEL == 0 && STAGE_EDGE == 1 && STAGE_DNS == 2 && STAGE_CONNECT == 3 &&
	       STAGE_GREETING == 4 && STAGE_EHLO == 5 && STAGE_TLS == 6 && STAGE_MAIL == 7 &&
	       STAGE_RCPT == 8 && STAGE_DATA == 9 && STAGE_CONTENT == 10 &&
	       STAGE_AFTER_FINAL_DOT == 11 && STAGE_COUNT == 12, "wire number");

enum field_kind {
	KIND_NUMBER,	/* big-endian, exactly `width` bytes; the bounds are those of the value */
	KIND_BYTES,	/* the bounds are those of the length; also for what is parsed later */
	KIND_TEXT,	/* printable ASCII and space */
	KIND_WORD,	/* the same without space */
};

/* What a field of a frame type must look like. A list ends with tag 0. */
struct frame_field_rule {
	uint8_t tag;
	const char *name;
	enum field_kind kind;
	bool is_mandatory;
	size_t width;
	uint64_t minimum;
	uint64_t maximum;
};

/* A received field: `bytes` leads into the frame. */
struct frame_field {
	bool is_given;
	const uint8_t *bytes;
	size_t length;
	uint64_t number;	/* KIND_NUMBER; 0 if not given */
};

/*
 * Cuts a body into `fields` (indexed by tag, zeroed by the caller) and checks each against its
 * rule. 0, or -1: then *field_out is the field's name and *why_out what is wrong with it.
 */
int frame_fields_take(struct frame_field fields[FIELD_TAG_LIMIT],
		      const struct frame_field_rule *rules, const uint8_t *body, size_t length,
		      const char **field_out, const char **why_out);

#endif
