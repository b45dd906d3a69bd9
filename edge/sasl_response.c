/* PLAIN: message = [authzid] UTF8NUL authcid UTF8NUL passwd (RFC 4616 2). */
#include "sasl_response.h"

#include <stdint.h>
#include <string.h>

static void encode(char *out, const uint8_t *bytes, size_t length)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < length; i += 3) {
		size_t left = length - i;
		uint32_t group = (uint32_t)bytes[i] << 16;

		if (left > 1)
			group |= (uint32_t)bytes[i + 1] << 8;
		if (left > 2)
			group |= bytes[i + 2];
		*out++ = digits[group >> 18];
		*out++ = digits[group >> 12 & 63];
		*out++ = left > 1 ? digits[group >> 6 & 63] : '=';
		*out++ = left > 2 ? digits[group & 63] : '=';
	}
	*out = '\0';
}

void sasl_response_plain(char out[SASL_RESPONSE_MAX], const struct sasl_login *login)
{
	size_t user = strlen(login->user), password = strlen(login->password);
	uint8_t message[2 + SASL_USER_MAX + SASL_PASSWORD_MAX] = { 0 };

	memcpy(message + 1, login->user, user);
	memcpy(message + 1 + user + 1, login->password, password);
	encode(out, message, 2 + user + password);
	explicit_bzero(message, sizeof(message));
}

void sasl_response_text(char out[SASL_RESPONSE_MAX], const char *text)
{
	encode(out, (const uint8_t *)text, strlen(text));
}
