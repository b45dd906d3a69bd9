/* The day's statistics that a report is made of: found, opened, read. */
#ifndef TLS_REPORT_INPUT_H
#define TLS_REPORT_INPUT_H

#include <stdbool.h>
#include <stdio.h>

#include "lib/tlsrpt_day.h"

#define TLS_REPORT_INPUT_NAME_MAX 4096

struct tls_report_input {
	FILE *file; /* NULL: there are no statistics of that day */
	char name[TLS_REPORT_INPUT_NAME_MAX];
};

/*
 * file: "-" is standard input; NULL: the file of that day in the directory, which may be missing if
 * the directory is there. EX_OK, or an exit code, explained.
 */
int tls_report_input_open(struct tls_report_input *input, const char *file, const char *directory,
			  long day);
void tls_report_input_close(struct tls_report_input *input);

/*
 * Reads it into *day (in any case to be wiped), sorted. EX_OK; EX_DATAERR if there are damaged
 * lines, explained; *is_whole_out: the file is known to be all there. Other exit codes: nothing to
 * be had.
 */
int tls_report_input_read(struct tls_report_input *input, struct tlsrpt_day *day,
			  bool *is_whole_out);
/* Copies it to standard output. */
int tls_report_input_copy(struct tls_report_input *input);

#endif
