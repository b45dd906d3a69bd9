/*
 * One mail transaction (RFC 5321 3.3) as the milter judges it, without libmilter: who hands it in,
 * what each stage is answered. The callbacks and the dry run both end here.
 */
#ifndef MAIL_TRANSACTION_H
#define MAIL_TRANSACTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client.h"
#include "finding.h"
#include "message.h"
#include "milter_setup.h"
#include "rate_limits.h"
#include "senders.h"

enum mail_transaction_standing {
	STANDING_UNKNOWN,	/* no recipient yet */
	STANDING_STRANGER,	/* inbound mail: not looked at */
	STANDING_UNLISTED,	/* goes outside without a line in `senders`, and the rule only logs or is off */
	STANDING_LISTED
};

struct mail_transaction {
	struct milter_setup *setup;	/* a reference; NULL: no transaction */
	struct rate_limits *limits;	/* NULL in a dry run: nothing is counted */
	const struct client *client;
	struct message message;
	enum mail_transaction_standing standing;
	struct senders_entry entry;
	struct sender_address self;	/* the login, if it is an address */
	bool has_self;
	bool is_envelope_judged, is_message_counted;
	uint64_t declared_size;		/* SIZE= of MAIL (RFC 1870), or 0 */
	struct findings findings;
	char queue_id[64];		/* "" until it is known */
	bool is_dry_run;		/* nothing goes to the log */
};

/* What a stage is answered: RULE_TEMPFAIL and RULE_REJECT refuse, everything else lets pass. */
struct verdict {
	enum rule_action action;
	struct rule_reply reply;
	char text[FINDING_TEXT_MAX];
};

void mail_transaction_init(struct mail_transaction *transaction);
/* MAIL: takes the reference to setup. `path` with its brackets, `parameters` NULL-terminated. */
void mail_transaction_begin(struct mail_transaction *transaction, struct milter_setup *setup, struct rate_limits *limits,
		       const struct client *client, const char *path, char *const *parameters);
/* Everything of it is gone, also after an abort. */
void mail_transaction_end(struct mail_transaction *transaction);

/*
 * RCPT. `mailer`: Postfix's {rcpt_mailer}, the transport that would deliver to it; NULL if unknown,
 * which counts as one by which mail leaves. A refusal is for this recipient alone.
 */
void mail_transaction_recipient(struct mail_transaction *transaction, const char *mailer, struct verdict *verdict);
/*
 * The end of the message: everything that is in the header section. transaction->findings then
 * holds the edits to be made if the verdict lets it pass.
 */
void mail_transaction_content(struct mail_transaction *transaction, struct verdict *verdict);
/* Takes the fields of another message, which is empty afterwards. */
void mail_transaction_move_fields(struct mail_transaction *transaction, struct message *from);
/* Is the message larger than it may be already? Then the rest of it need not be looked at. */
bool mail_transaction_is_too_large(const struct mail_transaction *transaction);
/* Shall the content be looked at at all? Not that of strangers. */
bool mail_transaction_wants_content(const struct mail_transaction *transaction);

#endif
