/* One row per rule: its name, its defaults by profile, whether it can repair, its reply. */
#include "rule.h"

#include <stdio.h>

struct row {
	const char *name;
	enum rule_action standard, strict, off;	/* by profile */
	bool repairs;
	bool refuses;		/* may be set to reject and tempfail */
	bool always;		/* may not be switched off */
	const char *code;	/* of a reject; a tempfail is 451 */
	const char *detail;	/* subject.detail of RFC 3463 */
};

/* A rule about senders is the same in every profile: profiles are about the header section. */
#define ALWAYS(action) .standard = action, .strict = action, .off = action
#define PROFILES(in_standard, in_strict) .standard = in_standard, .strict = in_strict, .off = RULE_OFF
#define REFUSES(reply_code, reply_detail) .refuses = true, .code = reply_code, .detail = reply_detail

static const struct row rows[RULE_COUNT] = {
	[RULE_UNLISTED] = { "unlisted", ALWAYS(RULE_REJECT), REFUSES("550", "7.1") },
	[RULE_ENVELOPE_SENDER] = { "envelope_sender", ALWAYS(RULE_REJECT), REFUSES("550", "7.1") },
	[RULE_NULL_SENDER] = { "null_sender", ALWAYS(RULE_REJECT), REFUSES("550", "7.1") },
	[RULE_FROM_MISSING] = { "from_missing", ALWAYS(RULE_REJECT), .repairs = true, REFUSES("550", "7.1") },
	[RULE_FROM_DUPLICATE] = { "from_duplicate", ALWAYS(RULE_REJECT), REFUSES("550", "7.1") },
	[RULE_FROM_SYNTAX] = { "from_syntax", ALWAYS(RULE_REJECT), REFUSES("550", "7.1") },
	[RULE_FROM_ADDRESS] = { "from_address", ALWAYS(RULE_REJECT), .repairs = true, REFUSES("550", "7.1") },
	[RULE_SENDER_ADDRESS] = { "sender_address", ALWAYS(RULE_REJECT), .repairs = true, REFUSES("550", "7.1") },
	[RULE_RESENT_ADDRESS] = { "resent_address", ALWAYS(RULE_REJECT), REFUSES("550", "7.1") },
	[RULE_REPLY_TO_SYNTAX] = { "reply_to_syntax", ALWAYS(RULE_OFF), .repairs = true, REFUSES("550", "6.0") },
	[RULE_REPLY_TO_ADDRESS] = { "reply_to_address", ALWAYS(RULE_OFF), .repairs = true, REFUSES("550", "7.1") },
	[RULE_DISPLAY_NAME] = { "display_name", ALWAYS(RULE_OFF), .repairs = true, REFUSES("550", "7.1") },
	[RULE_FROM_DOMAIN] = { "from_domain", ALWAYS(RULE_OFF), REFUSES("550", "7.1") },
	[RULE_HEADER_SIZE] = { "header_size", ALWAYS(RULE_REJECT), .always = true, REFUSES("552", "6.0") },
	[RULE_FIELD_NAME] = { "field_name", PROFILES(RULE_REJECT, RULE_REJECT), REFUSES("550", "6.0") },
	[RULE_CONTROL_CHARACTER] = { "control_character", PROFILES(RULE_REJECT, RULE_REJECT), REFUSES("550", "6.0") },
	[RULE_RAW_8BIT] = { "raw_8bit", PROFILES(RULE_REJECT, RULE_REJECT), REFUSES("550", "6.7") },
	[RULE_LINE_LENGTH] = { "line_length", PROFILES(RULE_REJECT, RULE_REJECT), REFUSES("550", "6.0") },
	[RULE_ONCE_ONLY] = { "once_only", PROFILES(RULE_REJECT, RULE_REJECT), REFUSES("550", "7.1") },
	[RULE_SUBJECT_LENGTH] = { "subject_length", ALWAYS(RULE_REJECT), REFUSES("550", "6.0") },
	[RULE_DATE_MISSING] = { "date_missing", PROFILES(RULE_REPAIR, RULE_REPAIR), .repairs = true, REFUSES("550", "6.0") },
	[RULE_MESSAGE_ID_MISSING] = { "message_id_missing", PROFILES(RULE_REPAIR, RULE_REPAIR), .repairs = true,
				      REFUSES("550", "6.0") },
	[RULE_BCC] = { "bcc", PROFILES(RULE_REPAIR, RULE_REPAIR), .repairs = true, REFUSES("550", "6.0") },
	[RULE_RETURN_PATH] = { "return_path", PROFILES(RULE_REPAIR, RULE_REPAIR), .repairs = true, REFUSES("550", "6.0") },
	[RULE_AUTHENTICATION_RESULTS] = { "authentication_results", PROFILES(RULE_REPAIR, RULE_REPAIR), .repairs = true,
					  REFUSES("550", "7.1") },
	[RULE_ORIGINATING_IP] = { "originating_ip", PROFILES(RULE_REPAIR, RULE_REPAIR), .repairs = true, REFUSES("550", "7.1") },
	[RULE_USER_AGENT] = { "user_agent", PROFILES(RULE_OFF, RULE_REPAIR), .repairs = true, REFUSES("550", "7.1") },
	[RULE_RECEIVED_CLIENT] = { "received_client", PROFILES(RULE_OFF, RULE_REPAIR), .repairs = true, REFUSES("550", "7.1") },
	[RULE_MESSAGE_SIZE] = { "message_size", ALWAYS(RULE_REJECT), REFUSES("552", "3.4") },
	[RULE_RATE] = { "rate", ALWAYS(RULE_REJECT), REFUSES("550", "7.1") },
	[RULE_LOOKUP] = { "lookup", ALWAYS(RULE_TEMPFAIL), .always = true, REFUSES("451", "3.0") },
};

const char *const rule_choices[] = { "default", "off", "log", "repair", "tempfail", "reject", NULL };
const char *const rule_profile_choices[] = { "standard", "strict", "off", NULL };

const char *rule_name(enum rule rule)
{
	return rows[rule].name;
}

const char *rule_action_name(enum rule_action action)
{
	return rule_choices[action + 1];
}

bool rule_allows_action(enum rule rule, enum rule_action action)
{
	switch (action) {
	case RULE_OFF:
	case RULE_LOG:
		return !rows[rule].always;
	case RULE_REPAIR:
		return rows[rule].repairs;
	case RULE_TEMPFAIL:
	case RULE_REJECT:
		return rows[rule].refuses;
	}
	return false;
}

enum rule_action rule_default(enum rule rule, enum rule_profile profile)
{
	switch (profile) {
	case PROFILE_STANDARD:
		return rows[rule].standard;
	case PROFILE_STRICT:
		return rows[rule].strict;
	case PROFILE_OFF:
		return rows[rule].off;
	}
	return RULE_REJECT;
}

struct rule_reply rule_reply(enum rule rule, enum rule_action action)
{
	struct rule_reply reply;
	bool is_permanent = action == RULE_REJECT;

	snprintf(reply.code, sizeof(reply.code), "%s", is_permanent ? rows[rule].code : "451");
	snprintf(reply.status, sizeof(reply.status), "%c.%s", is_permanent ? '5' : '4', rows[rule].detail);
	return reply;
}
