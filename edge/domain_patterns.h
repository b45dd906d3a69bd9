/*
 * The left side of a table about recipient domains (tls_policy, relay):
 *
 *	example.com	this domain
 *	.example.com	every domain below it
 *	[192.0.2.1]	an address literal
 *	*		everything else
 *
 * A domain's own line counts; without one, that of the longest parent; without one, "*".
 */
#ifndef DOMAIN_PATTERNS_H
#define DOMAIN_PATTERNS_H

#include <stddef.h>

struct domain_pattern {
	char *text;			/* lower case */
	size_t line;			/* of the table */
	size_t value;			/* the caller's number */
};

struct domain_patterns {
	struct domain_pattern *items;	/* sorted by text */
	size_t count;
};

/* Room for `capacity` patterns. 0, or -1: memory is out. Wipe in both cases. */
int domain_patterns_init(struct domain_patterns *patterns, size_t capacity);
void domain_patterns_wipe(struct domain_patterns *patterns);

/* 0, or -1 with what is wrong with `key` in error. */
int domain_patterns_add(struct domain_patterns *patterns, const char *key, size_t line,
			size_t value, char *error, size_t error_size);
/* When all are added. 0, or -1 with error: two lines have the same pattern, *line_out is the later. */
int domain_patterns_sort(struct domain_patterns *patterns, size_t *line_out, char *error,
			 size_t error_size);

/* `domain` in A-labels, or a literal; in any case of letters. NULL: no line is about it. */
const struct domain_pattern *domain_patterns_find(const struct domain_patterns *patterns,
						  const char *domain);

#endif
