/*
 * Prints the one field that postern adds, and counts the trace fields that are there already. Reads
 * the header section through a cursor, line by line, without copying the content; fields that are
 * not Received are skipped.
 */
#include "received.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

size_t received_print(char *out, size_t size, const char *edge_name, const char *queue_id,
		      time_t now)
{
	static const char *const days[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
	static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
					      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	struct tm utc;
	int length;

	/* By hand, not by strftime: RFC 5322 dates are English whatever the locale. */
	gmtime_r(&now, &utc);
	length = snprintf(
		out, size,
		"Received: by %s (postern)%s%s;\r\n\t%s, %d %s %d %02d:%02d:%02d +0000\r\n",
		edge_name, queue_id[0] == '\0' ? "" : " id ", queue_id, days[utc.tm_wday],
		utc.tm_mday, months[utc.tm_mon], utc.tm_year + 1900, utc.tm_hour, utc.tm_min,
		utc.tm_sec);
	return length < 0 || (size_t)length >= size ? 0 : (size_t)length;
}

/* The start of a line is enough: "Received: by EDGE (postern)" is how our own field begins. */
#define LINE_START_MAX (sizeof("Received: by  (postern)") + 256)

struct line_start {
	char text[LINE_START_MAX];
	size_t length;
};

/* One header line is complete. false: it was the empty line that ends the header section. */
static bool count_line(struct received_count *count, const struct line_start *line,
		       const char *own_field)
{
	size_t own_length = strlen(own_field);

	if (line->length == 0)
		return false;
	if (line->length >= 9 && strncasecmp(line->text, "Received:", 9) == 0) {
		count->hops++;
		if (line->length >= own_length &&
		    strncasecmp(line->text, own_field, own_length) == 0)
			count->own++;
	}
	return true;
}

struct received_count received_count(const struct content *content, const char *edge_name)
{
	struct received_count count = { 0, 0 };
	struct content_cursor cursor;
	struct line_start line = { .length = 0 };
	char own_field[LINE_START_MAX];
	const uint8_t *bytes;
	size_t length;

	snprintf(own_field, sizeof(own_field), "Received: by %.255s (postern)", edge_name);
	content_cursor_init(&cursor, content);
	while (content_cursor_next(&cursor, &bytes, &length)) {
		for (size_t i = 0; i < length; i++) {
			if (bytes[i] == '\r')
				continue;
			if (bytes[i] != '\n') {
				if (line.length < sizeof(line.text))
					line.text[line.length++] = (char)bytes[i];
				continue;
			}
			if (!count_line(&count, &line, own_field))
				return count;
			line.length = 0;
		}
	}
	return count;
}
