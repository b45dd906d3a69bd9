/*
 * The report of RFC 8460 4.4 for one domain and one day, as JSON text.
 */
#ifndef TLS_REPORT_H
#define TLS_REPORT_H

#include <stddef.h>

#include "lib/mail_address.h"
#include "lib/tlsrpt_day.h"

/* Who reports. */
struct tls_report_sender {
	const char *organization; /* UTF-8 */
	const char *contact;	  /* an address */
	const char *submitter;	  /* the domain under which the reports go out */
};

/* "2026-11-20.example.net.1a2b3c4d@submitter": the same report has the same one, when sent again
 * too. */
#define TLS_REPORT_ID_SIZE (TLSRPT_DATE_SIZE + 2 * SMTP_DOMAIN_MAX + 16)

struct tls_report {
	const char *domain; /* of the day's */
	char id[TLS_REPORT_ID_SIZE];
	char *json; /* malloc(3)ed */
};

/* How many rows, from this one of a sorted day on, are of the same domain. */
size_t tls_report_row_count(const struct tlsrpt_day *day, size_t first);

/*
 * The report of those rows; indented for people or in one line. 0, or -1: no memory, or the
 * organization is no UTF-8.
 */
int tls_report_make(struct tls_report *report, const struct tlsrpt_day *day, size_t first,
		    size_t count, const struct tls_report_sender *sender, bool is_indented);
void tls_report_wipe(struct tls_report *report);

#endif
