/*
 * Which keys sign this host's mail: what OpenDKIM's and rspamd's configuration says. Read-only, and
 * no more of their languages than is needed for that; what is beyond it (keys in LDAP or SQL, Lua)
 * is told as a reason why nobody can know.
 */
#ifndef DKIM_SIGNER_H
#define DKIM_SIGNER_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/smtp_limits.h"

#define DKIM_SELECTOR_MAX 255
#define DKIM_PATH_MAX 1023
#define DKIM_SIGNERS_MAX 1000

struct dkim_signer {
	char pattern[SMTP_DOMAIN_MAX +
		     66]; /* whom it signs for: "*@example.com", as fnmatch(3); "*": everybody */
	char domain[SMTP_DOMAIN_MAX + 1]; /* d=; "%": the domain it signs for */
	char selector[DKIM_SELECTOR_MAX + 1];
	char path[DKIM_PATH_MAX + 1];  /* of the private key; "%": the domain */
	char from[DKIM_PATH_MAX + 32]; /* "/etc/opendkim/KeyTable:3" */
	/* 0: it signs beside others. Of those with a rank only the lowest of all for a domain signs. */
	unsigned rank;
};

struct dkim_signers {
	struct dkim_signer *items;
	size_t count;
	bool is_found;	  /* there is a configuration of a signer */
	char reason[500]; /* why there may be more signers than these: "/etc/opendkim.conf: ...";
			     "": there are not */
};

/* root: before each path, "" but in tests. Always fills *signers. */
void dkim_signers_read(struct dkim_signers *signers, const char *root);
void dkim_signers_wipe(struct dkim_signers *signers);
/* A signer for mail whose From is in this domain, from the one with this index on; NULL: there is
 * none. */
const struct dkim_signer *dkim_signers_find(const struct dkim_signers *signers, const char *domain,
					    size_t *index);
/* text with each "%" replaced by the domain. */
void dkim_signer_expand(char *out, size_t size, const char *text, const char *domain);

/* ---- for those that read a configuration ---- */

/* Adds it, and returns it until the next one; NULL: too long, or one of too many, which it has given up for. */
struct dkim_signer *dkim_signers_add(struct dkim_signers *signers, const char *pattern, const char *domain,
				     const char *selector, const char *path, const char *from);
/* The first reason counts. */
void dkim_signers_give_up(struct dkim_signers *signers, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
#define DKIM_OPENDKIM_CONF "/etc/opendkim.conf"
#define DKIM_RSPAMD_CONF "/etc/rspamd/local.d/dkim_signing.conf"
#define DKIM_FILE_BYTES_MAX (1024 * 1024)
/* The text of that file, which may be cut up. */
typedef void dkim_signers_parse_fn(struct dkim_signers *signers, char *text, const char *root);
dkim_signers_parse_fn dkim_signers_parse_opendkim, dkim_signers_parse_rspamd;

#endif
