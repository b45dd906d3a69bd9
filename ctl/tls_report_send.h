/* Hands the mails that carry reports to a command, or prints them. */
#ifndef TLS_REPORT_SEND_H
#define TLS_REPORT_SEND_H

#include "tls_report.h"

struct tls_report_way {
	const char *from;    /* an address */
	const char *command; /* for sh(1), the mail on its standard input; NULL: mbox to stdout */
};

/*
 * Sends the report of these rows to the mailto: addresses of its domain, and says so on standard
 * output if there is a command. What cannot be sent, and why, goes to standard error. EX_OK or an
 * exit code.
 */
int tls_report_send(const struct tls_report_way *way, const struct tlsrpt_day *day, size_t first,
		    size_t count, const struct tls_report_sender *sender);

#endif
