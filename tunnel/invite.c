/*
 * Invites as text, and the key pair that follows from one. Nothing here asks a clock or a network.
 *
 * The fields are found from both ends, since an IPv6 address has colons of its own. The check comes
 * before the fields: it is what tells a character that got lost on the way from a line that somebody
 * made up, and a person can mend only the first.
 */
#include "invite.h"

#include <arpa/inet.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/host_name.h"

#define VERSION "1"
#define CHECK_SIZE 4
#define CHECK_TEXT 7
#define KEY_TEXT 43
#define SECRET_TEXT 22
#define EXPIRES_DIGITS 12
#define VERSION_DIGITS 4
#define FIELDS_BEHIND_HOST 5
/* Longer than any invite, white space taken out. */
#define COMPACT_MAX (INVITE_TEXT_MAX + 1)

/* RFC 4648 has letters that look like digits; Douglas Crockford's base32 has not. */
static const char letters[] = "0123456789abcdefghjkmnpqrstvwxyz";

/* BLAKE2b's "personalization": 16 bytes, so that no other use of the secret has this result. */
static const uint8_t key_label[crypto_generichash_blake2b_PERSONALBYTES] = "postern-invite-1";
static const uint8_t check_label[crypto_generichash_blake2b_PERSONALBYTES] = "postern-check-1";
static const uint8_t no_salt[crypto_generichash_blake2b_SALTBYTES];

static void make_check(char out[CHECK_TEXT + 1], const char *text, size_t length)
{
	uint8_t digest[crypto_generichash_blake2b_BYTES_MIN];
	uint64_t bits = 0;

	crypto_generichash_blake2b_salt_personal(digest, sizeof(digest), (const uint8_t *)text,
						 length, NULL, 0, no_salt, check_label);
	for (size_t i = 0; i < CHECK_SIZE; i++)
		bits = bits << 8 | digest[i];
	/* 32 bits and three zeros. */
	bits <<= 3;
	for (size_t i = 0; i < CHECK_TEXT; i++)
		out[i] = letters[bits >> (5 * (CHECK_TEXT - 1 - i)) & 31];
	out[CHECK_TEXT] = '\0';
}

static int is_ipv6(const char *host)
{
	struct in6_addr ignored;

	return inet_pton(AF_INET6, host, &ignored) == 1;
}

static int is_host(const char *host)
{
	struct in_addr ignored;

	return host_name_is_full(host) || inet_pton(AF_INET, host, &ignored) == 1 || is_ipv6(host);
}

static void encode(char *out, size_t size, const uint8_t *bytes, size_t length)
{
	sodium_bin2base64(out, size, bytes, length, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

int invite_print(const struct invite *invite, char out[INVITE_TEXT_MAX])
{
	char key[KEY_TEXT + 1], secret[SECRET_TEXT + 1], check[CHECK_TEXT + 1];
	int is_v6 = is_ipv6(invite->host);
	size_t length;

	if (!is_host(invite->host) || invite->port == 0 || invite->expires < 0 ||
	    invite->expires > 999999999999)
		return -1;
	encode(key, sizeof(key), invite->edge_key, sizeof(invite->edge_key));
	encode(secret, sizeof(secret), invite->secret, sizeof(invite->secret));
	length = (size_t)snprintf(out, INVITE_TEXT_MAX,
				  INVITE_PREFIX VERSION ":%s%s%s:%u:%s:%s:%lld", is_v6 ? "[" : "",
				  invite->host, is_v6 ? "]" : "", invite->port, key, secret,
				  (long long)invite->expires);
	make_check(check, out, length);
	snprintf(out + length, INVITE_TEXT_MAX - length, ":%s", check);
	sodium_memzero(secret, sizeof(secret));
	return 0;
}

/* ---- reading ---- */

static enum invite_fault __attribute__((format(printf, 4, 5)))
fault(enum invite_fault result, char *reason, size_t reason_size, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(reason, reason_size, format, arguments);
	va_end(arguments);
	return result;
}

/* Without white space. The length, or COMPACT_MAX for more than any invite has. */
static size_t compact(char out[COMPACT_MAX], const char *text)
{
	size_t length = 0;

	for (; *text != '\0'; text++) {
		if (*text == ' ' || (*text >= '\t' && *text <= '\r'))
			continue;
		if (length + 1 == COMPACT_MAX)
			return COMPACT_MAX;
		out[length++] = *text;
	}
	out[length] = '\0';
	return length;
}

static int parse_number(int64_t *number, const char *digits, size_t most)
{
	size_t length = strlen(digits);

	if (length == 0 || length > most || strspn(digits, "0123456789") != length ||
	    (digits[0] == '0' && length > 1))
		return -1;
	*number = strtoll(digits, NULL, 10);
	return 0;
}

/* Each value has one spelling, as in base64_key.c. */
static int decode(uint8_t *bytes, size_t size, const char *text, size_t text_length)
{
	char spelling[KEY_TEXT + 1];
	size_t length;
	int result = -1;

	if (strlen(text) == text_length &&
	    sodium_base642bin(bytes, size, text, text_length, NULL, &length, NULL,
			      sodium_base64_VARIANT_URLSAFE_NO_PADDING) == 0 &&
	    length == size) {
		encode(spelling, sizeof(spelling), bytes, size);
		result = sodium_memcmp(spelling, text, text_length) == 0 ? 0 : -1;
	}
	sodium_memzero(spelling, sizeof(spelling));
	return result;
}

static int parse_host(struct invite *invite, char *host)
{
	size_t length = strlen(host);

	if (host[0] == '[' && length > 2 && host[length - 1] == ']') {
		host[length - 1] = '\0';
		host++;
		if (!is_ipv6(host))
			return -1;
	} else if (is_ipv6(host)) {
		return -1;
	}
	if (!is_host(host) || strlen(host) > INVITE_HOST_MAX)
		return -1;
	strcpy(invite->host, host);
	return 0;
}

/* Cuts the text up. The fields are those behind the host, its last is the check. */
static int split(char *host, char *fields[FIELDS_BEHIND_HOST])
{
	for (int i = FIELDS_BEHIND_HOST - 1; i >= 0; i--) {
		char *colon = strrchr(host, ':');

		if (colon == NULL || (i == 0 && colon == host))
			return -1;
		*colon = '\0';
		fields[i] = colon + 1;
	}
	return 0;
}

static int parse_fields(struct invite *invite, char *host, char *const *fields)
{
	int64_t port;

	if (parse_host(invite, host) < 0 || parse_number(&port, fields[0], 5) < 0 || port < 1 ||
	    port > 65535 ||
	    decode(invite->edge_key, sizeof(invite->edge_key), fields[1], KEY_TEXT) < 0 ||
	    decode(invite->secret, sizeof(invite->secret), fields[2], SECRET_TEXT) < 0 ||
	    parse_number(&invite->expires, fields[3], EXPIRES_DIGITS) < 0)
		return -1;
	invite->port = (uint16_t)port;
	return 0;
}

static size_t count_colons(const char *text)
{
	size_t colons = 0;

	for (; *text != '\0'; text++)
		colons += *text == ':';
	return colons;
}

/*
 * A line that lost its end has no check, or a shorter one; to count colons is enough, as those of an
 * IPv6 address stand between brackets.
 */
static int is_cut_off(const char *host)
{
	const char *rest = host[0] == '[' ? strchr(host, ']') : host;

	return rest == NULL || count_colons(rest) < FIELDS_BEHIND_HOST ||
	       strlen(strrchr(rest, ':') + 1) < CHECK_TEXT;
}

static enum invite_fault parse(struct invite *invite, char *text, size_t length, char *reason,
			       size_t reason_size)
{
	const size_t prefix = strlen(INVITE_PREFIX);
	char *host, *fields[FIELDS_BEHIND_HOST], check[CHECK_TEXT + 1];
	size_t version;

	if (length >= COMPACT_MAX ||
	    strncmp(text, INVITE_PREFIX, length < prefix ? length : prefix) != 0 || length == 0)
		return fault(
			INVITE_NONE, reason, reason_size,
			"this is no invite; it is one line that begins with " INVITE_PREFIX VERSION
			": and is printed by `postern invite' on the VPS");
	if (length <= prefix)
		return fault(INVITE_CUT_OFF, reason, reason_size,
			     "the invite is cut off after %zu characters; copy the whole line",
			     length);
	version = strspn(text + prefix, "0123456789");
	if (version > 0 && version <= VERSION_DIGITS && text[prefix + version] == ':' &&
	    strncmp(text + prefix, VERSION ":", 2) != 0)
		return fault(
			INVITE_OTHER_VERSION, reason, reason_size,
			"this is an invite of version %.*s, and this postern knows version " VERSION
			" alone; install the same version of postern at both ends",
			(int)version, text + prefix);
	if (strncmp(text + prefix, VERSION ":", 2) != 0 && text[prefix + version] != '\0')
		return fault(INVITE_DAMAGED, reason, reason_size,
			     "a character of the invite is damaged (behind " INVITE_PREFIX
			     "); copy the line again");
	host = text + prefix + version + 1;
	if (text[prefix + version] == '\0' || is_cut_off(host))
		return fault(INVITE_CUT_OFF, reason, reason_size,
			     "the invite is cut off after %zu characters, or a colon of it is "
			     "missing; copy the whole line, to "
			     "its last character",
			     length);
	make_check(check, text, (size_t)(strrchr(text, ':') - text));
	if (strcmp(check, strrchr(text, ':') + 1) != 0)
		return fault(INVITE_DAMAGED, reason, reason_size,
			     "a character of the invite is damaged, missing or too many: its check "
			     "characters do not "
			     "fit; copy the line again, capital and small letters as they are");
	if (split(host, fields) < 0 || parse_fields(invite, host, fields) < 0)
		return fault(INVITE_DAMAGED, reason, reason_size,
			     "the invite is whole, but has what no `postern invite' writes; make a "
			     "new one on the VPS");
	return INVITE_GOOD;
}

enum invite_fault invite_parse(struct invite *invite, const char *text, char *reason,
			       size_t reason_size)
{
	char room[COMPACT_MAX] = "";
	struct invite found = { .port = 0 };
	enum invite_fault result = parse(&found, room, compact(room, text), reason, reason_size);

	if (result == INVITE_GOOD)
		*invite = found;
	invite_wipe(&found);
	sodium_memzero(room, sizeof(room));
	return result;
}

void invite_wipe(struct invite *invite)
{
	sodium_memzero(invite, sizeof(*invite));
}

/* ---- the key ---- */

void invite_derive(struct noise_keypair *keypair, const uint8_t secret[INVITE_SECRET_SIZE])
{
	uint8_t key[NOISE_DHLEN];

	crypto_generichash_blake2b_salt_personal(key, sizeof(key), secret, INVITE_SECRET_SIZE, NULL,
						 0, no_salt, key_label);
	/* RFC 7748 5 */
	key[0] &= 248;
	key[31] = (key[31] & 127) | 64;
	noise_keypair_from_secret(keypair, key);
	sodium_memzero(key, sizeof(key));
}

void invite_make_secret(uint8_t secret[INVITE_SECRET_SIZE])
{
	struct noise_keypair keypair;

	do {
		randombytes_buf(secret, INVITE_SECRET_SIZE);
		invite_derive(&keypair, secret);
	} while (noise_key_looks_secret(keypair.public_key));
	noise_keypair_wipe(&keypair);
}
