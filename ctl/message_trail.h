/*
 * What the lines of a mail log say of one message, one line after the other: the queue id it has, and
 * what came of it. Pure.
 */
#ifndef MESSAGE_TRAIL_H
#define MESSAGE_TRAIL_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/envelope.h"

enum message_trail_outcome {
	MESSAGE_TRAIL_OPEN,	/* nothing is decided */
	MESSAGE_TRAIL_SENT,
	MESSAGE_TRAIL_DEFERRED,	/* this attempt; the message stays in the queue */
	MESSAGE_TRAIL_BOUNCED,
};

#define MESSAGE_TRAIL_REPLY_MAX 1500

struct message_trail {
	const char *token;	/* of the Message-ID */
	const char *recipient;
	char queue_id[QUEUE_ID_MAX + 1];	/* "": not known yet */
	enum message_trail_outcome outcome;
	char reply[MESSAGE_TRAIL_REPLY_MAX];	/* what is in parentheses after status= */
	bool has_others;	/* Postfix has given it recipients of its own (always_bcc) */
	bool is_through_postern;	/* a line of postern-transport was seen */
};

/*
 * Takes a line, without its time: "host postfix/cleanup[195]: 4ZmV: message-id=<...>". true: it is about the message. A content
 * filter on this host that queues the message anew gives it another queue id, and the trail goes on with that. Where Postfix has
 * added recipients, what becomes of theirs does not count.
 */
bool message_trail_take(struct message_trail *trail, const char *line);

#endif
