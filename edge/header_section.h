/* The header section of a content (RFC 5322 2.2), one line after the other, without copying it. */
#ifndef HEADER_SECTION_H
#define HEADER_SECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "content.h"

/* Of a longer line the start is given. */
#define HEADER_LINE_MAX 400

struct header_section {
	struct content_cursor cursor;
	const uint8_t *bytes;	/* not yet read */
	size_t length;
	char line[HEADER_LINE_MAX + 1];	/* the last one read, without CRLF */
	size_t line_length;
};

void header_section_init(struct header_section *section, const struct content *content);
/* true: section->line is the next line. false: the header section is over. */
bool header_section_next(struct header_section *section);

/* Does the message say "TLS-Required: No" (RFC 8689 5)? */
bool header_section_has_tls_required_no(const struct content *content);

#endif
