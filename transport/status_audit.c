/*
 * Contradictions in a status. RELAYED is believed only if everything agrees: class 2, a 2xx reply,
 * read after the final dot, after END had been sent. FAILED makes Postfix bounce, so it must not
 * stand on a 2xx or 4xx reply. DELAYED costs nothing but time and may stand on any reply but 2xx (a
 * 552 to RCPT is temporary, RFC 5321 4.5.3.1.10).
 *
 * All that holds for from_journal, too, but that the reply may be lost by now. Besides, no edge knows
 * which message it is before END, and only what is final is remembered.
 */
#include "status_audit.h"

#include <string.h>

#include "lib/log.h"

static void make_printable(char *text, size_t size)
{
	text[size - 1] = '\0';
	log_printable(text, size, text, strlen(text));
}

static const char *audit_from_journal(const struct delivery_status *status, bool end_was_sent)
{
	if (!status->from_journal)
		return NULL;
	if (!end_was_sent)
		return "an earlier attempt's outcome before the end of the message";
	if (status->action == DELIVERY_DELAYED)
		return "temporary failure as an earlier attempt's outcome";
	return NULL;
}

static const char *audit_relayed(const struct delivery_status *status, bool end_was_sent)
{
	if (status->status.class != 2)
		return "success with a status of another class";
	if ((status->reply.code < 200 || status->reply.code > 299) &&
	    !(status->from_journal && status->reply.code == 0))
		return "success without a 2xx reply";
	if (enhanced_status_is_given(status->reply.status) && status->reply.status.class != 2)
		return "success with a reply of another class";
	if (status->stage != STAGE_AFTER_FINAL_DOT || !end_was_sent)
		return "success before the end of the message";
	return NULL;
}

static const char *audit_delayed(const struct delivery_status *status)
{
	if (status->status.class != 4)
		return "temporary failure with a status of another class";
	if (status->reply.code >= 200 && status->reply.code <= 299)
		return "temporary failure with a 2xx reply";
	return NULL;
}

static const char *audit_failed(const struct delivery_status *status)
{
	if (status->status.class != 5)
		return "permanent failure with a status of another class";
	if (status->reply.code != 0 && (status->reply.code < 500 || status->reply.code > 599))
		return "permanent failure without a 5xx reply";
	if (enhanced_status_is_given(status->reply.status) && status->reply.status.class != 5)
		return "permanent failure with a reply of another class";
	return NULL;
}

static const char *audit_action(const struct delivery_status *status, bool end_was_sent)
{
	switch (status->action) {
	case DELIVERY_RELAYED:
		return audit_relayed(status, end_was_sent);
	case DELIVERY_DELAYED:
		return audit_delayed(status);
	case DELIVERY_FAILED:
		return audit_failed(status);
	}
	return "no known outcome";
}

const char *status_audit(struct delivery_status *status, bool end_was_sent)
{
	const char *contradiction;

	make_printable(status->reply.text, sizeof(status->reply.text));
	make_printable(status->reason, sizeof(status->reason));
	make_printable(status->remote_mta, sizeof(status->remote_mta));
	make_printable(status->remote_address, sizeof(status->remote_address));
	make_printable(status->tls, sizeof(status->tls));
	contradiction = audit_action(status, end_was_sent);
	return contradiction != NULL ? contradiction : audit_from_journal(status, end_was_sent);
}

bool status_audit_is_same(const struct delivery_status *a, const struct delivery_status *b)
{
	return a->action == b->action && a->reply.code == b->reply.code &&
	       a->status.class == b->status.class && a->status.subject == b->status.subject &&
	       a->status.detail == b->status.detail;
}
