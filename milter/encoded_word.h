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

/*
 * Appends `text` to `out` as UTF-8, every encoded word decoded; white space between two of them is
 * dropped (RFC 2047 6.2). *is_broken, if something that begins like an encoded word is none, or
 * has an unknown charset, or octets that its charset does not have, or an encoded word inside:
 * such octets are appended as if they were ISO-8859-1. 0, or -1: no memory.
 */
int encoded_word_decode(struct buffer *out, const char *text, size_t length, bool *is_broken);

#endif
