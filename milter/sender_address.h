/*
 * An address in the one form in which rights are compared: the local part without needless quotes
 * and in lower case (as Postfix folds its look-up keys), the domain in lower-case A-labels
 * (RFC 5890). "Alice" and "\"alice\"", münchen.example and xn--mnchen-3ya.example are the same.
 * Pure.
 */
#ifndef SENDER_ADDRESS_H
#define SENDER_ADDRESS_H

#include <stddef.h>

#include "lib/mail_address.h"

struct sender_address {
	char text[MAILBOX_TEXT_MAX];	/* "local@domain" */
	const char *domain;		/* into text, after the last "@" */
};

/*
 * 0, or -1 with a reason if the domain has no A-label form (RFC 5891) or a label that could be
 * mistaken for another by software that maps instead of refusing, or if the local part has
 * characters that are not seen or look like ASCII without being it.
 */
int sender_address_from_mailbox(struct sender_address *address, const struct mailbox *mailbox, char *reason, size_t reason_size);
/* Copies; the struct points into itself. */
void sender_address_copy(struct sender_address *to, const struct sender_address *from);

/* A domain alone to the same form: lower-case A-labels. 0, or -1 with a reason. out: SMTP_DOMAIN_MAX + 1. */
int sender_address_fold_domain(char *out, size_t size, const char *domain, char *reason, size_t reason_size);

#endif
