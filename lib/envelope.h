/* The envelope of one mail transaction (RFC 5321 2.3.1) with its DSN parameters (RFC 3461). */
#ifndef ENVELOPE_H
#define ENVELOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mail_address.h"
#include "smtp_limits.h"

enum body_type { BODY_7BIT, BODY_8BITMIME };
enum dsn_return { DSN_RETURN_UNSET, DSN_RETURN_FULL, DSN_RETURN_HEADERS };

/* NOTIFY as a bit set; 0 = not given. NEVER stands alone (RFC 3461 4.1). */
enum { DSN_NOTIFY_NEVER = 1, DSN_NOTIFY_SUCCESS = 2, DSN_NOTIFY_FAILURE = 4, DSN_NOTIFY_DELAY = 8 };

struct recipient {
	struct mailbox forward_path;
	uint8_t notify;
	char orcpt[SMTP_ORCPT_MAX + 1];		/* "rfc822;user+40example.com", still xtext; "" = none */
};

#define QUEUE_ID_MAX 63

struct envelope {
	char queue_id[QUEUE_ID_MAX + 1];	/* the mail system's; "" = unknown */
	struct reverse_path reverse_path;
	enum body_type body_type;
	bool smtputf8;
	bool requiretls;			/* RFC 8689: rather a bounce than a hop without authenticated TLS */
	enum dsn_return ret;
	char envid[SMTP_ENVID_MAX + 1];		/* still xtext; "" = none */
	uint64_t declared_size;			/* SIZE=, bytes; 0 = not given */
	struct recipient *recipients;
	size_t recipient_count;
	size_t recipient_capacity;
};

void envelope_init(struct envelope *envelope);
void envelope_wipe(struct envelope *envelope);
/* Copies. 0, or -1 when SMTP_RECIPIENTS_MAX is reached or memory is out. */
int envelope_add_recipient(struct envelope *envelope, const struct recipient *recipient);
/*
 * A queue id as mail systems make them: 1-63 letters and digits (Postfix, long ids included; Sendmail)
 * and, not at the start, hyphens (Exim).
 */
bool envelope_queue_id_is_valid(const char *text, size_t length);
/* May this envelope only travel to a server with SMTPUTF8? (asked for, and some address is not ASCII) */
bool envelope_needs_smtputf8(const struct envelope *envelope);

#endif
