/*
 * Any lines as the answer to EHLO: what the server calls itself is printable and bounded, nothing
 * is known of it that no line said, and the same lines say the same again. A parser of its own
 * looks for the keywords.
 *
 * feeds: answers to EHLO
 * covers: edge/smtp_capability.c
 */
#include <strings.h>

#include "edge/smtp_capability.h"
#include "fuzz_target.h"

/* Is there a line, behind the first, whose first word is this? */
static bool has_keyword(const char *text, size_t length, const char *keyword)
{
	bool is_first = true;

	while (length > 0) {
		const char *end = memchr(text, '\n', length);
		size_t line = end != NULL ? (size_t)(end - text) : length, word = strlen(keyword);

		size_t blanks = 0;

		while (blanks < line && strchr(" \t", text[blanks]) != NULL && text[blanks] != '\0')
			blanks++;
		if (!is_first && line - blanks >= word &&
		    strncasecmp(text + blanks, keyword, word) == 0 &&
		    (line - blanks == word || text[blanks + word] == ' ' ||
		     text[blanks + word] == '\t'))
			return true;
		is_first = false;
		text += end != NULL ? line + 1 : line;
		length -= end != NULL ? line + 1 : line;
	}
	return false;
}

static void read_lines(struct smtp_capabilities *capabilities, const char *text, size_t length)
{
	memset(capabilities, 0, sizeof(*capabilities));
	for (size_t number = 0; length > 0; number++) {
		const char *end = memchr(text, '\n', length);
		size_t line = end != NULL ? (size_t)(end - text) : length;
		/* Of its own, for the sanitizer. */
		char *copy = malloc(line > 0 ? line : 1);

		require(copy != NULL);
		memcpy(copy, text, line);
		smtp_capability_line(capabilities, number, copy, line);
		free(copy);
		text += end != NULL ? line + 1 : line;
		length -= end != NULL ? line + 1 : line;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	const char *text = (const char *)bytes;
	struct smtp_capabilities first, again;

	read_lines(&first, text, length);
	read_lines(&again, text, length);
	require(memcmp(&first, &again, sizeof(first)) == 0);
	require(strlen(first.domain) < sizeof(first.domain));
	require_printable(first.domain);
	require(first.size || first.size_max == 0);
	require(!first.starttls || has_keyword(text, length, "STARTTLS"));
	require(!first.pipelining || has_keyword(text, length, "PIPELINING"));
	require(!first.eightbitmime || has_keyword(text, length, "8BITMIME"));
	require(!first.smtputf8 || has_keyword(text, length, "SMTPUTF8"));
	require(!first.dsn || has_keyword(text, length, "DSN"));
	require(!first.size || has_keyword(text, length, "SIZE"));
	require(!first.requiretls || has_keyword(text, length, "REQUIRETLS"));
	return 0;
}
