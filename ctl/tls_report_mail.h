/* The mail that carries a TLS report (RFC 8460 5.3). */
#ifndef TLS_REPORT_MAIL_H
#define TLS_REPORT_MAIL_H

#include <stdio.h>
#include <time.h>

#include "tls_report.h"

struct tls_report_mail {
	const struct tls_report *report;
	const struct tls_report_sender *sender;
	const char *from; /* an address */
	long day;
	time_t now;
	const struct mailbox *to; /* without quoted local parts */
	size_t to_count;
};

/* Writes header and body with LF line ends. 0; -1: no memory, or the writing failed. */
int tls_report_mail_write(FILE *out, const struct tls_report_mail *mail);

#endif
