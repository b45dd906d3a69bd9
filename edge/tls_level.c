/* Names of TLS levels, versions and cipher grades. */
#include "tls_level.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

const char *const tls_level_names[] = {
	"none", "may", "encrypt", "dane", "dane-only", "verify", "secure", "fingerprint", NULL,
};

const char *const tls_cipher_names[] = { "medium", "high", NULL };

/* SSLv2 and SSLv3 are known, so that Postfix's settings can be copied, and never used. */
static const struct {
	const char *name;
	unsigned bit;
} versions[] = {
	{ "SSLv2", 0 },		{ "SSLv3", 0 },		{ "TLSv1", TLS_V1_0 },
	{ "TLSv1.0", TLS_V1_0 },	{ "TLSv1.1", TLS_V1_1 }, { "TLSv1.2", TLS_V1_2 },
	{ "TLSv1.3", TLS_V1_3 },
};

#define ALL (TLS_V1_0 | TLS_V1_1 | TLS_V1_2 | TLS_V1_3)

static bool find_version(const char *name, size_t length, unsigned *bit)
{
	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
		if (strlen(versions[i].name) == length &&
		    strncasecmp(versions[i].name, name, length) == 0) {
			*bit = versions[i].bit;
			return true;
		}
	}
	return false;
}

struct selection {
	unsigned included, excluded;
	bool has_included;
};

static bool take_word(struct selection *selection, const char *word, size_t length)
{
	size_t skip = strncmp(word, ">=", 2) == 0 || strncmp(word, "<=", 2) == 0 ? 2 : word[0] == '!';
	unsigned bit;

	if (!find_version(word + skip, length - skip, &bit))
		return false;
	if (skip == 2 && word[0] == '>')
		selection->excluded |= bit == 0 ? 0 : bit - 1;
	else if (skip == 2)
		selection->excluded |= ALL & ~(bit == 0 ? 0 : bit | (bit - 1));
	else if (skip == 1)
		selection->excluded |= bit;
	else
		selection->included |= bit;
	selection->has_included = selection->has_included || skip == 0;
	return true;
}

#define SEPARATORS ":, \t"

int tls_protocols_parse(unsigned *protocols, const char *text, char *error, size_t error_size)
{
	struct selection selection = { 0 };

	for (text += strspn(text, SEPARATORS); *text != '\0'; text += strspn(text, SEPARATORS)) {
		size_t length = strcspn(text, SEPARATORS);

		if (!take_word(&selection, text, length)) {
			snprintf(error, error_size,
				 "\"%.*s\" is no TLS version; write \">=TLSv1.2\" or a list out of "
				 "TLSv1, TLSv1.1, TLSv1.2, TLSv1.3, each with ! to leave it out",
				 (int)(length < 40 ? length : 40), text);
			return -1;
		}
		text += length;
	}
	*protocols = (selection.has_included ? selection.included : ALL) & ~selection.excluded;
	if (*protocols != 0)
		return 0;
	snprintf(error, error_size, "no TLS version is left");
	return -1;
}
