/*
 * A line of the mail log, as syslog daemons and journalctl(1) write it:
 *
 *	line = time SP host SP text
 *	time = "Nov 22 03:38:02"				; RFC 3164: local time, no year
 *	     / "2026-11-22T03:38:02.123456+01:00"		; RFC 5424; "+0100" and "Z" too, fraction optional
 */
#ifndef LOG_LINE_H
#define LOG_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct log_line {
	int64_t time_ms;	/* since the epoch */
	bool is_whole_second;	/* the line does not say more */
	const char *rest;	/* "host postfix/qmgr[195]: 4ZmV: removed"; in the line */
};

/*
 * Of a NUL-terminated line without line feed. now_s tells the year that an RFC 3164 line leaves out. false: it begins
 * with no time.
 */
bool log_line_parse(struct log_line *parsed, const char *line, int64_t now_s);
/* Is this queue id in the line as a word of its own? */
bool log_line_names(const char *line, const char *queue_id);
/*
 * Does it tell what came of a delivery, or of the message? Such a line is written after the edge's line of the same
 * delivery.
 */
bool log_line_is_outcome(const char *line);

#endif
