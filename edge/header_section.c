/* Reads lines out of the chunks of a content. */
#include "header_section.h"

#include <string.h>
#include <strings.h>

void header_section_init(struct header_section *section, const struct content *content)
{
	memset(section, 0, sizeof(*section));
	content_cursor_init(&section->cursor, content);
}

bool header_section_next(struct header_section *section)
{
	section->line_length = 0;
	for (;;) {
		if (section->length == 0 &&
		    !content_cursor_next(&section->cursor, &section->bytes, &section->length))
			return false;
		section->length--;
		switch (*section->bytes++) {
		case '\r':
			break;
		case '\n':
			section->line[section->line_length] = '\0';
			return section->line_length > 0;
		default:
			if (section->line_length < HEADER_LINE_MAX)
				section->line[section->line_length++] = (char)section->bytes[-1];
		}
	}
}

#define TLS_REQUIRED "TLS-Required:"

bool header_section_has_tls_required_no(const struct content *content)
{
	struct header_section section;
	const char *value;

	header_section_init(&section, content);
	while (header_section_next(&section)) {
		if (strncasecmp(section.line, TLS_REQUIRED, strlen(TLS_REQUIRED)) != 0)
			continue;
		value = section.line + strlen(TLS_REQUIRED);
		value += strspn(value, " \t");
		if (strncasecmp(value, "no", 2) == 0 && value[2 + strspn(value + 2, " \t")] == '\0')
			return true;
	}
	return false;
}
