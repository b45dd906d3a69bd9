/* How long is a Subject for somebody who reads it? */
#ifndef SUBJECT_LENGTH_H
#define SUBJECT_LENGTH_H

#include <stddef.h>

/*
 * Characters of the unfolded value; an encoded word (RFC 2047) counts as what it stands for if it
 * can be decoded for sure, and otherwise as it stands, which is longer.
 */
size_t subject_length(const char *value);

#endif
