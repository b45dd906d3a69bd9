/*
 * Keys as text: 32 bytes are 43 characters of base64 and one "=" (RFC 4648 4).
 *
 * libsodium's codec takes the same time for every key and refuses characters outside the alphabet
 * and unused bits that are set, so each key has exactly one spelling.
 */
#include "base64_key.h"

#include <sodium.h>

#define KEY_SIZE 32

void base64_key_encode(char *out, const uint8_t key[KEY_SIZE])
{
	sodium_bin2base64(out, BASE64_KEY_TEXT + 1, key, KEY_SIZE, sodium_base64_VARIANT_ORIGINAL);
}

int base64_key_decode(uint8_t key[KEY_SIZE], const char *text, size_t length)
{
	uint8_t decoded[KEY_SIZE];
	size_t decoded_length;
	int result = -1;

	if (length == BASE64_KEY_TEXT &&
	    sodium_base642bin(decoded, sizeof(decoded), text, length, NULL, &decoded_length, NULL,
			      sodium_base64_VARIANT_ORIGINAL) == 0 &&
	    decoded_length == KEY_SIZE) {
		for (size_t i = 0; i < KEY_SIZE; i++)
			key[i] = decoded[i];
		result = 0;
	}
	sodium_memzero(decoded, sizeof(decoded));
	return result;
}
