/*
 * The file that keeps one day of TLS statistics: DIRECTORY/YYYY-MM-DD. The edge writes it and reads
 * it after a restart; `postern tlsrpt' makes reports of it.
 *
 * Lines of fields, separated by tabs; in a field "%", control and 8-bit characters are
 * percent-encoded. Each line stands for itself, so a damaged one costs nothing but itself:
 *
 *	postern-tlsrpt 1 DATE
 *	domain DOMAIN URIS
 *	sessions NUMBER POLICY-TYPE RESULT DOMAIN POLICY-DOMAIN POLICY MX-PATTERN MX-HOST
 *		RECEIVING-IP SENDING-IP REASON
 *	end NUMBER-OF-LINES
 */
#ifndef TLSRPT_FILE_H
#define TLSRPT_FILE_H

#include <stdio.h>

#include "tlsrpt_day.h"

#define TLSRPT_DIRECTORY "/var/lib/postern/edge/tlsrpt"

#define TLSRPT_LINE_MAX 32768
#define TLSRPT_FILE_MAX (64 * 1024 * 1024)
/* Lines that are reported one by one. */
#define TLSRPT_COMPLAINTS_MAX 20

typedef void tlsrpt_complain_fn(void *context, const char *message);

struct tlsrpt_reading {
	size_t lines;	  /* in all */
	size_t bad_lines; /* each reported, "NAME:LINE: ..."; the later ones summed up */
	bool is_whole;	  /* the last line was there and agreed, and so did the day */
};

/*
 * Adds what the file says to *day. An unknown day->number becomes the file's; a file of another day
 * is a bad first line. 0; or -1 with "NAME: ..." in error if it cannot be read to its end.
 */
int tlsrpt_file_read(struct tlsrpt_day *day, FILE *in, const char *name,
		     tlsrpt_complain_fn *complain, void *context, struct tlsrpt_reading *reading,
		     char *error, size_t error_size);

/*
 * Replaces PATH, mode 0640, by way of PATH.new; whoever reads sees the old or the new one, whole.
 * 0, or -1 with "PATH.new: ..." in error and PATH as it was.
 */
#define TLSRPT_TEMPORARY_SUFFIX ".new"
int tlsrpt_file_write(const struct tlsrpt_day *day, const char *path, char *error,
		      size_t error_size);

#endif
