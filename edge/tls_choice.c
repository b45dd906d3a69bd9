/* The order of precedence between those who have a say in a connection's TLS. Pure. */
#include "tls_choice.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "lib/smtp_limits.h"

static bool is_default(const struct tls_policy *policy)
{
	return policy->line == 0;
}

/* RFC 8689 5 takes back what the recipient's domain asks for, not what our administrator does. */
static bool is_relaxed(const struct tls_policy *policy, bool tls_required_no)
{
	return tls_required_no && is_default(policy) && policy->level != TLS_NONE;
}

bool tls_choice_wants_dane(const struct tls_policy *policy, bool tls_required_no)
{
	return (policy->level == TLS_DANE || policy->level == TLS_DANE_ONLY) &&
	       !is_relaxed(policy, tls_required_no);
}

bool tls_choice_wants_sts(const struct tls_policy *policy, bool tls_required_no)
{
	if (is_relaxed(policy, tls_required_no))
		return false;
	if (is_default(policy))
		return policy->level == TLS_MAY || policy->level == TLS_ENCRYPT ||
		       policy->level == TLS_DANE;
	return policy->level == TLS_DANE;
}

static bool is_literal(const char *exchange)
{
	return exchange[0] == '[';
}

static void add_name(struct tls_terms *terms, const char *prefix, const char *name)
{
	if (terms->name_count == TLS_NAMES_MAX || is_literal(name))
		return;
	snprintf(terms->names[terms->name_count++], sizeof(terms->names[0]), "%s%s", prefix, name);
}

static void add_match(struct tls_terms *terms, const struct tls_facts *facts, const char *match)
{
	if (strcmp(match, "hostname") == 0)
		add_name(terms, "", facts->exchange);
	else if (strcmp(match, "nexthop") == 0)
		add_name(terms, "", facts->domain);
	else if (strcmp(match, "dot-nexthop") == 0)
		add_name(terms, ".", facts->domain);
	else
		add_name(terms, "", match);
}

/* Postfix's smtp_tls_verify_cert_match and smtp_tls_secure_cert_match stand in for match=. */
static void set_names(struct tls_terms *terms, const struct tls_facts *facts)
{
	const struct tls_policy *policy = facts->policy;

	terms->check = TLS_CHECK_NAMES;
	for (size_t i = 0; i < policy->match_count; i++)
		add_match(terms, facts, policy->match[i]);
	if (policy->match_count > 0)
		return;
	if (policy->level == TLS_VERIFY) {
		add_match(terms, facts, "hostname");
	} else {
		add_match(terms, facts, "nexthop");
		add_match(terms, facts, "dot-nexthop");
	}
}

/* RFC 7672 3.2.2: for usage 2, the base domain (tls_verify.c adds it) and the next-hop domain. */
static void set_dane(struct tls_terms *terms, const struct tls_facts *facts)
{
	terms->level = TLS_DANE;
	terms->label = "dane";
	terms->check = TLS_CHECK_DANE;
	terms->dane = facts->dane;
	snprintf(terms->sni, sizeof(terms->sni), "%s", facts->dane->base_domain);
	add_name(terms, "", facts->domain);
	if (facts->mx_trust != DNS_SECURE)
		terms->note = "trusted, not verified: MX record insecure";
}

static bool skip(struct delivery_status *status, struct enhanced_status code, const char *reason)
{
	delivery_status_set_local(status, STAGE_TLS, code, "%s", reason);
	return false;
}

static bool skip_failed(const struct tls_facts *facts, struct delivery_status *status)
{
	const struct dane_records *dane = facts->dane;

	delivery_status_set_local(status, STAGE_TLS,
				  dane->is_bogus ? ENHANCED_STATUS(4, 7, 0) : ENHANCED_STATUS(4, 4, 3),
				  "TLSA lookup: %s; see: delv _%d._tcp.%s TLSA", dane->reason,
				  facts->port, dane->base_domain[0] != '\0' ? dane->base_domain : facts->exchange);
	return false;
}

static bool skip_unlisted(const struct tls_facts *facts, struct delivery_status *status)
{
	delivery_status_set_local(status, STAGE_TLS, ENHANCED_STATUS(4, 7, 0),
				  "this host is not listed in the MTA-STS policy of %s; see: curl "
				  "https://mta-sts.%s/.well-known/mta-sts.txt",
				  facts->domain, facts->domain);
	return false;
}

static bool skip_dane_only(const struct tls_facts *facts, const char *reason,
			   struct delivery_status *status)
{
	char rule[300];

	if (is_default(facts->policy))
		snprintf(rule, sizeof(rule), " (tls_security_level = \"dane-only\")");
	else
		snprintf(rule, sizeof(rule), " (dane-only at %s:%zu)", facts->policy_path,
			 facts->policy->line);
	delivery_status_set_local(status, STAGE_TLS, ENHANCED_STATUS(4, 7, 5), "%s%s", reason,
				  rule);
	return false;
}

static bool apply_dane(const struct tls_facts *facts, struct tls_terms *terms,
		       struct delivery_status *status)
{
	bool is_only = facts->policy->level == TLS_DANE_ONLY;

	terms->level = TLS_MAY;
	terms->label = "may";
	if (facts->dane == NULL)
		return true;
	switch (facts->dane->state) {
	case DANE_FAILED:
		return skip_failed(facts, status);
	case DANE_USABLE:
		if (is_only && facts->mx_trust != DNS_SECURE)
			return skip_dane_only(facts, "the MX record is not secure (DNSSEC)", status);
		set_dane(terms, facts);
		return true;
	case DANE_UNUSABLE:
		if (is_only)
			return skip_dane_only(facts, "no usable TLSA record", status);
		terms->level = TLS_ENCRYPT;
		terms->label = "dane";
		terms->note = "unauthenticated: no usable TLSA record";
		return true;
	case DANE_NONE:
		if (is_only)
			return skip_dane_only(facts, "no secure TLSA record", status);
		return true;
	}
	return true;
}

static bool has_sts(const struct tls_facts *facts)
{
	return facts->sts != NULL && facts->sts->finding == STS_FOUND &&
	       facts->sts->policy.mode != STS_MODE_NONE;
}

static void set_sts(struct tls_terms *terms, const struct tls_facts *facts)
{
	terms->check = TLS_CHECK_NAMES;
	terms->name_count = 0;
	add_name(terms, "", facts->exchange);
	terms->note = "";
	terms->is_san_only = true;
}

/* RFC 8461 5. Not asked where TLSA records decide (2). */
static bool apply_sts(const struct tls_facts *facts, struct tls_terms *terms,
		      struct delivery_status *status)
{
	if (!has_sts(facts) || terms->check == TLS_CHECK_DANE)
		return true;
	if (facts->sts->policy.mode == STS_MODE_TESTING) {
		if (terms->level == TLS_MAY) {
			set_sts(terms, facts);
			terms->is_test = true;
			terms->is_unlisted = !sts_policy_allows(&facts->sts->policy, facts->exchange);
		}
		return true;
	}
	if (!sts_policy_allows(&facts->sts->policy, facts->exchange))
		return skip_unlisted(facts, status);
	set_sts(terms, facts);
	terms->level = TLS_VERIFY;
	terms->label = "sts";
	return true;
}

/* RFC 8689 4.2.1: a certificate that holds, for a name that nobody can have forged. */
static bool apply_requiretls(const struct tls_facts *facts, struct tls_terms *terms,
			     struct delivery_status *status)
{
	bool is_name_safe = facts->mx_trust == DNS_SECURE || is_literal(facts->domain) ||
			    (has_sts(facts) &&
			     sts_policy_allows(&facts->sts->policy, facts->exchange));

	if (!facts->requiretls)
		return true;
	terms->needs_requiretls = true;
	if (terms->level == TLS_NONE)
		return skip(status, ENHANCED_STATUS(5, 7, 10),
			    "REQUIRETLS was asked for, but the TLS level is none");
	if (!is_name_safe && terms->level != TLS_SECURE && terms->level != TLS_FINGERPRINT)
		return skip(status, ENHANCED_STATUS(5, 7, 10),
			    "REQUIRETLS was asked for, but the MX record is neither secure (DNSSEC) nor "
			    "confirmed by an MTA-STS policy");
	terms->is_test = terms->is_unlisted = false;
	if (terms->check != TLS_CHECK_NOTHING) {
		if (terms->level == TLS_MAY)
			terms->level = TLS_VERIFY;
		return true;
	}
	set_sts(terms, facts);
	terms->level = TLS_VERIFY;
	terms->label = "verify";
	return true;
}

/* Postfix's rule: what must not fail gets the mandatory set, what may the wider one. */
static void set_strength(const struct tls_facts *facts, struct tls_terms *terms)
{
	bool is_mandatory = terms->level > TLS_MAY;

	terms->protocols = facts->policy->protocols;
	if (terms->protocols == 0)
		terms->protocols = is_mandatory ? facts->defaults->mandatory_protocols
						: facts->defaults->protocols;
	if (facts->policy->has_ciphers)
		terms->ciphers = facts->policy->ciphers;
	else
		terms->ciphers = is_mandatory ? facts->defaults->mandatory_ciphers
					      : facts->defaults->ciphers;
}

/* A command that shows what we would see. */
static void print_reproduce(const struct tls_facts *facts, struct tls_terms *terms)
{
	char *out = terms->reproduce;
	size_t size = sizeof(terms->reproduce);

	if (terms->check == TLS_CHECK_DANE && facts->port != SMTP_PORT)
		snprintf(out, size, "posttls-finger %s-l dane -L summary \"[%s]:%d\"",
			 facts->is_wrapped ? "-w " : "", facts->exchange, facts->port);
	else if (terms->check == TLS_CHECK_DANE)
		snprintf(out, size, "posttls-finger -l dane -L summary %s", facts->domain);
	else if (terms->check == TLS_CHECK_FINGERPRINT)
		snprintf(out, size, "posttls-finger %s-l may -d sha256 \"[%s]:%d\"",
			 facts->is_wrapped ? "-w " : "", facts->exchange, facts->port);
	else if (terms->check == TLS_CHECK_NAMES)
		snprintf(out, size,
			 "openssl s_client %s-verify_return_error -verify_hostname %s -connect %s:%d",
			 facts->is_wrapped ? "" : "-starttls smtp ",
			 terms->name_count > 0 ? terms->names[0] : facts->domain, facts->exchange,
			 facts->port);
}

static void describe(const struct tls_facts *facts, struct tls_terms *terms)
{
	const struct tls_policy *policy = facts->policy;

	if (terms->needs_requiretls)
		snprintf(terms->rule, sizeof(terms->rule), "REQUIRETLS of this message");
	else if (terms->check == TLS_CHECK_DANE || (policy->level == TLS_DANE && terms->level == TLS_ENCRYPT))
		snprintf(terms->rule, sizeof(terms->rule), "DANE");
	else if (strcmp(terms->label, "sts") == 0)
		snprintf(terms->rule, sizeof(terms->rule), "MTA-STS policy of %.150s", facts->domain);
	else if (is_default(policy))
		snprintf(terms->rule, sizeof(terms->rule), "tls_security_level = \"%s\"",
			 tls_level_names[policy->level]);
	else
		snprintf(terms->rule, sizeof(terms->rule), "%s:%zu: %s", facts->policy_path,
			 policy->line, tls_level_names[policy->level]);
	print_reproduce(facts, terms);
}

static bool apply_policy(const struct tls_facts *facts, struct tls_terms *terms,
			 struct delivery_status *status)
{
	const struct tls_policy *policy = facts->policy;

	terms->level = policy->level;
	terms->label = tls_level_names[policy->level];
	switch (policy->level) {
	case TLS_NONE:
	case TLS_MAY:
	case TLS_ENCRYPT:
		return true;
	case TLS_DANE:
	case TLS_DANE_ONLY:
		return apply_dane(facts, terms, status);
	case TLS_VERIFY:
	case TLS_SECURE:
		set_names(terms, facts);
		return true;
	case TLS_FINGERPRINT:
		terms->check = TLS_CHECK_FINGERPRINT;
		memcpy(terms->fingerprints, policy->fingerprints, sizeof(terms->fingerprints));
		terms->fingerprint_count = policy->fingerprint_count;
		return true;
	}
	return true;
}

bool tls_choice(const struct tls_facts *facts, struct tls_terms *terms,
		struct delivery_status *status)
{
	bool no = facts->tls_required_no;

	memset(terms, 0, sizeof(*terms));
	terms->note = "";
	if (!is_literal(facts->exchange))
		snprintf(terms->sni, sizeof(terms->sni), "%s", facts->exchange);
	if (is_relaxed(facts->policy, no)) {
		terms->level = TLS_MAY;
		terms->label = "may";
		terms->note = "unauthenticated: TLS-Required: no";
	} else if (!apply_policy(facts, terms, status)) {
		return false;
	}
	if (tls_choice_wants_sts(facts->policy, no) && !apply_sts(facts, terms, status))
		return false;
	if (!apply_requiretls(facts, terms, status))
		return false;
	set_strength(facts, terms);
	describe(facts, terms);
	return true;
}
