/*
 * Hours are found by their number, so that nothing has to happen when one ends: the first count of a
 * new hour overwrites the one of the day before.
 */
#include "tally.h"

#include <string.h>

const char *const tally_tls_names[TALLY_TLS_KINDS] = {
	[TALLY_TLS_NONE] = "none",	   [TALLY_TLS_UNAUTHENTICATED] = "unauthenticated",
	[TALLY_TLS_DANE] = "dane",	   [TALLY_TLS_STS] = "sts",
	[TALLY_TLS_VERIFIED] = "verified",
};

const char *const tally_reason_names[TALLY_REASONS] = {
	[TALLY_DNS] = "dns",	     [TALLY_CONNECT] = "connect", [TALLY_TLS] = "tls",	     [TALLY_LOST] = "lost",
	[TALLY_POLICY] = "policy",   [TALLY_MAILBOX] = "mailbox", [TALLY_SERVER] = "server", [TALLY_LIMITS] = "limits",
};

static bool begins(const char *text, const char *word)
{
	size_t length = strlen(word);

	return strncmp(text, word, length) == 0 && text[length] == ' ';
}

enum tally_tls tally_tls_of(const char *text)
{
	if (text[0] == '\0')
		return TALLY_TLS_NONE;
	if (strstr(text, "(unauthenticated") != NULL || strstr(text, "would fail)") != NULL)
		return TALLY_TLS_UNAUTHENTICATED;
	if (begins(text, "dane") || begins(text, "dane-only"))
		return TALLY_TLS_DANE;
	if (begins(text, "sts"))
		return TALLY_TLS_STS;
	if (begins(text, "verify") || begins(text, "secure") || begins(text, "fingerprint"))
		return TALLY_TLS_VERIFIED;
	return TALLY_TLS_UNAUTHENTICATED;
}

static enum tally_reason reason_of_reply(const struct delivery_status *status)
{
	switch (status->reply.status.class == 4 ? status->reply.status.subject : 0) {
	case 7:
		return TALLY_POLICY;
	case 1:
	case 2:
		return TALLY_MAILBOX;
	default:
		return TALLY_SERVER;
	}
}

enum tally_reason tally_reason_of(const struct delivery_status *status)
{
	if (status->reply.code != 0)
		return reason_of_reply(status);
	switch (status->stage) {
	case STAGE_DNS:
		return TALLY_DNS;
	case STAGE_CONNECT:
		return TALLY_CONNECT;
	case STAGE_TLS:
		return TALLY_TLS;
	case STAGE_GREETING:
	case STAGE_EHLO:
	case STAGE_MAIL:
	case STAGE_RCPT:
	case STAGE_DATA:
	case STAGE_CONTENT:
	case STAGE_AFTER_FINAL_DOT:
		return TALLY_LOST;
	case STAGE_TUNNEL:
	case STAGE_EDGE:
	case STAGE_COUNT:
		return TALLY_LIMITS;
	}
	return TALLY_LIMITS;
}

void tally_add(struct tally *tally, const struct delivery_status *status, uint32_t count, int64_t now_s)
{
	int64_t hour = now_s / 3600;
	struct tally_hour *slot = &tally->hours[hour % TALLY_HOURS];

	if (status->from_journal || status->in_progress)
		return;
	if (slot->hour != hour)
		*slot = (struct tally_hour){ .hour = hour };
	switch (status->action) {
	case DELIVERY_RELAYED:
		slot->counts.sent += count;
		slot->counts.tls[tally_tls_of(status->tls)] += count;
		tally->last_sent_s = now_s;
		break;
	case DELIVERY_DELAYED:
		slot->counts.deferred += count;
		slot->counts.reasons[tally_reason_of(status)] += count;
		break;
	case DELIVERY_FAILED:
		slot->counts.bounced += count;
		break;
	}
}

struct tally_counts tally_sum(const struct tally *tally, int64_t now_s)
{
	struct tally_counts sum = { .sent = 0 };
	int64_t now = now_s / 3600;

	for (int i = 0; i < TALLY_HOURS; i++) {
		const struct tally_counts *counts = &tally->hours[i].counts;

		if (tally->hours[i].hour > now || tally->hours[i].hour <= now - TALLY_HOURS)
			continue;
		sum.sent += counts->sent;
		sum.deferred += counts->deferred;
		sum.bounced += counts->bounced;
		for (int k = 0; k < TALLY_TLS_KINDS; k++)
			sum.tls[k] += counts->tls[k];
		for (int k = 0; k < TALLY_REASONS; k++)
			sum.reasons[k] += counts->reasons[k];
	}
	return sum;
}
