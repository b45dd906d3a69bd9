/*
 * Certificate chains as a mail server has them in PEM files, and whether a sender with DANE (RFC 7672)
 * would accept them.
 */
#ifndef SERVED_CHAIN_H
#define SERVED_CHAIN_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "dns/dns_lookup.h"

/* Postfix takes one for each kind of key. */
#define SERVED_CHAINS_MAX 8

struct x509_st; /* X509 */
struct stack_st_X509;
struct served_chain {
	char path[PATH_MAX];	       /* the file with the server's own certificate */
	struct x509_st *leaf;	       /* that certificate */
	struct stack_st_X509 *issuers; /* those that are sent with it; not NULL */
};

/* All zero is none. */
struct served_chains {
	struct served_chain items[SERVED_CHAINS_MAX];
	size_t count;
	bool has_key; /* a private key was read, and its certificate is to come */
};

enum served_chain_file {
	SERVED_CHAIN_FILE,   /* smtpd_tls_cert_file: one chain, with or without its key */
	SERVED_CHAINS_FILE,  /* of smtpd_tls_chain_files: each chain behind its key, which may be in the file before */
};
/* Adds those of a file. 0, or -1 with "PATH: reason". */
int served_chains_add(struct served_chains *chains, const char *path, enum served_chain_file kind, char *error,
		      size_t error_size);
/*
 * A chain that is the certificate alone gets the issuers that are found in this file or directory of authorities ("": none), as
 * OpenSSL does it for a server.
 */
void served_chains_complete(struct served_chains *chains, const char *file, const char *directory);
void served_chains_wipe(struct served_chains *chains);

/*
 * Would it be accepted from this MX host of this domain by these TLSA records? OpenSSL decides (RFC 7671 by its own DANE code).
 * false with the reason.
 */
bool served_chain_fits(const struct served_chain *chain, const char *host, const char *domain, const struct dns_tlsa *tlsa,
		       size_t count, char *reason, size_t size);
/* "3 1 1 HEX", the record for this certificate (RFC 7672 3.1.1); "" if it cannot be computed. */
#define SERVED_CHAIN_RECORD_MAX 80
void served_chain_print_record(const struct served_chain *chain, char out[SERVED_CHAIN_RECORD_MAX]);

#endif
