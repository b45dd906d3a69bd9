/*
 * Prints MAIL and RCPT with their parameters (RFC 5321 4.1.1, RFC 3461 4) for the server that comes
 * next.
 */
#ifndef ESMTP_PRINT_H
#define ESMTP_PRINT_H

#include <stdbool.h>
#include <stdint.h>

#include "buffer.h"
#include "envelope.h"

/* What the next server offers; a parameter that it does not offer is left out. */
struct esmtp_offer {
	bool size, eightbitmime, smtputf8, dsn, requiretls;
};

/*
 * Append "MAIL FROM:<...> SIZE=..." / "RCPT TO:<...> NOTIFY=..." with CRLF. message_size 0 =
 * unknown. 0, or -1 when the buffer is full and unchanged. To a server without SMTPUTF8 an ORCPT in
 * UTF-8 goes in its ASCII form (RFC 6533 3), or not at all if that is longer than SMTP_ORCPT_MAX.
 */
int esmtp_print_mail(struct buffer *out, const struct envelope *envelope, struct esmtp_offer offer,
		     uint64_t message_size);
int esmtp_print_rcpt(struct buffer *out, const struct recipient *recipient,
		     struct esmtp_offer offer);

#endif
