/*
 * What the checks of the sending domains know of how mail leaves, and what they find out about one
 * domain for one another.
 *
 * sending_check_domain() runs them all for one domain. Each check_*.c has one noun. The DNS alone
 * is asked; a check whose answer fails to come is unknown.
 */
#ifndef SENDING_H
#define SENDING_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

#include "dkim_signer.h"
#include "finding.h"
#include "lib/endpoint.h"
#include "lookup.h"
#include "own_mx.h"

/* Addresses of all edges together. */
#define SENDING_ADDRESSES_MAX 256
/* An address from which an edge delivers. */
struct sending_address {
	const char *edge; /* its name */
	struct sockaddr_storage address;
	const char *hello; /* its name in EHLO from there; "": not known */
};

/* Does the resolver check signatures? Found out by check_resolver(). */
enum sending_validation {
	SENDING_VALIDATION_UNKNOWN,
	SENDING_VALIDATES,
	SENDING_DOES_NOT_VALIDATE
};

struct sending {
	struct finding_list *list;
	const struct lookup_source *dns;
	const struct sending_address *addresses;
	size_t address_count; /* SENDING_ADDRESSES_MAX at the most */
	const struct dkim_signers *signers; /* of this host */
	const struct own_mx *own; /* this host as an MX; NULL: nothing is known of it */
	enum sending_validation validation;
	const char *sts_fetch; /* postern-sts-fetch(8); NULL: MTA-STS policies are not fetched */
};

/* Yes, no, or it could not be found out. */
enum sending_truth { SENDING_NO, SENDING_YES, SENDING_UNKNOWN };

/* A domain whose addresses are in From fields. */
struct sending_domain {
	const char *name;     /* A-labels, lower case */
	const char *envelope; /* the domain of its envelope senders; mostly the same */
	/* What the checks before found out, for check_alignment(). */
	enum sending_truth has_spf;	    /* passes for every address */
	enum sending_truth has_dkim;	    /* a key that is published signs for it */
	char dkim_domain[DNS_NAME_MAX + 1]; /* d= of that key */
	bool has_inbound_tls;		    /* it announces DANE or MTA-STS */
};

/* All checks of one domain. `envelope` may be NULL: the domain itself. */
void sending_check_domain(struct sending *sending, const char *name, const char *envelope);

/*
 * The resolver answers, and validates: asks for what is signed and for what is signed wrongly. Adds
 * a finding under this id and subject, and returns what it found.
 */
enum sending_validation check_resolver(struct finding_list *list, const struct lookup_source *dns,
				       const char *id, const char *subject);
/* SPF for the names in EHLO, by which mail without a sender (bounces) is judged. */
void check_hello_spf(struct sending *sending);

/* ---- one of check_*.c each, in this order ---- */

void check_spf(struct sending *sending, struct sending_domain *domain);
void check_dkim(struct sending *sending, struct sending_domain *domain);
void check_dmarc(struct sending *sending, struct sending_domain *domain);
void check_mx(struct sending *sending, struct sending_domain *domain);
void check_dane(struct sending *sending, struct sending_domain *domain);
void check_sts(struct sending *sending, struct sending_domain *domain);
void check_tlsrpt(struct sending *sending, struct sending_domain *domain);
void check_dnssec(struct sending *sending, struct sending_domain *domain);

/* ---- for them ---- */

/* "NAME from EDGE ADDRESS" */
#define SENDING_SUBJECT_MAX (DNS_NAME_MAX + SOCKADDR_TEXT_MAX + 80)
void sending_print_subject(char out[SENDING_SUBJECT_MAX], const char *name,
			   const struct sending_address *address);
/* A TXT record in the form of a zone file, its strings of at most 255 bytes. */
#define SENDING_RECORD_MAX 1900
void sending_print_txt(char out[SENDING_RECORD_MAX], const char *name, const char *text);
/* The SPF records of an answer, whose texts they stay; to be freed. NULL: no memory, and the list says that it is incomplete. */
char **sending_find_spf(struct sending *sending, const struct dns_answer *answer, size_t *count_out);
/* Says to publish the SPF record that spf_mend.h composes of the records of this name and the addresses. */
void sending_mend_spf(struct finding *finding, const char *name, char *const *texts,
		      size_t text_count, const struct sockaddr_storage *addresses,
		      size_t address_count);
/* UNKNOWN, with what came in the place of an answer. */
void sending_add_unknown(struct sending *sending, const char *id, const char *subject,
			 const struct dns_answer *answer);

#endif
