/*
 * What a walk tells tlsrpt: translates connections and refusals into the sessions and results of
 * RFC 8460 4. Only what the recipient's domain has published counts; a policy of our own
 * administrator is nobody else's business.
 */
#ifndef TLS_REPORT_H
#define TLS_REPORT_H

#include "smtp_client.h"
#include "tls_destination.h"

struct tls_report_host {
	const char *exchange;
	const char *receiving_ip;
	const char *sending_ip;		/* "" = never connected */
};

/* The connection is ready for mail, with TLS or without. */
void tls_report_opened(const struct tls_destination *destination, const struct tls_terms *terms,
		       const struct tls_report_host *host, const struct smtp_client *client);
/* It is not; nothing is counted unless TLS was the reason. */
void tls_report_failed(const struct tls_destination *destination, const struct tls_terms *terms,
		       const struct tls_report_host *host, const struct smtp_client *client,
		       const struct smtp_event *event);
/* tls_destination_terms() said no. */
void tls_report_passed_over(const struct tls_destination *destination,
			    const struct tls_report_host *host);
/* The MTA-STS policy is announced, but could not be had. */
void tls_report_no_sts(const struct tls_destination *destination);

#endif
