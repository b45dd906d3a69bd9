/*
 * RFC 7208 12, in the order of this file:
 *
 *	record       = version terms *SP
 *	version      = "v=spf1"
 *	terms        = *( 1*SP ( directive / modifier ) )
 *	directive    = [ "+" / "-" / "?" / "~" ] mechanism
 *	mechanism    = "all" / "include" ":" domain-spec / "exists" ":" domain-spec
 *	             / ( "a" / "mx" ) [ ":" domain-spec ] [ dual-cidr ] / "ptr" [ ":" domain-spec ]
 *	             / ( "ip4" / "ip6" ) ":" address [ "/" length ]
 *	dual-cidr    = [ "/" length ] [ "//" length ]
 *	modifier     = ( "redirect" / "exp" ) "=" domain-spec / name "=" macro-string
 *	name         = ALPHA *( ALPHA / DIGIT / "-" / "_" / "." )
 *
 * Of redirect and exp there may be one each. Modifiers with other names are ignored, if their
 * syntax is right.
 */
#include "spf_record.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "spf_macro.h"

#define VERSION "v=spf1"

bool spf_record_is_one(const char *text)
{
	size_t length = strlen(VERSION);

	return strncasecmp(text, VERSION, length) == 0 &&
	       (text[length] == ' ' || text[length] == '\0');
}

/* What may stand behind the name of a mechanism. */
enum argument {
	ARGUMENT_NONE,
	ARGUMENT_DOMAIN,
	ARGUMENT_DOMAIN_OR_NONE,
	ARGUMENT_HOST,
	ARGUMENT_IP4,
	ARGUMENT_IP6
};

static const struct {
	const char *name;
	enum spf_mechanism mechanism;
	enum argument argument;
} mechanisms[] = {
	{ "all", SPF_ALL, ARGUMENT_NONE },
	{ "include", SPF_INCLUDE, ARGUMENT_DOMAIN },
	{ "a", SPF_A, ARGUMENT_HOST },
	{ "mx", SPF_MX, ARGUMENT_HOST },
	{ "ptr", SPF_PTR, ARGUMENT_DOMAIN_OR_NONE },
	{ "ip4", SPF_IP4, ARGUMENT_IP4 },
	{ "ip6", SPF_IP6, ARGUMENT_IP6 },
	{ "exists", SPF_EXISTS, ARGUMENT_DOMAIN },
};

/* length = "0" / "1".."9" [ DIGIT ], at most `max`: from the end of `text` back to `slashes`, which
 * are cut off. -1: wrong. */
static int cut_prefix(char *text, const char *slashes, unsigned max, unsigned *prefix)
{
	char *at = text + strlen(text), *digits;
	size_t count = strlen(slashes);
	unsigned long value;

	while (at > text && isdigit((unsigned char)at[-1]))
		at--;
	digits = at;
	if (at < text + count || strncmp(at - count, slashes, count) != 0)
		return 0;
	value = strtoul(digits, NULL, 10);
	if (*digits == '\0' || strlen(digits) > 3 || (digits[0] == '0' && digits[1] != '\0') ||
	    value > max)
		return -1;
	*prefix = (unsigned)value;
	at[-(ptrdiff_t)count] = '\0';
	return 0;
}

/* dual-cidr: first "//" from the end, then "/". What is left is the domain-spec. */
static int cut_dual_prefix(char *text, struct spf_term *term)
{
	const char *last = strrchr(text, '/');

	if (last != NULL && last > text && last[-1] == '/' &&
	    cut_prefix(text, "//", 128, &term->prefix6) != 0)
		return -1;
	return cut_prefix(text, "/", 32, &term->prefix4);
}

static int parse_domain(struct spf_term *term, const char *text)
{
	if (!spf_macro_is_domain_spec(text))
		return -1;
	term->domain = text;
	return 0;
}

/* text: ":..." or "/..." or "" */
static int parse_argument(struct spf_term *term, enum argument argument, char *text)
{
	switch (argument) {
	case ARGUMENT_NONE:
		return text[0] == '\0' ? 0 : -1;
	case ARGUMENT_DOMAIN:
		return text[0] == ':' ? parse_domain(term, text + 1) : -1;
	case ARGUMENT_DOMAIN_OR_NONE:
		return text[0] == '\0' ? 0 : text[0] == ':' ? parse_domain(term, text + 1) : -1;
	case ARGUMENT_HOST:
		if (cut_dual_prefix(text, term) != 0)
			return -1;
		return text[0] == '\0' ? 0 : text[0] == ':' ? parse_domain(term, text + 1) : -1;
	case ARGUMENT_IP4:
		return text[0] == ':' && cut_prefix(text, "/", 32, &term->prefix4) == 0 &&
				       inet_pton(AF_INET, text + 1, &term->ip4) == 1
			       ? 0
			       : -1;
	case ARGUMENT_IP6:
		return text[0] == ':' && cut_prefix(text, "/", 128, &term->prefix6) == 0 &&
				       inet_pton(AF_INET6, text + 1, &term->ip6) == 1
			       ? 0
			       : -1;
	}
	return -1;
}

static enum spf_result take_qualifier(char **word)
{
	switch (**word) {
	case '+':
		(*word)++;
		return SPF_PASS;
	case '-':
		(*word)++;
		return SPF_FAIL;
	case '?':
		(*word)++;
		return SPF_NEUTRAL;
	case '~':
		(*word)++;
		return SPF_SOFTFAIL;
	}
	return SPF_PASS;
}

static int parse_directive(struct spf_record *record, char *word, const char *text)
{
	struct spf_term *term = &record->terms[record->count];
	size_t length;

	*term = (struct spf_term){
		.result = take_qualifier(&word), .text = text, .prefix4 = 32, .prefix6 = 128
	};
	length = strcspn(word, ":/");
	for (size_t i = 0; i < sizeof(mechanisms) / sizeof(mechanisms[0]); i++) {
		if (strlen(mechanisms[i].name) != length ||
		    strncasecmp(mechanisms[i].name, word, length) != 0)
			continue;
		term->mechanism = mechanisms[i].mechanism;
		if (parse_argument(term, mechanisms[i].argument, word + length) != 0)
			return -1;
		record->count++;
		return 0;
	}
	return -1;
}

/* The '=' behind a modifier's name; NULL if the word is no modifier. */
static char *find_equals(char *word)
{
	char *at = word;

	if (!isalpha((unsigned char)*at))
		return NULL;
	while (isalnum((unsigned char)*at) || (*at != '\0' && strchr("-_.", *at) != NULL))
		at++;
	return *at == '=' ? at : NULL;
}

static int set_once(const char **target, const char *value)
{
	if (*target != NULL || !spf_macro_is_domain_spec(value))
		return -1;
	*target = value;
	return 0;
}

static int parse_modifier(struct spf_record *record, char *word, char *equals)
{
	*equals = '\0';
	if (strcasecmp(word, "redirect") == 0)
		return set_once(&record->redirect, equals + 1);
	if (strcasecmp(word, "exp") == 0)
		return set_once(&record->explanation, equals + 1);
	return spf_macro_is_string(equals + 1, false) ? 0 : -1;
}

/* Both copies of the text are cut at the same places; `texts` is left as it stands there. */
static int parse_terms(struct spf_record *record, char *error, size_t error_size)
{
	char *word = record->words + strlen(VERSION), *text = record->texts + strlen(VERSION);

	while (*word != '\0') {
		size_t length;
		char *equals;
		bool is_last;

		if (*word == ' ') {
			word++, text++;
			continue;
		}
		length = strcspn(word, " ");
		is_last = word[length] == '\0';
		word[length] = '\0';
		text[length] = '\0';
		equals = find_equals(word);
		if (record->count >= SPF_TERMS_MAX ||
		    (equals != NULL ? parse_modifier(record, word, equals)
				    : parse_directive(record, word, text)) != 0) {
			snprintf(error, error_size, "\"%s\" is not a term of an SPF record", text);
			return -1;
		}
		word += length + !is_last;
		text += length + !is_last;
	}
	return 0;
}

int spf_record_parse(struct spf_record *record, const char *text, char *error, size_t error_size)
{
	*record = (struct spf_record){ .words = strdup(text), .texts = strdup(text) };
	record->terms = calloc(strlen(text) / 2 + 1, sizeof(*record->terms));
	if (record->words == NULL || record->texts == NULL || record->terms == NULL) {
		snprintf(error, error_size, "out of memory");
		spf_record_wipe(record);
		return -1;
	}
	if (parse_terms(record, error, error_size) != 0) {
		spf_record_wipe(record);
		return -1;
	}
	return 0;
}

void spf_record_wipe(struct spf_record *record)
{
	free(record->words);
	free(record->texts);
	free(record->terms);
	memset(record, 0, sizeof(*record));
}

const char *spf_result_name(enum spf_result result)
{
	switch (result) {
	case SPF_NONE:
		return "none";
	case SPF_NEUTRAL:
		return "neutral";
	case SPF_PASS:
		return "pass";
	case SPF_FAIL:
		return "fail";
	case SPF_SOFTFAIL:
		return "softfail";
	case SPF_TEMPERROR:
		return "temperror";
	case SPF_PERMERROR:
		return "permerror";
	}
	return "?";
}
