/* A DMARC record (RFC 9989 4.7 and 4.8). Pure. */
#ifndef DMARC_RECORD_H
#define DMARC_RECORD_H

#include <stdbool.h>
#include <stddef.h>

enum dmarc_policy { DMARC_ABSENT, DMARC_NONE, DMARC_QUARANTINE, DMARC_REJECT, DMARC_INVALID };

#define DMARC_RUA_MAX 1000

struct dmarc_record {
	enum dmarc_policy policy, subdomains, missing_subdomains; /* p, sp, np */
	bool is_dkim_strict, is_spf_strict;			  /* adkim=s, aspf=s */
	bool is_testing;					  /* t=y */
	char psd;						  /* 'y', 'n', 'u' */
	char rua[DMARC_RUA_MAX + 1];				  /* as it stands there; "": none */
	bool has_removed; /* pct, rf or ri, which RFC 9989 does not know any more */
};

/* Does it begin with v=DMARC1? Others are not looked at. */
bool dmarc_record_is_one(const char *text);
/*
 * Fills *record; text must be one. What is wrong behind the version is ignored, as receivers do it:
 * `complaint` then says what (one clause), or is "".
 */
void dmarc_record_parse(struct dmarc_record *record, const char *text, char *complaint,
			size_t size);
/* "none", "quarantine", ... */
const char *dmarc_policy_name(enum dmarc_policy policy);
/*
 * The next mailto: address of a list of URIs; moves *rua behind it. false: no more. `out` has the
 * address without "mailto:" and what is behind "!" or "?".
 */
bool dmarc_next_mailto(const char **rua, char *out, size_t size);

#endif
