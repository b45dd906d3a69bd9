/*
 * A request of Postfix's policy delegation protocol (SMTPD_POLICY_README):
 *
 *	request   = *(attribute LF) LF
 *	attribute = name "=" value	; printable, order free, unknown names ignored
 */
#ifndef POLICY_REQUEST_H
#define POLICY_REQUEST_H

#include <stddef.h>

#include "client.h"
#include "lib/mail_address.h"

#define POLICY_REQUEST_MAX 16384	/* bytes; Postfix's are about 1 kB */

struct policy_request {
	char client_address[64], client_port[8];
	char sender[MAILBOX_TEXT_MAX];
	char ccert_fingerprint[CLIENT_FINGERPRINT_MAX + 1], ccert_pubkey_fingerprint[CLIENT_FINGERPRINT_MAX + 1];
};

/*
 * Reads one request from the `length` bytes at `text`. Returns the bytes it takes (0: not complete
 * yet), or -1: this is no request, or it is too long. A value too long for its member is left "".
 */
ptrdiff_t policy_request_parse(struct policy_request *request, const char *text, size_t length);

#endif
