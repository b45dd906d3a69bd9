/*
 * Words in any order, but the TLS level is taken first: what match= may be depends on it.
 *
 * What would send a password to nobody knows whom must be said in so many words, and is a mistake
 * otherwise; it is not found out when mail is waiting.
 */
#include "relay_hop.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define WORDS_MAX (TLS_MATCH_MAX + 12)

struct parse {
	struct relay_hop *hop;
	char **words;
	int count;
	char *error;
	size_t error_size;
};

static int fail(const struct parse *parse, const char *reason)
{
	snprintf(parse->error, parse->error_size, "%s", reason);
	return -1;
}

/* What follows "NAME=", or NULL. */
static const char *value_of(const char *word, const char *name)
{
	size_t length = strlen(name);

	return strncasecmp(word, name, length) == 0 && word[length] == '=' ? word + length + 1 : NULL;
}

static int take_level(const struct parse *parse)
{
	const char *level = "secure", *value;
	int given = 0;

	for (int i = 1; i < parse->count; i++) {
		value = value_of(parse->words[i], "tls");
		if (value == NULL)
			continue;
		level = value;
		if (given++ > 0)
			return fail(parse, "tls= stands there twice");
	}
	return tls_policy_set_level(&parse->hop->tls, level, parse->error, parse->error_size);
}

static int take_auth(const struct parse *parse, const char *value)
{
	if (strcasecmp(value, "yes") == 0)
		parse->hop->auth = RELAY_AUTH_YES;
	else if (strcasecmp(value, "no") == 0)
		parse->hop->auth = RELAY_AUTH_NO;
	else if (strcasecmp(value, "unverified") == 0)
		parse->hop->auth = RELAY_AUTH_UNVERIFIED;
	else
		return fail(parse, "auth is yes, no or unverified");
	return 0;
}

static int take_wrapper(const struct parse *parse, const char *value)
{
	parse->hop->is_wrapped = strcasecmp(value, "yes") == 0;
	if (!parse->hop->is_wrapped && strcasecmp(value, "no") != 0)
		return fail(parse, "wrapper is yes or no");
	return 0;
}

static int take_word(const struct parse *parse, const char *word)
{
	const char *value;

	if ((value = value_of(word, "tls")) != NULL)
		return 0;
	if ((value = value_of(word, "auth")) != NULL)
		return take_auth(parse, value);
	if ((value = value_of(word, "wrapper")) != NULL)
		return take_wrapper(parse, value);
	if (value_of(word, "match") != NULL || value_of(word, "protocols") != NULL ||
	    value_of(word, "ciphers") != NULL)
		return tls_policy_set_attribute(&parse->hop->tls, word, parse->error,
						parse->error_size);
	snprintf(parse->error, parse->error_size,
		 "unknown option \"%.100s\"; known are tls=, auth=, wrapper=, match=, protocols= and "
		 "ciphers=",
		 word);
	return -1;
}

/* Is it sure at this level who the server is, or is nothing said to it? */
static bool is_verified(enum tls_level level)
{
	switch (level) {
	case TLS_NONE:
	case TLS_MAY:
	case TLS_ENCRYPT:
	case TLS_DANE:
		return false;
	case TLS_DANE_ONLY:
	case TLS_VERIFY:
	case TLS_SECURE:
	case TLS_FINGERPRINT:
		break;
	}
	return true;
}

static int check(const struct parse *parse)
{
	const struct relay_hop *hop = parse->hop;
	enum tls_level level = hop->tls.level;

	if (hop->is_wrapped && level <= TLS_MAY)
		return fail(parse, "with TLS from the first byte (wrapper, port 465) there is no mail "
				   "without TLS; the lowest level is encrypt");
	if (!is_verified(level) && hop->auth != RELAY_AUTH_NO &&
	    (hop->auth != RELAY_AUTH_UNVERIFIED || level == TLS_NONE)) {
		snprintf(parse->error, parse->error_size,
			 "tls=%s does not make sure who the server is: write auth=no%s",
			 tls_level_names[level],
			 level == TLS_NONE ? ""
					   : ", or auth=unverified if it may have the password all the same");
		return -1;
	}
	if ((level == TLS_VERIFY || level == TLS_SECURE) && hop->tls.match_count == 0 &&
	    relay_destination_is_address(&hop->destination))
		return fail(parse, "an address has no name that a certificate could show; add match=NAME");
	return tls_policy_finish(&hop->tls, parse->error, parse->error_size);
}

int relay_hop_parse(struct relay_hop *hop, char *value, size_t line, char *error, size_t error_size)
{
	char *words[WORDS_MAX];
	struct parse parse = { hop, words, table_split(value, words, WORDS_MAX), error, error_size };

	memset(hop, 0, sizeof(*hop));
	if (parse.count <= 0)
		return fail(&parse, parse.count == 0 ? "no relay after the domain"
						     : "too many words, or an open quote");
	if (relay_destination_parse(&hop->destination, words[0], error, error_size) < 0 ||
	    take_level(&parse) < 0)
		return -1;
	hop->is_wrapped = hop->destination.port == RELAY_SUBMISSIONS_PORT;
	hop->auth = hop->is_wrapped || hop->destination.port == RELAY_SUBMISSION_PORT
			    ? RELAY_AUTH_YES
			    : RELAY_AUTH_IF_PASSWORD;
	for (int i = 1; i < parse.count; i++)
		if (take_word(&parse, words[i]) < 0)
			return -1;
	hop->tls.line = line;
	return check(&parse);
}

bool relay_hop_is_same(const struct relay_hop *a, const struct relay_hop *b)
{
	struct tls_policy x = a->tls, y = b->tls;

	x.line = y.line = 0;
	return strcmp(a->destination.next_hop, b->destination.next_hop) == 0 &&
	       a->is_wrapped == b->is_wrapped && a->auth == b->auth &&
	       memcmp(&x, &y, sizeof(x)) == 0;
}

char *relay_hop_print(const struct relay_hop *hop, char *out, size_t size)
{
	snprintf(out, size, "%s wrapper=%d auth=%d", hop->destination.next_hop, hop->is_wrapped,
		 (int)hop->auth);
	return out;
}
