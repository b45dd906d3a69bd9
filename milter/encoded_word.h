/*
 * RFC 2047 encoded words, decoded for looking, never for writing: what is decoded here must not
 * reach a message. More is taken for an encoded word than the RFC allows (inside words and quotes,
 * with spaces in it), because readers do. Pure.
 */
#ifndef ENCODED_WORD_H
#define ENCODED_WORD_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/buffer.h"

/* What is wrong with the encoded words of a text; values grow with the trouble. */
enum encoded_word_fault {
	ENCODED_WORD_FINE,
	/* an unknown charset, octets that the charset does not have, or an encoded word in what was decoded */
	ENCODED_WORD_UNDECODABLE,
	/* what begins or ends like an encoded word is none, or has white space, a quote or octets beyond ASCII in it */
	ENCODED_WORD_MALFORMED
};

/*
 * Appends `text` to `out` as UTF-8, every encoded word decoded; white space between two of them is
 * dropped (RFC 2047 6.2). Octets that are undecodable are appended as if they were ISO-8859-1.
 * `out` grows by at most ENCODED_WORD_GROWTH * length (Thai: one octet, three in UTF-8). 0, or -1: no
 * memory.
 */
#define ENCODED_WORD_GROWTH 4
int encoded_word_decode(struct buffer *out, const char *text, size_t length, enum encoded_word_fault *fault);

#endif
