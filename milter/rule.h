/*
 * The rules of postern-milter by name: what each is set to, what it answers when it refuses. The
 * name of a rule is its setting in milter.conf, its word in the log, and its word in
 * `postern headers-check`.
 */
#ifndef RULE_H
#define RULE_H

#include <stdbool.h>
#include <stddef.h>

/* In the order in which they are looked at; the first one that refuses gives the reply. */
enum rule {
	/* who may send as whom */
	RULE_UNLISTED,			/* this login, or this client sending outside, has no line in `senders` */
	RULE_ENVELOPE_SENDER,
	RULE_NULL_SENDER,		/* null reverse-path on something that is no bounce or auto-reply */
	RULE_FROM_MISSING,
	RULE_FROM_DUPLICATE,
	RULE_FROM_SYNTAX,		/* not parsable, ambiguous, or no address in it */
	RULE_FROM_ADDRESS,
	RULE_SENDER_ADDRESS,		/* Sender: syntax and right to use it */
	RULE_RESENT_ADDRESS,		/* Resent-From, Resent-Sender: likewise */
	RULE_REPLY_TO_SYNTAX,
	RULE_REPLY_TO_ADDRESS,
	RULE_DISPLAY_NAME,		/* a different address in the display name of From */
	RULE_FROM_DOMAIN,		/* domain of the envelope sender is not that of From */
	/* soundness of the header section */
	RULE_HEADER_SIZE,		/* more fields or bytes than header_count_limit, header_size_limit */
	RULE_FIELD_NAME,		/* RFC 5322 2.2: "From :", empty, 8-bit */
	RULE_CONTROL_CHARACTER,		/* bare CR or LF, NUL, C0 but TAB, DEL */
	RULE_RAW_8BIT,			/* beyond ASCII without SMTPUTF8, or not UTF-8 with it */
	RULE_LINE_LENGTH,		/* RFC 5322 2.1.1: 998 octets */
	RULE_ONCE_ONLY,			/* RFC 5322 3.6: at most one of these */
	RULE_SUBJECT_LENGTH,		/* subject_length_limit */
	/* what is added or taken away */
	RULE_DATE_MISSING,
	RULE_MESSAGE_ID_MISSING,
	RULE_BCC,
	RULE_RETURN_PATH,
	RULE_AUTHENTICATION_RESULTS,	/* those with our authserv-id */
	RULE_ORIGINATING_IP,		/* X-Originating-IP and its kin */
	RULE_USER_AGENT,
	RULE_RECEIVED_CLIENT,		/* Received fields that came with the message */
	/* no settings: the table `limits` says when they tempfail and when they reject */
	RULE_MESSAGE_SIZE,
	RULE_RATE,
	/* no setting: a table that cannot be asked; always tempfail */
	RULE_LOOKUP,
	RULE_COUNT
};

enum rule_action {
	RULE_OFF,
	RULE_LOG,
	RULE_REPAIR,		/* change the message and let it pass */
	RULE_TEMPFAIL,
	RULE_REJECT		/* values grow with severity */
};

/*
 * Values of a rule's setting: enum rule_action shifted by one, for 0 is "default", what the profile
 * says.
 */
extern const char *const rule_choices[];

/* About the header section only; a rule about senders has the same default in each. */
enum rule_profile { PROFILE_STANDARD, PROFILE_STRICT, PROFILE_OFF };
extern const char *const rule_profile_choices[];

const char *rule_name(enum rule rule);
const char *rule_action_name(enum rule_action action);
/* May this rule be set to that? (`repair` exists only where something can be repaired.) */
bool rule_allows_action(enum rule rule, enum rule_action action);
/* What the rule does when its setting says "default". */
enum rule_action rule_default(enum rule rule, enum rule_profile profile);

/*
 * The reply of a rule that refuses: code "550" or "451", enhanced status (RFC 3463) "5.7.1" or
 * "4.7.1". tempfail has the same subject and detail as reject.
 */
struct rule_reply {
	char code[4];
	char status[8];
};
struct rule_reply rule_reply(enum rule rule, enum rule_action action);

#endif
