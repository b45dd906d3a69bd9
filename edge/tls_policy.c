/* The right side of a line of the table tls_policy. */
#include "tls_policy.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define WORDS_MAX (TLS_MATCH_MAX + 8)

static bool find_name(const char *const *names, const char *word, int *index)
{
	for (int i = 0; names[i] != NULL; i++) {
		if (strcasecmp(names[i], word) == 0) {
			*index = i;
			return true;
		}
	}
	return false;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Hexadecimal, the bytes with or without ":" between, as posttls-finger and openssl print it. */
static bool parse_fingerprint(uint8_t out[TLS_FINGERPRINT_SIZE], const char *text, size_t length)
{
	size_t used = 0, at = 0;

	while (at < length && used < TLS_FINGERPRINT_SIZE) {
		int high, low;

		if (used > 0 && text[at] == ':')
			at++;
		if (length - at < 2)
			return false;
		high = hex_digit(text[at]);
		low = hex_digit(text[at + 1]);
		if (high < 0 || low < 0)
			return false;
		out[used++] = (uint8_t)(high << 4 | low);
		at += 2;
	}
	return used == TLS_FINGERPRINT_SIZE && at == length;
}

static int take_fingerprints(struct tls_policy *policy, const char *text, char *error, size_t size)
{
	for (; *text != '\0'; text += strspn(text, "|")) {
		size_t length = strcspn(text, "|");

		if (policy->fingerprint_count == TLS_MATCH_MAX) {
			snprintf(error, size, "more than %d fingerprints", TLS_MATCH_MAX);
			return -1;
		}
		if (!parse_fingerprint(policy->fingerprints[policy->fingerprint_count], text, length)) {
			snprintf(error, size,
				 "\"%.*s\" is no SHA-256 fingerprint (64 hexadecimal digits; several "
				 "are divided by \"|\")",
				 (int)(length < 100 ? length : 100), text);
			return -1;
		}
		policy->fingerprint_count++;
		text += length;
	}
	return 0;
}

/* A name for a certificate; strategies look like names and are let through. */
static bool is_match_name(const char *text, size_t length)
{
	if (length == 0 || length > SMTP_DOMAIN_MAX)
		return false;
	for (size_t i = 0; i < length; i++)
		if (!isalnum((unsigned char)text[i]) && strchr("-._", text[i]) == NULL)
			return false;
	return length > 1 || text[0] != '.';
}

static int take_names(struct tls_policy *policy, const char *text, char *error, size_t size)
{
	for (; *text != '\0'; text += strspn(text, ":")) {
		size_t length = strcspn(text, ":");

		if (policy->match_count == TLS_MATCH_MAX) {
			snprintf(error, size, "more than %d names in match=", TLS_MATCH_MAX);
			return -1;
		}
		if (!is_match_name(text, length)) {
			snprintf(error, size,
				 "\"%.*s\" in match= is neither a host name, a \".domain\", nor "
				 "hostname, nexthop or dot-nexthop",
				 (int)(length < 100 ? length : 100), text);
			return -1;
		}
		for (size_t i = 0; i < length; i++)
			policy->match[policy->match_count][i] =
				(char)tolower((unsigned char)text[i]);
		policy->match[policy->match_count++][length] = '\0';
		text += length;
	}
	return 0;
}

static int take_match(struct tls_policy *policy, const char *value, char *error, size_t size)
{
	switch (policy->level) {
	case TLS_FINGERPRINT:
		return take_fingerprints(policy, value, error, size);
	case TLS_VERIFY:
	case TLS_SECURE:
		return take_names(policy, value, error, size);
	case TLS_NONE:
	case TLS_MAY:
	case TLS_ENCRYPT:
	case TLS_DANE:
	case TLS_DANE_ONLY:
		break;
	}
	snprintf(error, size, "match= means nothing at level %s; it goes with verify, secure and fingerprint",
		 tls_level_names[policy->level]);
	return -1;
}

int tls_policy_set_attribute(struct tls_policy *policy, const char *word, char *error, size_t size)
{
	int choice;

	if (strncasecmp(word, "match=", 6) == 0)
		return take_match(policy, word + 6, error, size);
	if (strncasecmp(word, "protocols=", 10) == 0)
		return tls_protocols_parse(&policy->protocols, word + 10, error, size);
	if (strncasecmp(word, "ciphers=", 8) == 0) {
		if (find_name(tls_cipher_names, word + 8, &choice)) {
			policy->ciphers = (enum tls_ciphers)choice;
			policy->has_ciphers = true;
			return 0;
		}
		snprintf(error, size, "\"%.100s\": ciphers is medium or high", word + 8);
		return -1;
	}
	snprintf(error, size, "unknown attribute \"%.100s\"; known are match=, protocols= and ciphers=", word);
	return -1;
}

int tls_policy_set_level(struct tls_policy *policy, const char *word, char *error, size_t error_size)
{
	int level;

	memset(policy, 0, sizeof(*policy));
	if (!find_name(tls_level_names, word, &level)) {
		snprintf(error, error_size,
			 "\"%.100s\" is no level; the levels are none, may, encrypt, dane, dane-only, "
			 "verify, secure, fingerprint",
			 word);
		return -1;
	}
	policy->level = (enum tls_level)level;
	return 0;
}

int tls_policy_finish(const struct tls_policy *policy, char *error, size_t error_size)
{
	if (policy->level != TLS_FINGERPRINT || policy->fingerprint_count > 0)
		return 0;
	snprintf(error, error_size, "level fingerprint needs match=SHA256-FINGERPRINT");
	return -1;
}

int tls_policy_parse(struct tls_policy *policy, char *value, char *error, size_t error_size)
{
	char *words[WORDS_MAX];
	int count = table_split(value, words, WORDS_MAX);

	memset(policy, 0, sizeof(*policy));
	if (count <= 0) {
		snprintf(error, error_size, count == 0 ? "no level after the domain"
						       : "too many words, or an open quote");
		return -1;
	}
	if (tls_policy_set_level(policy, words[0], error, error_size) < 0)
		return -1;
	for (int i = 1; i < count; i++)
		if (tls_policy_set_attribute(policy, words[i], error, error_size) < 0)
			return -1;
	return tls_policy_finish(policy, error, error_size);
}
