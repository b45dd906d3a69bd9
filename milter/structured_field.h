/*
 * A cursor over the value of a structured field: what stands between comments and folding white
 * space (RFC 5322 3.2.2), tokens (RFC 2045 5.1) and quoted strings (RFC 5322 3.2.4).
 */
#ifndef STRUCTURED_FIELD_H
#define STRUCTURED_FIELD_H

#include <stdbool.h>
#include <stddef.h>

struct structured_field {
	const char *at;		/* into a NUL-terminated value */
};

/* Passes comments and white space. 0, or -1 if a comment has no end. */
int structured_field_skip(struct structured_field *field);
/* Passes `c` if it stands here; it must not be NUL. */
bool structured_field_take(struct structured_field *field, char c);
bool structured_field_is_at_end(const struct structured_field *field);
/*
 * Copies a token, or a quoted string without its quotes, and passes it. 0, or -1 if there is
 * neither, if a quote has no end, or if it does not fit.
 */
int structured_field_token(struct structured_field *field, char *out, size_t size);
int structured_field_word(struct structured_field *field, char *out, size_t size);

#endif
