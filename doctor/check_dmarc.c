/*
 * domain-dmarc, domain-alignment: the DMARC record that holds for the domain (RFC 9989), whether
 * reports of it can arrive, and whether what passes SPF and DKIM is the domain of From.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "dmarc_walk.h"
#include "sending.h"

static void mend_with_new(struct finding *finding, const char *domain)
{
	char name[DNS_NAME_MAX + 16], text[DNS_NAME_MAX + 64], record[SENDING_RECORD_MAX];

	snprintf(name, sizeof(name), "_dmarc.%.255s", domain);
	snprintf(text, sizeof(text), "v=DMARC1; p=none; rua=mailto:postmaster@%.255s", domain);
	sending_print_txt(record, name, text);
	finding_mend(
		finding,
		"publish, and make it p=quarantine or p=reject when the reports show that all is well:\n%s",
		record);
}

/* RFC 9990 4: another domain must agree to get the reports. SENDING_NO: it does not. */
static enum sending_truth is_allowed(struct sending *sending, const struct dmarc_walk *walk,
				     const char *host)
{
	char name[2 * DNS_NAME_MAX + 32];
	enum sending_truth truth = SENDING_NO;
	struct dns_answer answer;
	struct dmarc_walk other;

	dmarc_walk(sending->dns, host, &other);
	if (strcasecmp(other.organizational_domain, walk->organizational_domain) == 0)
		return SENDING_YES;
	snprintf(name, sizeof(name), "%s._report._dmarc.%s", walk->policy_domain, host);
	lookup_ask(sending->dns, name, DNS_TYPE_TXT, &answer);
	if (answer.result == DNS_ERROR || other.found == DMARC_UNKNOWN)
		truth = SENDING_UNKNOWN;
	for (size_t i = 0; i < answer.count; i++)
		if (dmarc_record_is_one(answer.txt[i]))
			truth = SENDING_YES;
	dns_answer_wipe(&answer);
	return truth;
}

/* true: there is something to say about it. */
static bool judge_reports(struct sending *sending, const char *domain,
			  const struct dmarc_walk *walk)
{
	const char *rua = walk->record.rua;
	char address[512];

	while (dmarc_next_mailto(&rua, address, sizeof(address))) {
		const char *host = strchr(address, '@');

		if (host == NULL || host[1] == '\0') {
			finding_mend(finding_add(sending->list, "domain-dmarc", domain,
						 FINDING_WARN, "rua: \"%s\" is no address",
						 address),
				     "write it as rua=mailto:USER@DOMAIN");
			return true;
		}
		if (is_allowed(sending, walk, host + 1) != SENDING_NO)
			continue;
		finding_mend(finding_add(sending->list, "domain-dmarc", domain, FINDING_WARN,
					 "no reports go to %s: %s does not agree to get them",
					 address, host + 1),
			     "publish there:\n%s._report._dmarc.%s. IN TXT \"v=DMARC1\"",
			     walk->policy_domain, host + 1);
		return true;
	}
	return false;
}

static void judge_record(struct sending *sending, const char *domain, const struct dmarc_walk *walk)
{
	struct finding_list *list = sending->list;

	if (walk->policy == DMARC_INVALID ||
	    (walk->complaint[0] != '\0' && walk->record.policy == DMARC_ABSENT)) {
		finding_mend(
			finding_add(list, "domain-dmarc", domain, FINDING_FAIL,
				    "the record at _dmarc.%s: %s", walk->policy_domain,
				    walk->complaint),
			"the policy is one of p=none, p=quarantine and p=reject, the first tag is v=DMARC1, and \";\" stands between tags");
	} else if (walk->complaint[0] != '\0') {
		finding_mend(finding_add(list, "domain-dmarc", domain, FINDING_WARN,
					 "the record at _dmarc.%s: %s, which is ignored",
					 walk->policy_domain, walk->complaint),
			     "mend this tag, or take it out");
	} else if (!judge_reports(sending, domain, walk)) {
		finding_add(list, "domain-dmarc", domain, FINDING_OK,
			    "policy %s at _dmarc.%s%s%s%s", dmarc_policy_name(walk->policy),
			    walk->policy_domain, walk->record.is_testing ? ", as a test" : "",
			    walk->record.rua[0] == '\0' ? "; no reports are asked for" : "",
			    walk->record.has_removed ? "; pct, rf and ri have no meaning any more"
						     : "");
	}
}

static void judge_walk(struct sending *sending, const char *domain, const struct dmarc_walk *walk)
{
	if (walk->found == DMARC_UNKNOWN) {
		finding_add(sending->list, "domain-dmarc", domain, FINDING_UNKNOWN, "%s",
			    walk->error);
	} else if (walk->several[0] != '\0') {
		finding_mend(
			finding_add(
				sending->list, "domain-dmarc", domain, FINDING_FAIL,
				"there is more than one DMARC record at _dmarc.%s: none of them counts",
				walk->several),
			"leave one of them");
	} else if (walk->found == DMARC_NOT_FOUND) {
		mend_with_new(
			finding_add(
				sending->list, "domain-dmarc", domain, FINDING_FAIL,
				"there is no DMARC record: large receivers want one, and anybody can use the domain"),
			domain);
	} else {
		judge_record(sending, domain, walk);
	}
}

/* 4.4: the same domain, or with relaxed alignment the same organizational domain. */
static enum sending_truth is_aligned(struct sending *sending, const struct dmarc_walk *walk,
				     const char *domain, const char *other, bool is_strict)
{
	struct dmarc_walk walk_of_other;

	if (strcasecmp(domain, other) == 0)
		return SENDING_YES;
	if (is_strict)
		return SENDING_NO;
	dmarc_walk(sending->dns, other, &walk_of_other);
	if (walk_of_other.found == DMARC_UNKNOWN)
		return SENDING_UNKNOWN;
	return strcasecmp(walk->organizational_domain, walk_of_other.organizational_domain) == 0
		       ? SENDING_YES
		       : SENDING_NO;
}

static enum sending_truth both(enum sending_truth left, enum sending_truth right)
{
	if (left == SENDING_NO || right == SENDING_NO)
		return SENDING_NO;
	return left == SENDING_YES && right == SENDING_YES ? SENDING_YES : SENDING_UNKNOWN;
}

static void describe(char *out, size_t size, const char *what, enum sending_truth passes,
		     enum sending_truth aligned, const char *by)
{
	if (passes == SENDING_NO)
		snprintf(out, size, "%s does not pass", what);
	else if (aligned == SENDING_NO)
		snprintf(out, size, "%s is for %.255s", what, by);
	else if (passes == SENDING_UNKNOWN || aligned == SENDING_UNKNOWN)
		snprintf(out, size, "%s is not known", what);
	else
		snprintf(out, size, "%s passes", what);
}

static void judge_alignment(struct sending *sending, const struct sending_domain *domain,
			    const struct dmarc_walk *walk)
{
	enum sending_truth spf_aligned, dkim_aligned, spf, dkim;
	char spf_text[DNS_NAME_MAX + 64], dkim_text[DNS_NAME_MAX + 64];
	enum finding_result result;
	struct finding *finding;

	spf_aligned = is_aligned(sending, walk, domain->name, domain->envelope,
				 walk->record.is_spf_strict);
	dkim_aligned = domain->dkim_domain[0] == '\0'
			       ? SENDING_YES
			       : is_aligned(sending, walk, domain->name, domain->dkim_domain,
					    walk->record.is_dkim_strict);
	spf = both(domain->has_spf, spf_aligned);
	dkim = both(domain->has_dkim, dkim_aligned);
	describe(spf_text, sizeof(spf_text), "SPF", domain->has_spf, spf_aligned, domain->envelope);
	describe(dkim_text, sizeof(dkim_text), "DKIM", domain->has_dkim, dkim_aligned,
		 domain->dkim_domain);
	if (spf == SENDING_YES && dkim == SENDING_YES)
		result = FINDING_OK;
	else if (spf == SENDING_NO && dkim == SENDING_NO)
		result = walk->found == DMARC_FOUND ? FINDING_FAIL : FINDING_WARN;
	else if (spf == SENDING_NO || dkim == SENDING_NO)
		result = spf == SENDING_YES || dkim == SENDING_YES ? FINDING_WARN : FINDING_UNKNOWN;
	else
		result = FINDING_UNKNOWN;
	finding = finding_add(
		sending->list, "domain-alignment", domain->name, result, "%s, %s%s", spf_text,
		dkim_text,
		result == FINDING_FAIL
			? ": DMARC fails, and the domain's policy is applied to its own mail"
		: result == FINDING_WARN && walk->found == DMARC_FOUND
			? ": DMARC hangs on one of the two"
			: "");
	if (dkim_aligned == SENDING_NO)
		finding_mend(finding, "sign mail of %s with d=%s%s", domain->name, domain->name,
			     walk->record.is_dkim_strict ? ", or publish adkim=r" : "");
	else if (spf_aligned == SENDING_NO)
		finding_mend(finding, "let envelope senders be in %s%s", domain->name,
			     walk->record.is_spf_strict ? ", or publish aspf=r" : "");
	else if (result == FINDING_FAIL || result == FINDING_WARN)
		finding_mend(finding,
			     "mend what domain-spf, domain-spf-covers or domain-dkim says");
}

void check_dmarc(struct sending *sending, struct sending_domain *domain)
{
	struct dmarc_walk walk;

	dmarc_walk(sending->dns, domain->name, &walk);
	judge_walk(sending, domain->name, &walk);
	if (walk.found == DMARC_UNKNOWN)
		finding_add(sending->list, "domain-alignment", domain->name, FINDING_UNKNOWN, "%s",
			    walk.error);
	else
		judge_alignment(sending, domain, &walk);
}
