/*
 * Composes an SPF record. Terms are taken word by word from the records that are there; a word that
 * is no term of SPF is left out, and so is what would stand there twice.
 */
#include "spf_mend.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/endpoint.h"
#include "spf_check.h"

struct composer {
	char *out;
	size_t used;
	char end[SPF_TEXT_MAX]; /* "-all", "redirect=..." */
	bool has_redirect, is_cut;
};

static void put(struct composer *composer, const char *word)
{
	size_t length = strlen(word);

	if (composer->used + length + 2 > SPF_MEND_MAX) {
		composer->is_cut = true;
		return;
	}
	composer->out[composer->used++] = ' ';
	memcpy(composer->out + composer->used, word, length + 1);
	composer->used += length;
}

/* Is the word in the record already? */
static bool has_word(const struct composer *composer, const char *word)
{
	size_t length = strlen(word);

	for (const char *at = composer->out; (at = strchr(at, ' ')) != NULL; at++)
		if (strncasecmp(at + 1, word, length) == 0 &&
		    (at[1 + length] == ' ' || at[1 + length] == '\0'))
			return true;
	return false;
}

static void put_address(struct composer *composer, const struct sockaddr_storage *address)
{
	char text[SOCKADDR_TEXT_MAX], word[SOCKADDR_TEXT_MAX + 8];

	endpoint_print_address((const struct sockaddr *)address, text, sizeof(text));
	snprintf(word, sizeof(word), "%s:%s", strchr(text, ':') == NULL ? "ip4" : "ip6", text);
	if (!has_word(composer, word))
		put(composer, word);
}

/* A term that stands alone in a record: right or wrong? */
static void put_term(struct composer *composer, const char *word)
{
	char text[SPF_TEXT_MAX + 16], error[SPF_TEXT_MAX];
	struct spf_record record;

	snprintf(text, sizeof(text), "v=spf1 %s", word);
	if (spf_record_parse(&record, text, error, sizeof(error)) != 0)
		return;
	if (record.redirect != NULL) {
		snprintf(composer->end, sizeof(composer->end), "%s", word);
		composer->has_redirect = true;
	} else if (record.count == 1 && record.terms[0].mechanism == SPF_ALL) {
		if (!composer->has_redirect)
			snprintf(composer->end, sizeof(composer->end), "%s",
				 record.terms[0].result == SPF_PASS ? "~all" : word);
	} else if (!has_word(composer, word) &&
		   (record.explanation == NULL || strstr(composer->out, " exp=") == NULL)) {
		put(composer, word);
	}
	spf_record_wipe(&record);
}

static void put_terms(struct composer *composer, const char *text)
{
	while (*text != '\0') {
		size_t length = strcspn(text, " ");
		char word[SPF_TEXT_MAX];

		snprintf(word, sizeof(word), "%.*s", (int)length, text);
		composer->is_cut |= length >= sizeof(word);
		if (length > 0 && length < sizeof(word) && strncasecmp(word, "v=spf1", 6) != 0)
			put_term(composer, word);
		text += length + (text[length] == ' ');
	}
}

bool spf_mend_compose(char out[SPF_MEND_MAX], char *const *texts, size_t text_count,
		      const struct sockaddr_storage *addresses, size_t address_count)
{
	struct composer composer = { .out = out, .end = "~all" };

	composer.used = (size_t)snprintf(out, SPF_MEND_MAX, "v=spf1");
	for (size_t i = 0; i < address_count; i++)
		put_address(&composer, &addresses[i]);
	for (size_t i = 0; i < text_count; i++)
		put_terms(&composer, texts[i]);
	put(&composer, composer.end);
	return !composer.is_cut;
}
