/*
 * The TXT record at _smtp._tls.DOMAIN with which a domain asks for TLS reports (RFC 8460 3), and
 * the addresses in it. Pure functions; everything in the record is a stranger's text.
 */
#ifndef TLSRPT_RECORD_H
#define TLSRPT_RECORD_H

#include <stdbool.h>
#include <stddef.h>

#include "mail_address.h"

/* Of one domain; who asks for more gets the first ones. */
#define TLSRPT_URIS_MAX 10
#define TLSRPT_RUA_MAX 2048

/*
 * The mailto: and https: URIs of the one record that is a TLSRPT record, joined by commas. false:
 * no reports are asked for, `reason` says why ("two records", ...).
 */
bool tlsrpt_record_parse(char *const *txt, size_t count, char rua[TLSRPT_RUA_MAX + 1], char *reason,
			 size_t reason_size);

/* Has a list of URIs the form that tlsrpt_record_parse() gives it? */
bool tlsrpt_rua_is_valid(const char *rua);
/* The length of the URI at the start of a list, which ends at a comma or with the list. */
size_t tlsrpt_uri_length(const char *rua);
bool tlsrpt_uri_is_mailto(const char *uri, size_t length);

/*
 * The address in a mailto: URI. Strict: one address with a domain name, no quoted local part, no
 * header fields (?subject=...), ASCII. 0, or -1 with a reason.
 */
int tlsrpt_mailto_parse(struct mailbox *mailbox, const char *uri, size_t length, char *error,
			size_t error_size);

#endif
