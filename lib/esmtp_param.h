/*
 * Parameters of MAIL and RCPT (RFC 5321 4.1.1.11), with the paths before them.
 *   MAIL: SIZE (1870) BODY (6152) SMTPUTF8 (6531) REQUIRETLS (8689) RET ENVID (3461) AUTH (4954, ignored)
 *   RCPT: NOTIFY ORCPT (3461)
 */
#ifndef ESMTP_PARAM_H
#define ESMTP_PARAM_H

#include <stdbool.h>
#include <stddef.h>

#include "enhanced_status.h"
#include "envelope.h"
#include "esmtp_print.h"	/* the way out again */
#include "xtext.h"

/* A refusal of a command line, ready to be sent: code, enhanced status, text. */
struct esmtp_refusal {
	int code;			/* 501, 503, 555, 552 ... */
	struct enhanced_status status;
	char text[160];
};

/*
 * `arguments` is what follows "MAIL FROM:" or "RCPT TO:", without the line end; one space before the path is tolerated. Fills
 * the members of the envelope (or recipient) that the line gives; on -1 *refusal is filled and the target is
 * unchanged. RCPT needs to know whether SMTPUTF8 was given. A SIZE beyond what can exist is 552 5.3.4; whether a
 * smaller one is too large is for the caller to say.
 */
int esmtp_parse_mail(struct envelope *envelope, const char *arguments, size_t length, struct esmtp_refusal *refusal);
int esmtp_parse_rcpt(struct recipient *recipient, const char *arguments, size_t length, bool smtputf8,
		     struct esmtp_refusal *refusal);

#endif
