/*
 * One message as the milter sees it, from MAIL to its end. Everything in it is gone with
 * message_reset(): nothing of one message is left for the next.
 */
#ifndef MESSAGE_H
#define MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/mail_address.h"
#include "text_pool.h"

struct header_field {
	const char *name;		/* as received; no colon */
	const char *value;		/* as received, lines folded with "\n"; may be "" */
	size_t index;			/* the how-manieth of this name (without regard to case), from 1 */
};

struct message {
	struct reverse_path reverse_path;
	bool has_bad_sender;		/* the reverse-path could not be parsed */
	char sender_text[MAILBOX_TEXT_MAX];	/* as received, printable, without brackets */
	bool is_smtputf8;
	size_t recipients;		/* accepted by us */
	struct header_field *fields;
	size_t field_count, field_capacity;
	struct text_pool texts;		/* their names and values */
	size_t field_bytes;
	bool is_header_too_large;	/* fields beyond the bounds were not kept */
	uint64_t content_bytes;		/* header section and body, as far as counted */
};

void message_init(struct message *message);
void message_reset(struct message *message);	/* also after abort; the struct is then as after init */

/*
 * Keeps a field unless that exceeds the bounds (then is_header_too_large, and no further field is
 * kept). 0, or -1: no memory.
 */
int message_add_field(struct message *message, const char *name, const char *value, size_t count_limit, size_t size_limit);
/* The `index`-th field of that name, or NULL. */
const struct header_field *message_field(const struct message *message, const char *name, size_t index);
size_t message_field_count(const struct message *message, const char *name);

#endif
