/*
 * Keys as text: 32 bytes are 43 characters of base64 and one "=" (RFC 4648 4).
 *
 * libsodium's codec takes the same time for every key. Its decoder takes some bytes beyond ASCII for
 * letters, so the text must also be what the encoder would have written: each key has one spelling.
 */
#include "base64_key.h"

#include <sodium.h>
#include <string.h>

#define KEY_SIZE 32

void base64_key_encode(char *out, const uint8_t key[KEY_SIZE])
{
	sodium_bin2base64(out, BASE64_KEY_TEXT + 1, key, KEY_SIZE, sodium_base64_VARIANT_ORIGINAL);
}

int base64_key_decode(uint8_t key[KEY_SIZE], const char *text, size_t length)
{
	uint8_t decoded[KEY_SIZE];
	char spelling[BASE64_KEY_TEXT + 1];
	size_t decoded_length;
	int result = -1;

	if (length != BASE64_KEY_TEXT ||
	    sodium_base642bin(decoded, sizeof(decoded), text, length, NULL, &decoded_length, NULL,
			      sodium_base64_VARIANT_ORIGINAL) != 0 ||
	    decoded_length != KEY_SIZE)
		goto out;
	base64_key_encode(spelling, decoded);
	if (sodium_memcmp(spelling, text, BASE64_KEY_TEXT) != 0)
		goto out;
	memcpy(key, decoded, KEY_SIZE);
	result = 0;
out:
	sodium_memzero(decoded, sizeof(decoded));
	sodium_memzero(spelling, sizeof(spelling));
	return result;
}
