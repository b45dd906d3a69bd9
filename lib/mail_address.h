/*
 * Addresses as RFC 5321 4.1.2 has them: Mailbox, Reverse-path, Forward-path; quoted local parts, address
 * literals, UTF-8 (RFC 6531) where asked for. Nothing here ever reaches a shell, an argv or a file name.
 */
#ifndef MAIL_ADDRESS_H
#define MAIL_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#include "smtp_limits.h"

struct mailbox {
	char local_part[SMTP_LOCAL_PART_MAX * 2 + 3];	/* as written, quotes and backslashes included */
	char domain[SMTP_DOMAIN_MAX + 1];		/* as written; "[192.0.2.1]", "[IPv6:...]" for a literal */
	bool is_literal;
	bool is_utf8;					/* some byte is beyond ASCII */
};

struct reverse_path {
	bool is_null;			/* <> */
	struct mailbox mailbox;
};

/*
 * Parse exactly `length` bytes. 0, or -1 with a reason ("local part longer than 64 octets") in error. A source route
 * <@a,@b:u@d> is accepted and ignored (RFC 5321 4.1.1.3, appendix C). `allow_utf8`: SMTPUTF8 was asked for.
 * Paths include their angle brackets. A forward path <postmaster> without domain is refused: relaying needs a domain.
 */
int mailbox_parse(struct mailbox *mailbox, const char *text, size_t length, bool allow_utf8, char *error, size_t error_size);
int reverse_path_parse(struct reverse_path *path, const char *text, size_t length, bool allow_utf8, char *error,
		       size_t error_size);
int forward_path_parse(struct mailbox *mailbox, const char *text, size_t length, bool allow_utf8, char *error,
		       size_t error_size);

/* "local@domain"; out needs MAILBOX_TEXT_MAX bytes. */
#define MAILBOX_TEXT_MAX (SMTP_LOCAL_PART_MAX * 2 + 3 + SMTP_DOMAIN_MAX + 2)
char *mailbox_print(const struct mailbox *mailbox, char *out, size_t size);
char *reverse_path_print(const struct reverse_path *path, char *out, size_t size);	/* "" when null, without brackets */

/* Same mailbox: local part byte for byte, domain without regard to ASCII case (RFC 5321 2.4). */
bool mailbox_is_same(const struct mailbox *a, const struct mailbox *b);
/* "[192.0.2.1]" or "[IPv6:2001:db8::1]" to "192.0.2.1"; -1 if the domain is no literal we can use. */
int mailbox_literal_address(const struct mailbox *mailbox, char *out, size_t size);

#endif
