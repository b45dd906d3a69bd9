/*
 * Parameters of MAIL and RCPT (RFC 5321 4.1.1.11) and xtext (RFC 3461 4).
 *   MAIL: SIZE (1870) BODY (6152) SMTPUTF8 (6531) RET ENVID (3461) AUTH (4954, ignored)
 *   RCPT: NOTIFY ORCPT (3461)
 */
#ifndef ESMTP_PARAM_H
#define ESMTP_PARAM_H

#include <stddef.h>

#include "buffer.h"
#include "enhanced_status.h"
#include "envelope.h"

/* A refusal of a command line, ready to be sent: code, enhanced status, text. */
struct esmtp_refusal {
	int code;			/* 501, 503, 555, 552 ... */
	struct enhanced_status status;
	char text[160];
};

/*
 * `arguments` is what follows "MAIL FROM:" or "RCPT TO:". Fills the members of the envelope (or recipient) that the
 * line gives; on -1 *refusal is filled and the target is unchanged. RCPT needs to know whether SMTPUTF8 was given.
 */
int esmtp_parse_mail(struct envelope *envelope, const char *arguments, size_t length, struct esmtp_refusal *refusal);
int esmtp_parse_rcpt(struct recipient *recipient, const char *arguments, size_t length, bool smtputf8,
		     struct esmtp_refusal *refusal);

/* What the next server offers; a parameter that it does not offer is left out. */
struct esmtp_offer {
	bool size, eightbitmime, smtputf8, dsn;
};

/* Append "MAIL FROM:<...> SIZE=... ..." / "RCPT TO:<...> NOTIFY=..." with CRLF. message_size 0 = unknown. 0 or -1 (buffer full). */
int esmtp_print_mail(struct buffer *out, const struct envelope *envelope, struct esmtp_offer offer, uint64_t message_size);
int esmtp_print_rcpt(struct buffer *out, const struct recipient *recipient, struct esmtp_offer offer);

/* xtext to bytes; returns the length or -1 for bad xtext or no room. Adds a NUL. */
ssize_t xtext_decode(char *out, size_t size, const char *text, size_t length);
ssize_t xtext_encode(char *out, size_t size, const char *bytes, size_t length);
bool xtext_is_valid(const char *text, size_t length);

#endif
