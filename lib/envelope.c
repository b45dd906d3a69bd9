/*
 * The envelope of one mail transaction (RFC 5321 2.3.1): owns its array of recipients, nothing
 * else. Values are checked where they are parsed (mail_address.c, esmtp_param.c, the tunnel's
 * frames), not here.
 */
#include "envelope.h"

#include <stdlib.h>
#include <string.h>

/* Most mail has one recipient, and each takes nearly a kilobyte. */
#define FIRST_CAPACITY 1

void envelope_init(struct envelope *envelope)
{
	memset(envelope, 0, sizeof(*envelope));
}

void envelope_wipe(struct envelope *envelope)
{
	free(envelope->recipients);
	envelope_init(envelope);
}

static int grow(struct envelope *envelope)
{
	size_t capacity = envelope->recipient_capacity > 0 ? envelope->recipient_capacity * 2
							   : FIRST_CAPACITY;
	struct recipient *recipients;

	if (capacity > SMTP_RECIPIENTS_MAX)
		capacity = SMTP_RECIPIENTS_MAX;
	recipients = realloc(envelope->recipients, capacity * sizeof(*recipients));
	if (recipients == NULL)
		return -1;
	envelope->recipients = recipients;
	envelope->recipient_capacity = capacity;
	return 0;
}

int envelope_add_recipient(struct envelope *envelope, const struct recipient *recipient)
{
	if (envelope->recipient_count >= SMTP_RECIPIENTS_MAX)
		return -1;
	if (envelope->recipient_count == envelope->recipient_capacity && grow(envelope) != 0)
		return -1;
	envelope->recipients[envelope->recipient_count++] = *recipient;
	return 0;
}

bool envelope_queue_id_is_valid(const char *text, size_t length)
{
	if (length == 0 || length > QUEUE_ID_MAX || text[0] == '-')
		return false;
	for (size_t i = 0; i < length; i++)
		if (!((text[i] >= '0' && text[i] <= '9') || (text[i] >= 'A' && text[i] <= 'Z') ||
		      (text[i] >= 'a' && text[i] <= 'z') || text[i] == '-'))
			return false;
	return true;
}

bool envelope_needs_smtputf8(const struct envelope *envelope)
{
	if (!envelope->smtputf8)
		return false;
	if (!envelope->reverse_path.is_null && envelope->reverse_path.mailbox.is_utf8)
		return true;
	for (size_t i = 0; i < envelope->recipient_count; i++)
		if (envelope->recipients[i].forward_path.is_utf8)
			return true;
	return false;
}
