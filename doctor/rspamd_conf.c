/*
 * rspamd's local.d/dkim_signing.conf, as far as it says in words which key signs for whom:
 *
 *	selector = "dkim";
 *	path = "/var/lib/rspamd/dkim/$domain.$selector.key";
 *	domain {
 *		example.com {
 *			selector = "2026";
 *			path = "/etc/dkim/example.com.key";
 *		}
 *	}
 *
 * Values with or without quotes, "=" or nothing before them, # comments. With a general path and no
 * domain block for it, every domain of which the file exists is signed for. Maps (path_map,
 * selector_map), vaults and lists of selectors are not read.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "dkim_signer.h"

#define CONF_PATH DKIM_RSPAMD_CONF
#define DEFAULT_PATH "/var/lib/rspamd/dkim/$domain.$selector.key"
#define DEFAULT_SELECTOR "dkim"
#define WORD_MAX 1023

struct reader {
	const char *at;
	char word[WORD_MAX + 1]; /* "{", "}", "" at the end, or a word */
	bool is_mark;		 /* "{", "}" or ";" */
};

struct keys {
	char selector[DKIM_SELECTOR_MAX + 1], path[DKIM_PATH_MAX + 1];
};

static void skip(struct reader *reader)
{
	for (;;) {
		reader->at += strspn(reader->at, " \t\r\n=:");
		if (*reader->at != '#')
			return;
		reader->at += strcspn(reader->at, "\n");
	}
}

static bool next_word(struct reader *reader)
{
	size_t length;
	const char *start;

	skip(reader);
	reader->is_mark = false;
	if (*reader->at == '\0')
		return false;
	start = reader->at;
	if (strchr("{};[],", *start) != NULL) {
		length = 1;
		reader->at++;
		reader->is_mark = true;
	} else if (*start == '"' || *start == '\'') {
		length = strcspn(++start, *reader->at == '"' ? "\"" : "'");
		reader->at = start + length + (start[length] != '\0');
	} else {
		length = strcspn(start, " \t\r\n={};[],\"'");
		reader->at += length;
	}
	snprintf(reader->word, sizeof(reader->word), "%.*s", (int)length, start);
	return true;
}

static bool is_word(const struct reader *reader, const char *word)
{
	return !reader->is_mark && strcasecmp(reader->word, word) == 0;
}

static bool is_mark(const struct reader *reader, char mark)
{
	return reader->is_mark && reader->word[0] == mark;
}

/* $domain becomes "%", $selector what it is. */
static void print_path(char out[DKIM_PATH_MAX + 1], const struct keys *keys)
{
	const char *at = keys->path;
	size_t used = 0;

	out[0] = '\0';
	while (*at != '\0' && used < DKIM_PATH_MAX) {
		const char *text = at;
		int length = 1;

		if (strncmp(at, "$domain", 7) == 0) {
			text = "%";
			at += 7;
		} else if (strncmp(at, "$selector", 9) == 0) {
			text = keys->selector;
			length = (int)strlen(text);
			at += 9;
		} else {
			at++;
		}
		used += (size_t)snprintf(out + used, DKIM_PATH_MAX + 1 - used, "%.*s", length,
					 text);
	}
}

static void add(struct dkim_signers *signers, const char *domain, const struct keys *keys)
{
	char path[DKIM_PATH_MAX + 1], pattern[SMTP_DOMAIN_MAX + 66];

	print_path(path, keys);
	snprintf(pattern, sizeof(pattern), "*@%.255s", strcmp(domain, "%") == 0 ? "*" : domain);
	dkim_signers_add(signers, pattern, domain, keys->selector, path, CONF_PATH);
}

/* What is too long is left out, as if it were not there. */
static void take_value(struct reader *reader, char *out, size_t size)
{
	if (next_word(reader) && !reader->is_mark && strlen(reader->word) < size)
		memcpy(out, reader->word, strlen(reader->word) + 1);
}

/* From behind "{" to its "}". */
static void skip_block(struct reader *reader)
{
	for (unsigned depth = 1; depth > 0 && next_word(reader);)
		depth += is_mark(reader, '{') ? 1 : is_mark(reader, '}') ? (unsigned)-1 : 0;
}

static void read_domain(struct reader *reader, struct dkim_signers *signers, const char *domain,
			struct keys keys)
{
	while (next_word(reader) && !is_mark(reader, '}')) {
		if (is_word(reader, "selector"))
			take_value(reader, keys.selector, sizeof(keys.selector));
		else if (is_word(reader, "path"))
			take_value(reader, keys.path, sizeof(keys.path));
		else if (is_mark(reader, '{'))
			skip_block(reader);
		else if (is_word(reader, "selectors"))
			dkim_signers_give_up(
				signers,
				CONF_PATH
				": the selectors of %.100s are a list, which is not read here",
				domain);
	}
	add(signers, domain, &keys);
}

static void read_domains(struct reader *reader, struct dkim_signers *signers,
			 const struct keys *keys)
{
	char domain[SMTP_DOMAIN_MAX + 1];

	while (next_word(reader) && !is_mark(reader, '}')) {
		if (reader->is_mark)
			continue;
		snprintf(domain, sizeof(domain), "%.255s", reader->word);
		if (next_word(reader) && is_mark(reader, '{'))
			read_domain(reader, signers, domain, *keys);
	}
}

/* General settings first, wherever they stand: twice over the text. */
void dkim_signers_parse_rspamd(struct dkim_signers *signers, char *text, const char *root)
{
	struct keys keys = { .selector = DEFAULT_SELECTOR, .path = DEFAULT_PATH };
	bool is_enabled = true;

	(void)root;
	for (int pass = 0; pass < 2; pass++) {
		struct reader reader = { .at = text };
		char value[64] = "";

		while (next_word(&reader)) {
			if (is_word(&reader, "selector"))
				take_value(&reader, keys.selector, sizeof(keys.selector));
			else if (is_word(&reader, "path"))
				take_value(&reader, keys.path, sizeof(keys.path));
			else if (is_word(&reader, "enabled"))
				take_value(&reader, value, sizeof(value));
			else if (is_word(&reader, "path_map") || is_word(&reader, "selector_map") ||
				 is_word(&reader, "use_vault"))
				dkim_signers_give_up(
					signers,
					CONF_PATH
					": keys are found with %.30s, which is not read here",
					reader.word);
			else if (pass == 1 && is_enabled && is_word(&reader, "domain") &&
				 next_word(&reader) && is_mark(&reader, '{'))
				read_domains(&reader, signers, &keys);
			else if (is_mark(&reader, '{'))
				skip_block(&reader);
		}
		is_enabled = strcasecmp(value, "false") != 0 && strcasecmp(value, "no") != 0;
	}
	signers->is_found = signers->is_found || is_enabled;
	if (is_enabled)
		add(signers, "%", &keys);
}
