/*
 * Who is looked up in `senders`. What reads like an address, a fingerprint or a prefix of ours is
 * taken for that, or is a mistake; it is never a login. Otherwise a typing mistake in a network
 * would make a login of it, and whoever may choose a login would choose one that reads like a
 * network.
 *
 *	key         = "login:" (NAME / "*") / "@" domain / "local" / ["cert:"] fingerprint / network / NAME
 *	fingerprint = 16*64 byte, divided by ":"
 *	network     = IPv4 ["/" 0..32] / IPv6 ["/" 0..128]	; no bits set beyond the length
 *
 * Case: ASCII letters are folded, as postmap(1) folds its keys; domains are in A-labels.
 */
#include "senders_key.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/ascii.h"
#include "lib/log.h"
#include "lib/utf8.h"
#include "sender_address.h"

#define FINGERPRINT_BYTES_MIN 16	/* MD5 */
#define FINGERPRINT_BYTES_MAX 64	/* SHA-512 */

static int fail(char *reason, size_t reason_size, const char *text, const char *what)
{
	char printable[SENDERS_KEY_TEXT_MAX];

	log_printable(printable, sizeof(printable), text, strlen(text));
	snprintf(reason, reason_size, "\"%.200s\" %s", printable, what);
	return -1;
}

/* Fits, or false. */
static bool copy_folded(char out[SENDERS_KEY_TEXT_MAX], const char *text)
{
	size_t length = strnlen(text, SENDERS_KEY_TEXT_MAX);

	if (length == SENDERS_KEY_TEXT_MAX)
		return false;
	for (size_t i = 0; i <= length; i++)
		out[i] = ascii_lower(text[i]);
	return true;
}

/* Neither C0 with white space, DEL, nor C1; well-formed. */
static bool is_login(const char *text)
{
	size_t left = strnlen(text, SENDERS_KEY_TEXT_MAX), step;
	uint32_t code_point;

	if (left == 0 || left > CLIENT_LOGIN_MAX)
		return false;
	for (; left > 0; text += step, left -= step) {
		step = utf8_read(&code_point, text, left);
		if (step == 0 || code_point <= 0x20 || (code_point >= 0x7f && code_point < 0xa0))
			return false;
	}
	return true;
}

/* Nothing but digits and dots with a dot, or hexadecimal digits with a colon; perhaps with a length. */
static bool reads_like_address(const char *text)
{
	size_t digits = strspn(text, "0123456789./"), hex = strspn(text, "0123456789abcdefABCDEF:./");

	return (text[digits] == '\0' && strchr(text, '.') != NULL) || (text[hex] == '\0' && strchr(text, ':') != NULL);
}

static bool is_fingerprint(const char *text)
{
	size_t length = strlen(text);

	if (length % 3 != 2 || (length + 1) / 3 < FINGERPRINT_BYTES_MIN || (length + 1) / 3 > FINGERPRINT_BYTES_MAX)
		return false;
	for (size_t i = 0; i < length; i++)
		if (i % 3 == 2 ? text[i] != ':' : ascii_hex_value(text[i]) < 0)
			return false;
	return true;
}

static void unmap(struct senders_key *key)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (key->octets != 16 || key->prefix < 96 || memcmp(key->address, mapped, sizeof(mapped)) != 0)
		return;
	memmove(key->address, key->address + 12, 4);
	memset(key->address + 4, 0, 12);
	key->octets = 4;
	key->prefix -= 96;
}

static void print_network(const struct senders_key *key, char *out, size_t size)
{
	char address[INET6_ADDRSTRLEN] = "";

	inet_ntop(key->octets == 4 ? AF_INET : AF_INET6, key->address, address, sizeof(address));
	if (key->prefix == key->octets * 8)
		snprintf(out, size, "%s", address);
	else
		snprintf(out, size, "%s/%u", address, key->prefix);
}

void senders_key_widen(struct senders_key *key, unsigned prefix)
{
	for (unsigned i = 0; i < key->octets; i++) {
		unsigned kept = prefix > i * 8 ? prefix - i * 8 : 0;

		if (kept < 8)
			key->address[i] &= (uint8_t)(0xff00U >> kept);
	}
	key->prefix = prefix;
	print_network(key, key->text, sizeof(key->text));
}

/* 0..max without sign or leading zero; -1: it is none. */
static int parse_length(const char *text, unsigned max)
{
	size_t digits = strspn(text, "0123456789");
	unsigned long value;

	if (digits == 0 || digits > 3 || text[digits] != '\0' || (text[0] == '0' && digits > 1))
		return -1;
	value = strtoul(text, NULL, 10);
	return value <= max ? (int)value : -1;
}

static bool parse_address(struct senders_key *key, const char *text, size_t length)
{
	char address[INET6_ADDRSTRLEN];

	if (length >= sizeof(address))
		return false;
	memcpy(address, text, length);
	address[length] = '\0';
	key->octets = strchr(address, ':') != NULL ? 16 : 4;
	return inet_pton(key->octets == 4 ? AF_INET : AF_INET6, address, key->address) == 1;
}

static int parse_network(struct senders_key *key, const char *text, char *reason, size_t reason_size)
{
	const char *slash = strchr(text, '/');
	char what[160];
	struct senders_key network;
	int prefix;

	if (!parse_address(key, text, slash != NULL ? (size_t)(slash - text) : strlen(text)))
		return fail(reason, reason_size, text,
			    "is neither an address, a network nor a fingerprint; write 192.0.2.0/24, 2001:db8::/32, the 16 to "
			    "64 bytes of a fingerprint as AB:CD:..., or login:NAME for a login of that name");
	prefix = slash != NULL ? parse_length(slash + 1, key->octets * 8) : (int)key->octets * 8;
	if (prefix < 0) {
		snprintf(what, sizeof(what), "has no length of a network after \"/\"; write a number from 0 to %u", key->octets * 8);
		return fail(reason, reason_size, text, what);
	}
	key->prefix = (unsigned)prefix;
	unmap(key);
	network = *key;
	senders_key_widen(&network, key->prefix);
	if (memcmp(network.address, key->address, key->octets) != 0) {
		snprintf(what, sizeof(what), "is an address inside a network; write %.100s for the network", network.text);
		return fail(reason, reason_size, text, what);
	}
	*key = network;
	return 0;
}

static int parse_domain(struct senders_key *key, const char *text, char *reason, size_t reason_size)
{
	struct sender_address address;
	struct mailbox mailbox;
	char whole[SENDERS_KEY_TEXT_MAX + 2], why[400] = "too long or no domain", what[500];

	snprintf(whole, sizeof(whole), "x%s", text);
	if (strlen(text) < SENDERS_KEY_TEXT_MAX && strchr(text + 1, '@') == NULL &&
	    mailbox_parse(&mailbox, whole, strlen(whole), true, why, sizeof(why)) == 0 &&
	    sender_address_from_mailbox(&address, &mailbox, why, sizeof(why)) == 0 && copy_folded(key->text, address.domain))
		return 0;
	snprintf(what, sizeof(what), "is no domain with \"@\" (%s); write the logins of a domain as @example.com", why);
	return fail(reason, reason_size, text, what);
}

static int parse_login(struct senders_key *key, const char *name, char *reason, size_t reason_size)
{
	if (!is_login(name) || !copy_folded(key->text, name))
		return fail(reason, reason_size, name,
			    "is no login; it must be UTF-8 without control characters, of 1 to 255 bytes");
	return 0;
}

/* What is a mistake, however much it reads like a login; NULL if nothing. */
static const char *why_never_login(const char *text)
{
	if (strcmp(text, "*") == 0)
		return "is no key; write login:* for every login, 0.0.0.0/0 and ::/0 for every client";
	if (text[0] == '.')
		return "is no key; write the logins of each domain as @sub.example.com";
	if (text[0] == '[')
		return "is no key; write an address without brackets";
	if (strncmp(text, "client:", 7) == 0)
		return "is no key; write the address or network without \"client:\"";
	return NULL;
}

static int parse_folded(struct senders_key *key, const char *text, char *reason, size_t reason_size)
{
	const char *mistake = why_never_login(text);

	if (mistake != NULL)
		return fail(reason, reason_size, text, mistake);
	if (strcmp(text, "login:*") == 0) {
		key->kind = SENDERS_KEY_EVERY_LOGIN;
	} else if (strncmp(text, "login:", 6) == 0) {
		key->kind = SENDERS_KEY_LOGIN;
		return parse_login(key, text + 6, reason, reason_size);
	} else if (strcmp(text, "local") == 0) {
		key->kind = SENDERS_KEY_LOCAL;
	} else if (text[0] == '@') {
		key->kind = SENDERS_KEY_DOMAIN;
		return parse_domain(key, text, reason, reason_size);
	} else if (strncmp(text, "cert:", 5) == 0) {
		if (!senders_key_from_fingerprint(key, text + 5))
			return fail(reason, reason_size, text, "is no fingerprint; write its 16 to 64 bytes as cert:AB:CD:...");
	} else if (is_fingerprint(text)) {
		senders_key_from_fingerprint(key, text);
	} else if (reads_like_address(text)) {
		key->kind = SENDERS_KEY_NETWORK;
		return parse_network(key, text, reason, reason_size);
	} else {
		key->kind = SENDERS_KEY_LOGIN;
		return parse_login(key, text, reason, reason_size);
	}
	return 0;
}

int senders_key_parse(struct senders_key *key, const char *text, char *reason, size_t reason_size)
{
	char folded[SENDERS_KEY_SPELLING_MAX];
	size_t length = strnlen(text, sizeof(folded));

	*key = (struct senders_key){ 0 };
	if (length == sizeof(folded))
		return fail(reason, reason_size, text, "is too long for a key; a login has at most 255 bytes");
	for (size_t i = 0; i <= length; i++)
		folded[i] = ascii_lower(text[i]);
	return parse_folded(key, folded, reason, reason_size);
}

bool senders_key_from_login(struct senders_key *key, const char *login)
{
	*key = (struct senders_key){ .kind = SENDERS_KEY_LOGIN };
	return is_login(login) && copy_folded(key->text, login);
}

bool senders_key_from_login_domain(struct senders_key *key, const char *login)
{
	struct sender_address address;
	struct mailbox mailbox;
	char ignored[200];

	*key = (struct senders_key){ .kind = SENDERS_KEY_DOMAIN };
	return mailbox_parse(&mailbox, login, strlen(login), true, ignored, sizeof(ignored)) == 0 &&
	       sender_address_from_mailbox(&address, &mailbox, ignored, sizeof(ignored)) == 0 &&
	       copy_folded(key->text, address.domain);
}

bool senders_key_from_fingerprint(struct senders_key *key, const char *fingerprint)
{
	*key = (struct senders_key){ .kind = SENDERS_KEY_CERTIFICATE };
	return is_fingerprint(fingerprint) && copy_folded(key->text, fingerprint);
}

bool senders_key_from_address(struct senders_key *key, const struct sockaddr_storage *address)
{
	*key = (struct senders_key){ .kind = SENDERS_KEY_NETWORK };
	switch (address->ss_family) {
	case AF_INET:
		key->octets = 4;
		memcpy(key->address, &((const struct sockaddr_in *)address)->sin_addr, 4);
		break;
	case AF_INET6:
		key->octets = 16;
		memcpy(key->address, &((const struct sockaddr_in6 *)address)->sin6_addr, 16);
		break;
	default:
		return false;
	}
	key->prefix = key->octets * 8;
	unmap(key);
	print_network(key, key->text, sizeof(key->text));
	return true;
}

/* Would the name alone be understood as this login? */
static bool is_plain_login(const char *name)
{
	struct senders_key key;
	char ignored[400];

	return senders_key_parse(&key, name, ignored, sizeof(ignored)) == 0 && key.kind == SENDERS_KEY_LOGIN &&
	       strcmp(key.text, name) == 0;
}

/*
 * access(5): the last ".octet" or ":octetpair" goes, and so on. Not down to the first one alone:
 * that could be somebody's login.
 */
static bool spell_address(const struct senders_key *key, size_t index, char out[SENDERS_KEY_SPELLING_MAX])
{
	const char delimiter = key->octets == 4 ? '.' : ':';

	snprintf(out, SENDERS_KEY_SPELLING_MAX, "%s", key->text);
	for (; index > 0; index--) {
		char *last = strrchr(out, delimiter);

		if (last == NULL)
			return false;
		*last = '\0';
	}
	return strchr(out, delimiter) != NULL;
}

bool senders_key_spelling(const struct senders_key *key, size_t index, char out[SENDERS_KEY_SPELLING_MAX])
{
	switch (key->kind) {
	case SENDERS_KEY_LOGIN:
		/* One that is no plain key has one spelling only. */
		if (!is_plain_login(key->text))
			index++;
		snprintf(out, SENDERS_KEY_SPELLING_MAX, "%s%s", index == 0 ? "" : "login:", key->text);
		return index < 2;
	case SENDERS_KEY_EVERY_LOGIN:
		snprintf(out, SENDERS_KEY_SPELLING_MAX, "login:*");
		return index == 0;
	case SENDERS_KEY_DOMAIN:
		snprintf(out, SENDERS_KEY_SPELLING_MAX, "@%s", key->text);
		return index == 0;
	case SENDERS_KEY_CERTIFICATE:
		snprintf(out, SENDERS_KEY_SPELLING_MAX, "%s%s", index == 0 ? "" : "cert:", key->text);
		return index < 2;
	case SENDERS_KEY_LOCAL:
		snprintf(out, SENDERS_KEY_SPELLING_MAX, "local");
		return index == 0;
	case SENDERS_KEY_NETWORK:
		return spell_address(key, index, out);
	}
	return false;
}

char *senders_key_print(const struct senders_key *key, char *out, size_t size)
{
	char printable[SENDERS_KEY_TEXT_MAX];

	log_printable(printable, sizeof(printable), key->text, strlen(key->text));
	switch (key->kind) {
	case SENDERS_KEY_LOGIN:
		snprintf(out, size, "login:%s", printable);
		break;
	case SENDERS_KEY_EVERY_LOGIN:
		snprintf(out, size, "login:*");
		break;
	case SENDERS_KEY_DOMAIN:
		snprintf(out, size, "@%s", printable);
		break;
	case SENDERS_KEY_CERTIFICATE:
		for (char *at = printable; *at != '\0'; at++)
			*at = *at >= 'a' && *at <= 'f' ? (char)(*at - 'a' + 'A') : *at;
		snprintf(out, size, "cert:%s", printable);
		break;
	case SENDERS_KEY_LOCAL:
		snprintf(out, size, "local");
		break;
	case SENDERS_KEY_NETWORK:
		snprintf(out, size, "%s", printable);
		break;
	}
	return out;
}
