/*
 * A table of options, one function each. An option that is there twice is an error: which of them
 * was meant nobody knows.
 */
#include "client_options.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/ascii.h"
#include "lib/host_name.h"
#include "lib/log.h"
#include "lib/quantity.h"
#include "lib/smtp_limits.h"
#include "lib/utc_time.h"

#define KNOWN \
	"psk=, domains=, rate=, bounces=, concurrency=, size=, recipients=, source4=, source6=, " \
	"hello=, invite=, disabled"
#define COUNT_MAX 1000000000

/* What is wrong with the value; NULL: nothing. */
typedef const char *parse_fn(struct client_options *options, const char *value);

static const char there_twice[] = "is there twice";
static const char no_memory[] = "out of memory";

static const char *parse_rate(struct token_rate *rate, const char *value)
{
	return rate->tokens != 0 ? there_twice : token_rate_parse(rate, value);
}

static const char *parse_messages(struct client_options *options, const char *value)
{
	return parse_rate(&options->rate, value);
}

static const char *parse_bounces(struct client_options *options, const char *value)
{
	return parse_rate(&options->bounces, value);
}

static const char *parse_count(int64_t *count, const char *value)
{
	int64_t found;

	if (*count != 0)
		return there_twice;
	if (quantity_parse(QUANTITY_PLAIN, value, &found) != QUANTITY_OK || found < 1 ||
	    found > COUNT_MAX)
		return "a number in 1..1000000000 belongs here";
	*count = found;
	return NULL;
}

static const char *parse_concurrency(struct client_options *options, const char *value)
{
	return parse_count(&options->concurrency, value);
}

static const char *parse_recipients(struct client_options *options, const char *value)
{
	return parse_count(&options->recipients, value);
}

static const char *parse_size(struct client_options *options, const char *value)
{
	int64_t found;

	if (options->size != 0)
		return there_twice;
	if (quantity_parse(QUANTITY_SIZE, value, &found) != QUANTITY_OK || found < 1)
		return "not a size in bytes, as 512k, 25M or 65536";
	options->size = found;
	return NULL;
}

/* Nobody sends from "any address", from a group or from loopback. */
static const char *parse_source4(struct client_options *options, const char *value)
{
	struct in_addr found;

	if (options->source4.s_addr != 0)
		return there_twice;
	if (inet_pton(AF_INET, value, &found) != 1)
		return "an IPv4 address belongs here";
	if (found.s_addr == INADDR_ANY || IN_MULTICAST(ntohl(found.s_addr)))
		return "nobody can send from this address";
	options->source4 = found;
	return NULL;
}

static const char *parse_source6(struct client_options *options, const char *value)
{
	struct in6_addr found;

	if (!IN6_IS_ADDR_UNSPECIFIED(&options->source6))
		return there_twice;
	if (inet_pton(AF_INET6, value, &found) != 1)
		return "an IPv6 address belongs here";
	if (IN6_IS_ADDR_UNSPECIFIED(&found) || IN6_IS_ADDR_MULTICAST(&found) ||
	    IN6_IS_ADDR_V4MAPPED(&found) || IN6_IS_ADDR_LINKLOCAL(&found))
		return "nobody can send from this address";
	options->source6 = found;
	return NULL;
}

static const char *parse_hello(struct client_options *options, const char *value)
{
	if (options->hello != NULL)
		return there_twice;
	if (!host_name_is_full(value))
		return "a full host name belongs here, as relay.example.com";
	options->hello = strdup(value);
	return options->hello == NULL ? no_memory : NULL;
}

/* Any label that an envelope can carry, UTF-8 (RFC 6531) too; an address literal is no domain. */
static bool is_domain(const char *text, size_t length)
{
	if (length > 0 && *text == '.') {
		text++;
		length--;
	}
	if (length == 0 || length > SMTP_DOMAIN_MAX || text[0] == '.' || text[length - 1] == '.')
		return false;
	for (size_t i = 0; i < length; i++) {
		unsigned char byte = (unsigned char)text[i];

		if (!ascii_is_alnum((char)byte) && byte != '-' && byte != '_' && byte != '.' &&
		    byte < 0x80)
			return false;
		if (byte == '.' && text[i + 1] == '.')
			return false;
	}
	return true;
}

static const char *parse_domains(struct client_options *options, const char *value)
{
	size_t length = strlen(value);

	if (options->domains != NULL)
		return there_twice;
	for (const char *domain = value;;) {
		size_t part = strcspn(domain, ",");

		if (!is_domain(domain, part))
			return "domains with commas between them belong here, as "
			       "a.example,.b.example";
		domain += part;
		if (*domain++ == '\0')
			break;
	}
	options->domains = malloc(length + 3);
	if (options->domains == NULL)
		return no_memory;
	options->domains[0] = ',';
	for (size_t i = 0; i < length; i++)
		options->domains[i + 1] = ascii_lower(value[i]);
	memcpy(options->domains + length + 1, ",", 2);
	return NULL;
}

static const char *parse_invite(struct client_options *options, const char *value)
{
	if (options->invite_expires != 0)
		return there_twice;
	if (utc_time_parse(&options->invite_expires, value) < 0 || options->invite_expires == 0)
		return "the moment belongs here when the invite expires, as 2026-11-23T03:05:00Z";
	return NULL;
}

static const struct {
	const char *name; /* with its "=" */
	parse_fn *parse;
} known[] = {
	{ "domains=", parse_domains },	       { "rate=", parse_messages },
	{ "bounces=", parse_bounces },	       { "concurrency=", parse_concurrency },
	{ "size=", parse_size },	       { "recipients=", parse_recipients },
	{ "source4=", parse_source4 },	       { "source6=", parse_source6 },
	{ "hello=", parse_hello },	       { "invite=", parse_invite },
};

bool client_options_is_known(const char *name)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(known[i].name, name) == 0)
			return true;
	return false;
}

int client_options_parse(struct client_options *options, const char *word, char *reason,
			 size_t reason_size)
{
	char printable[64];

	if (strcmp(word, "disabled") == 0) {
		options->is_disabled = true;
		return 0;
	}
	log_printable(printable, sizeof(printable), word, strlen(word));
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		size_t length = strlen(known[i].name);
		const char *wrong;

		if (strncmp(word, known[i].name, length) != 0)
			continue;
		wrong = known[i].parse(options, word + length);
		if (wrong == NULL)
			return 0;
		snprintf(reason, reason_size, "%s: %s", printable, wrong);
		return -1;
	}
	snprintf(reason, reason_size, "unknown option \"%s\" (known: " KNOWN ")", printable);
	return -1;
}

void client_options_wipe(struct client_options *options)
{
	free(options->domains);
	free(options->hello);
	memset(options, 0, sizeof(*options));
}

static bool is_same_text(const char *one, const char *other)
{
	if (one == NULL || other == NULL)
		return one == other;
	return strcmp(one, other) == 0;
}

static bool is_same_rate(struct token_rate one, struct token_rate other)
{
	return one.tokens == other.tokens && one.duration_ms == other.duration_ms;
}

bool client_options_are_same(const struct client_options *one, const struct client_options *other)
{
	return is_same_text(one->domains, other->domains) &&
	       is_same_text(one->hello, other->hello) && is_same_rate(one->rate, other->rate) &&
	       is_same_rate(one->bounces, other->bounces) &&
	       one->concurrency == other->concurrency && one->size == other->size &&
	       one->recipients == other->recipients &&
	       one->source4.s_addr == other->source4.s_addr &&
	       IN6_ARE_ADDR_EQUAL(&one->source6, &other->source6);
}

bool client_options_allow_sender(const struct client_options *options, const char *domain)
{
	char asked[SMTP_DOMAIN_MAX + 3];
	size_t length = strlen(domain);

	if (options->domains == NULL)
		return true;
	if (length == 0 || length > SMTP_DOMAIN_MAX || strchr(domain, ',') != NULL)
		return false;
	for (size_t i = 0; i < length; i++)
		asked[i + 1] = ascii_lower(domain[i]);
	asked[0] = ',';
	memcpy(asked + length + 1, ",", 2);
	if (strstr(options->domains, asked) != NULL)
		return true;
	/* ".b.example" stands for what ends with it, not for b.example itself. */
	for (char *dot = strchr(asked + 2, '.'); dot != NULL; dot = strchr(dot + 1, '.')) {
		char before = dot[-1];
		bool is_there;

		dot[-1] = ',';
		is_there = strstr(options->domains, dot - 1) != NULL;
		dot[-1] = before;
		if (is_there)
			return true;
	}
	return false;
}
