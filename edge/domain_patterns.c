/* A sorted array, and one search for each label of a domain. */
#include "domain_patterns.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/ascii.h"
#include "lib/smtp_limits.h"

int domain_patterns_init(struct domain_patterns *patterns, size_t capacity)
{
	*patterns = (struct domain_patterns){ .items = calloc(capacity > 0 ? capacity : 1,
							      sizeof(*patterns->items)) };
	return patterns->items != NULL ? 0 : -1;
}

void domain_patterns_wipe(struct domain_patterns *patterns)
{
	for (size_t i = 0; i < patterns->count; i++)
		free(patterns->items[i].text);
	free(patterns->items);
	*patterns = (struct domain_patterns){ 0 };
}

static bool is_pattern(const char *key, size_t length)
{
	return length > 0 && length <= SMTP_DOMAIN_MAX && strcmp(key, ".") != 0 &&
	       (strchr(key, '*') == NULL || strcmp(key, "*") == 0);
}

static bool is_ascii(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text >= 0x80)
			return false;
	return true;
}

int domain_patterns_add(struct domain_patterns *patterns, const char *key, size_t line,
			size_t value, char *error, size_t error_size)
{
	struct domain_pattern *added = &patterns->items[patterns->count];

	if (!is_pattern(key, strlen(key))) {
		snprintf(error, error_size,
			 "\"%.100s\" is neither a domain, a \".parent.domain\" nor \"*\"", key);
		return -1;
	}
	if (!is_ascii(key)) {
		snprintf(error, error_size, "\"%.100s\" must be written in A-labels (xn--...); see: idn2",
			 key);
		return -1;
	}
	added->text = strdup(key);
	if (added->text == NULL) {
		snprintf(error, error_size, "out of memory");
		return -1;
	}
	for (char *at = added->text; *at != '\0'; at++)
		*at = ascii_lower(*at);
	added->line = line;
	added->value = value;
	patterns->count++;
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct domain_pattern *x = a, *y = b;

	/* Literals are looked up as they are: "[IPv6:2001:db8::1]". */
	return strcasecmp(x->text, y->text);
}

int domain_patterns_sort(struct domain_patterns *patterns, size_t *line_out, char *error,
			 size_t error_size)
{
	if (patterns->count > 1)
		qsort(patterns->items, patterns->count, sizeof(*patterns->items), compare);
	for (size_t i = 1; i < patterns->count; i++) {
		const struct domain_pattern *a = &patterns->items[i - 1], *b = &patterns->items[i];
		size_t first = a->line < b->line ? a->line : b->line;

		if (strcmp(a->text, b->text) == 0) {
			*line_out = a->line + b->line - first;
			snprintf(error, error_size, "\"%.100s\" stands in line %zu already",
				 a->text, first);
			return -1;
		}
	}
	return 0;
}

static const struct domain_pattern *find(const struct domain_patterns *patterns, const char *text)
{
	const struct domain_pattern key = { .text = (char *)(uintptr_t)text };

	return bsearch(&key, patterns->items, patterns->count, sizeof(key), compare);
}

const struct domain_pattern *domain_patterns_find(const struct domain_patterns *patterns,
						  const char *domain)
{
	const struct domain_pattern *found;

	if (patterns->count == 0)
		return NULL;
	found = find(patterns, domain);
	if (domain[0] != '[')
		for (const char *dot = strchr(domain, '.'); found == NULL && dot != NULL;
		     dot = strchr(dot + 1, '.'))
			found = find(patterns, dot);
	return found != NULL ? found : find(patterns, "*");
}
