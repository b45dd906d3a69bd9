/* The bookkeeping of a walk. */
#include "walk_recipients.h"

#include <stdio.h>
#include <stdlib.h>

enum walk_state {
	WALK_OPEN,	/* may be offered to this host */
	WALK_NEXT_HOST,	/* this host said no, another may be asked */
	WALK_REPORTED,
};

struct walk_recipient {
	size_t index;			/* in the envelope */
	enum walk_state state;
	bool has_status;		/* some host gave a verdict */
	struct delivery_status status;	/* the verdict kept if no further host does better */
	struct smtp_event event;	/* of the transaction under way */
	bool has_event;
};

int walk_recipients_init(struct walk_recipients *recipients, const struct host_walk_params *params)
{
	*recipients = (struct walk_recipients){ .report = params->report,
						.context = params->context };
	recipients->items = calloc(params->count, sizeof(*recipients->items));
	if (recipients->items == NULL)
		return -1;
	recipients->count = recipients->unreported = params->count;
	for (size_t i = 0; i < params->count; i++)
		recipients->items[i].index = params->recipients[i];
	return 0;
}

void walk_recipients_wipe(struct walk_recipients *recipients)
{
	free(recipients->items);
	recipients->items = NULL;
}

static void report(struct walk_recipients *recipients, struct walk_recipient *recipient,
		   const struct delivery_status *status)
{
	recipient->state = WALK_REPORTED;
	recipients->unreported--;
	recipients->report(recipients->context, recipient->index, status);
}

/* Not always the last word: that a backup is ourselves bounces nothing while the primary is only down. */
static void keep(struct walk_recipient *recipient, const struct delivery_status *status)
{
	if (recipient->has_status)
		delivery_policy_merge(&recipient->status, status);
	else
		recipient->status = *status;
	recipient->has_status = true;
}

static void describe(struct delivery_status *status, const struct walk_host *host)
{
	snprintf(status->remote_mta, sizeof(status->remote_mta), "%s", host->exchange);
	snprintf(status->remote_address, sizeof(status->remote_address), "%s", host->address);
	status->remote_port = host->port;
	snprintf(status->tls, sizeof(status->tls), "%s", host->tls);
	status->dsn_offered = host->dsn_offered;
}

static void apply(struct walk_recipients *recipients, struct walk_recipient *recipient,
		  const struct walk_host *host, struct delivery_decision decision)
{
	describe(&decision.status, host);
	keep(recipient, &decision.status);
	switch (decision.next) {
	case DELIVERY_NEXT_FINAL:
		report(recipients, recipient, &recipient->status);
		break;
	case DELIVERY_NEXT_TRANSACTION:
		break;	/* stays open here; if the connection goes, this verdict is what is known */
	case DELIVERY_NEXT_HOST:
	case DELIVERY_NEXT_CLEARTEXT:
		recipient->state = WALK_NEXT_HOST;
		break;
	}
}

void walk_recipients_reopen(struct walk_recipients *recipients)
{
	for (size_t i = 0; i < recipients->count; i++)
		if (recipients->items[i].state == WALK_NEXT_HOST)
			recipients->items[i].state = WALK_OPEN;
}

size_t walk_recipients_count_open(const struct walk_recipients *recipients)
{
	size_t count = 0;

	for (size_t i = 0; i < recipients->count; i++)
		if (recipients->items[i].state == WALK_OPEN)
			count++;
	return count;
}

size_t walk_recipients_batch(const struct walk_recipients *recipients, size_t *indices)
{
	size_t count = 0;

	for (size_t i = 0; i < recipients->count && count < SMTP_RECIPIENTS_PER_TRANSACTION; i++)
		if (recipients->items[i].state == WALK_OPEN)
			indices[count++] = recipients->items[i].index;
	return count;
}

void walk_recipients_note(struct walk_recipients *recipients, size_t index,
			  const struct smtp_event *event)
{
	for (size_t i = 0; i < recipients->count; i++) {
		if (recipients->items[i].index == index) {
			recipients->items[i].event = *event;
			recipients->items[i].has_event = true;
			return;
		}
	}
}

/* Recipients that the server took: those whose verdict came after RCPT. */
static size_t count_accepted(const struct walk_recipients *recipients)
{
	size_t accepted = 0;

	for (size_t i = 0; i < recipients->count; i++)
		if (recipients->items[i].has_event && recipients->items[i].event.stage > STAGE_RCPT)
			accepted++;
	return accepted;
}

void walk_recipients_decide(struct walk_recipients *recipients, const struct walk_host *host,
			    enum tls_level level)
{
	size_t accepted = count_accepted(recipients);
	struct delivery_decision decision;

	for (size_t i = 0; i < recipients->count; i++) {
		struct walk_recipient *recipient = &recipients->items[i];

		if (!recipient->has_event)
			continue;
		recipient->has_event = false;
		delivery_policy_decide(&recipient->event, level, accepted, &decision);
		apply(recipients, recipient, host, decision);
	}
}

void walk_recipients_decide_open(struct walk_recipients *recipients, const struct walk_host *host,
				 const struct delivery_decision *decision)
{
	for (size_t i = 0; i < recipients->count; i++)
		if (recipients->items[i].state == WALK_OPEN)
			apply(recipients, &recipients->items[i], host, *decision);
}

void walk_recipients_finish(struct walk_recipients *recipients,
			    const struct delivery_status *otherwise,
			    const struct delivery_status *instead)
{
	for (size_t i = 0; i < recipients->count; i++) {
		struct walk_recipient *recipient = &recipients->items[i];
		const struct delivery_status *status = otherwise;

		if (recipient->state == WALK_REPORTED)
			continue;
		if (recipient->has_status)
			status = &recipient->status;
		if (status->action == DELIVERY_FAILED && instead != NULL)
			status = instead;
		report(recipients, recipient, status);
	}
}

void walk_recipients_finish_all(struct walk_recipients *recipients,
				const struct delivery_status *status)
{
	for (size_t i = 0; i < recipients->count; i++)
		if (recipients->items[i].state != WALK_REPORTED)
			report(recipients, &recipients->items[i], status);
}
