/*
 * What a client says in SASL mechanisms that send a password as it is: PLAIN (RFC 4616) and LOGIN
 * (draft-murchison-sasl-login), in base64 (RFC 4648 4) as AUTH wants it (RFC 4954 4). Pure. The
 * results are as secret as the password.
 */
#ifndef SASL_RESPONSE_H
#define SASL_RESPONSE_H

#include <stddef.h>

#include "sasl_login.h"

#define SASL_BASE64_MAX(bytes) (((bytes) + 2) / 3 * 4)
/* The longest response, PLAIN's: [authzid] NUL authcid NUL passwd, without an authzid; and a NUL. */
#define SASL_RESPONSE_MAX (SASL_BASE64_MAX(2 + SASL_USER_MAX + SASL_PASSWORD_MAX) + 1)

void sasl_response_plain(char out[SASL_RESPONSE_MAX], const struct sasl_login *login);
/* LOGIN's two responses: the user's name, then the password. At most SASL_PASSWORD_MAX bytes. */
void sasl_response_text(char out[SASL_RESPONSE_MAX], const char *text);

#endif
