/*
 * Prints the one field that postern adds, and counts the trace fields that are there already.
 */
#include "received.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "header_section.h"

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

struct received_count received_count(const struct content *content, const char *edge_name)
{
	struct received_count count = { 0, 0 };
	struct header_section section;
	char own_field[300];
	size_t own_length;

	snprintf(own_field, sizeof(own_field), "Received: by %.255s (postern)", edge_name);
	own_length = strlen(own_field);
	header_section_init(&section, content);
	while (header_section_next(&section)) {
		if (strncasecmp(section.line, "Received:", strlen("Received:")) != 0)
			continue;
		count.hops++;
		if (strncasecmp(section.line, own_field, own_length) == 0)
			count.own++;
	}
	return count;
}
