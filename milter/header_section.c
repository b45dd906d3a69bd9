/*
 * The way of smtpd(8), pickup(8) and cleanup(8):
 *
 *	field = 1*name-char *WSP ":" value *(line-break WSP value)	; the white space goes
 *	name-char = any ASCII but controls, white space and ":"
 *
 * - The section ends with the first line that is neither a field nor the continuation of one; that
 *   line is body, also when it is not blank.
 * - A first line that begins with white space continues nothing, so there is no header section.
 * - The first line of an mbox, "From " or ">From ", becomes a field of the name Mailbox-Line.
 * - Of the value's white space one space behind the colon goes. Lines of a folded field are joined
 *   by LF. What stands behind a NUL is lost, to the end of that line.
 */
#include "header_section.h"

#include <string.h>

#include "lib/buffer.h"

#define MBOX_NAME "Mailbox-Line: "

struct reader {
	struct message *message;
	FILE *in;
	size_t count_limit, size_limit;
	struct buffer line, field;
	bool is_first;
};

enum step { STEP_MORE, STEP_END, STEP_TOO_LARGE, STEP_FAILED };

/* One line without its end. */
static enum step read_line(struct reader *reader)
{
	uint8_t byte;
	int c;

	buffer_reset(&reader->line);
	while ((c = getc(reader->in)) != EOF && c != '\n') {
		byte = (uint8_t)c;
		if (buffer_put(&reader->line, &byte, 1) < 0)
			return STEP_TOO_LARGE;
	}
	if (ferror(reader->in))
		return STEP_FAILED;
	if (c == '\n' && reader->line.end > 0 && reader->line.bytes[reader->line.end - 1] == '\r')
		reader->line.end--;
	return c == EOF && reader->line.end == 0 ? STEP_END : STEP_MORE;
}

/* Length of the name with which a line begins if it is a field, or 0. */
static size_t find_name(const char *line, size_t length)
{
	size_t name = 0, at;

	while (name < length && line[name] > ' ' && line[name] <= '~' && line[name] != ':')
		name++;
	for (at = name; at < length && (line[at] == ' ' || line[at] == '\t'); at++)
		;
	return at < length && line[at] == ':' ? name : 0;
}

static enum step end_field(struct reader *reader)
{
	char *text = (char *)reader->field.bytes, *value;
	size_t name;

	if (reader->field.end == 0)
		return STEP_MORE;
	name = find_name(text, reader->field.end);
	value = strchr(text, ':') + 1;
	value += *value == ' ';
	text[name] = '\0';
	buffer_reset(&reader->field);
	if (message_add_field(reader->message, text, value, reader->count_limit, reader->size_limit) < 0)
		return STEP_FAILED;
	return reader->message->is_header_too_large ? STEP_TOO_LARGE : STEP_MORE;
}

/* Puts `before` and the line, as far as it is a string, behind what there is; that stays a string. */
static enum step extend_field(struct reader *reader, const char *before)
{
	const char *line = (const char *)buffer_data(&reader->line);

	if (buffer_put(&reader->field, before, strlen(before)) < 0 ||
	    buffer_put(&reader->field, line, strnlen(line, reader->line.end)) < 0 ||
	    buffer_put(&reader->field, "", 1) < 0)
		return STEP_TOO_LARGE;
	reader->field.end--;
	return STEP_MORE;
}

static bool is_mbox_line(const char *line, size_t length)
{
	while (length > 0 && *line == '>') {
		line++;
		length--;
	}
	return length >= 5 && memcmp(line, "From ", 5) == 0;
}

static enum step take_line(struct reader *reader)
{
	const char *line = (const char *)buffer_data(&reader->line);
	size_t length = reader->line.end;
	bool is_first = reader->is_first;
	enum step step;

	reader->is_first = false;
	if (length > 0 && (*line == ' ' || *line == '\t'))
		return reader->field.end > 0 ? extend_field(reader, "\n") : STEP_END;
	step = end_field(reader);
	if (step != STEP_MORE)
		return step;
	if (is_first && length > 0 && is_mbox_line(line, length))
		return extend_field(reader, MBOX_NAME);
	return length > 0 && find_name(line, length) > 0 ? extend_field(reader, "") : STEP_END;
}

int header_section_read(struct message *message, FILE *in, size_t count_limit, size_t size_limit)
{
	struct reader reader = { .message = message, .in = in, .count_limit = count_limit, .size_limit = size_limit,
				 .is_first = true };
	enum step step;

	/* What does not fit here would not fit into the bounds either. */
	buffer_init(&reader.line, size_limit + 1);
	buffer_init(&reader.field, size_limit + sizeof(MBOX_NAME));
	do {
		step = read_line(&reader);
		if (step == STEP_MORE)
			step = take_line(&reader);
	} while (step == STEP_MORE);
	if (step == STEP_END)
		step = end_field(&reader);
	if (step == STEP_TOO_LARGE)
		message->is_header_too_large = true;
	buffer_wipe(&reader.line);
	buffer_wipe(&reader.field);
	return step == STEP_FAILED ? -1 : 0;
}
