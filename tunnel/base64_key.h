/*
 * 32-byte keys as 44 characters of base64 (RFC 4648 4, padded), in constant time, exactly one
 * spelling per key.
 */
#ifndef BASE64_KEY_H
#define BASE64_KEY_H

#include <stddef.h>
#include <stdint.h>

#define BASE64_KEY_TEXT 44

/* out needs 45 bytes. */
void base64_key_encode(char *out, const uint8_t key[32]);
/* Exactly 44 characters; -1 otherwise, or when unused bits are set. */
int base64_key_decode(uint8_t key[32], const char *text, size_t length);

#endif
