/*
 * domain-dkim: the key that signs mail of the domain (dkim_signer.h) against the record under which
 * receivers look for it (RFC 6376 3.6).
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "dkim_key.h"
#include "sending.h"

struct dkim_view {
	struct sending *sending;
	struct sending_domain *domain;
	const struct dkim_signer *signer;
	char signing_domain[DNS_NAME_MAX + 1]; /* d= */
	char record_name[DKIM_SELECTOR_MAX + DNS_NAME_MAX + 16]; /* SELECTOR._domainkey.d */
	char path[DKIM_PATH_MAX + 1];
	char subject[DNS_NAME_MAX + DKIM_SELECTOR_MAX + 16];
	struct dkim_key key; /* none: it could not be read, key_error says why */
	char key_error[DKIM_PATH_MAX + 300];
};

static struct finding *add(const struct dkim_view *view, enum finding_result result,
			   const char *seen)
{
	return finding_add(view->sending->list, "domain-dkim", view->subject, result, "%s", seen);
}

/* What is to be published, if the key can be read. */
static void add_mend(const struct dkim_view *view, struct finding *finding)
{
	char text[DKIM_KEY_TEXT_MAX], record[SENDING_RECORD_MAX];

	if (view->key.key == NULL || !dkim_key_print_record(&view->key, text)) {
		finding_mend(finding, "publish the public key of %s at %s", view->path,
			     view->record_name);
		return;
	}
	sending_print_txt(record, view->record_name, text);
	finding_mend(finding, "publish:\n%s", record);
}

static enum sending_truth fail(const struct dkim_view *view, const char *seen)
{
	add_mend(view, add(view, FINDING_FAIL, seen));
	return SENDING_NO;
}

static void add_short(const struct dkim_view *view, enum finding_result result, unsigned bits,
		      const char *means)
{
	finding_mend(finding_add(view->sending->list, "domain-dkim", view->subject, result,
				 "the key has only %u bits: %s (RFC 8301)", bits, means),
		     "make a new key under another selector: opendkim-genkey -b 2048 -d %s -s NEW-SELECTOR",
		     view->signing_domain);
}

/* A record that receivers can use. */
static enum sending_truth judge_keys(const struct dkim_view *view, const struct dkim_record *record)
{
	char seen[FINDING_TEXT_MAX];

	if (view->key.key == NULL) {
		finding_mend(add(view, FINDING_UNKNOWN, view->key_error), "is the path in %s right?",
			     view->signer->from);
		return SENDING_UNKNOWN;
	}
	if (!dkim_key_is_same(&view->key, &record->key)) {
		snprintf(
			seen, sizeof(seen),
			"the record holds another key than %.1000s, which signs: every signature fails",
			view->path);
		return fail(view, seen);
	}
	if (record->key.is_rsa && record->key.bits < DKIM_RSA_BITS_MIN) {
		add_short(view, FINDING_FAIL, record->key.bits, "receivers do not accept it");
		return SENDING_NO;
	}
	if (record->is_testing) {
		add_mend(view, add(view, FINDING_WARN,
				   "the record says t=y: receivers treat the mail as if it were not signed"));
		return SENDING_YES;
	}
	if (record->key.is_rsa && record->key.bits < DKIM_RSA_BITS_GOOD) {
		add_short(view, FINDING_WARN, record->key.bits, "2048 are wanted");
		return SENDING_YES;
	}
	snprintf(seen, sizeof(seen), "%s of %u bits, the key of %.1000s",
		 record->key.is_rsa ? "RSA" : "Ed25519", record->key.bits, view->path);
	add(view, FINDING_OK, seen);
	return SENDING_YES;
}

static enum sending_truth judge_record(const struct dkim_view *view, const char *text)
{
	struct dkim_record record;
	char error[300], seen[FINDING_TEXT_MAX];
	enum sending_truth truth;

	if (dkim_record_parse(&record, text, error, sizeof(error)) != 0) {
		snprintf(seen, sizeof(seen), "%s: no receiver can use the record", error);
		return fail(view, seen);
	}
	if (record.is_revoked)
		truth = fail(view, "the record has an empty \"p\": the key is revoked");
	else
		truth = judge_keys(view, &record);
	dkim_record_wipe(&record);
	return truth;
}

static enum sending_truth judge_answer(const struct dkim_view *view,
				       const struct dns_answer *answer)
{
	char seen[FINDING_TEXT_MAX];

	if (answer->result == DNS_ERROR) {
		sending_add_unknown(view->sending, "domain-dkim", view->subject, answer);
		return SENDING_UNKNOWN;
	}
	if (answer->result != DNS_FOUND) {
		snprintf(seen, sizeof(seen), "there is no record at %s: every signature fails",
			 view->record_name);
		return fail(view, seen);
	}
	if (answer->count > 1) {
		snprintf(
			seen, sizeof(seen),
			"there are %zu records at %s, and receivers take any of them (RFC 6376 3.6.2.2)",
			answer->count, view->record_name);
		return fail(view, seen);
	}
	return judge_record(view, answer->txt[0]);
}

static enum sending_truth check_signer(struct dkim_view *view)
{
	enum sending_truth truth;
	struct dns_answer answer;

	dkim_signer_expand(view->signing_domain, sizeof(view->signing_domain), view->signer->domain,
			   view->domain->name);
	dkim_signer_expand(view->path, sizeof(view->path), view->signer->path, view->domain->name);
	snprintf(view->record_name, sizeof(view->record_name), "%s._domainkey.%s",
		 view->signer->selector, view->signing_domain);
	snprintf(view->subject, sizeof(view->subject), "%s, selector %s", view->domain->name,
		 view->signer->selector);
	dkim_key_read(&view->key, view->path, view->key_error, sizeof(view->key_error));
	lookup_ask(view->sending->dns, view->record_name, DNS_TYPE_TXT, &answer);
	truth = judge_answer(view, &answer);
	dns_answer_wipe(&answer);
	dkim_key_wipe(&view->key);
	return truth;
}

/* A rule for everybody (rspamd's) signs where there is a key. */
static bool is_used(const struct dkim_signer *signer, const char *domain, bool has_own)
{
	char path[DKIM_PATH_MAX + 1];

	if (strcmp(signer->domain, "%") != 0 || strcmp(signer->pattern, "*@*") != 0)
		return true;
	dkim_signer_expand(path, sizeof(path), signer->path, domain);
	return !has_own && access(path, F_OK) == 0;
}

static void add_without_signer(struct sending *sending, struct sending_domain *domain)
{
	const struct dkim_signers *signers = sending->signers;

	if (signers->reason[0] != '\0') {
		finding_add(sending->list, "domain-dkim", domain->name, FINDING_UNKNOWN, "%s",
			    signers->reason);
		return;
	}
	domain->has_dkim = SENDING_NO;
	finding_mend(
		finding_add(sending->list, "domain-dkim", domain->name, FINDING_WARN, "%s",
			    signers->is_found
				    ? "no key signs mail of this domain"
				    : "neither OpenDKIM nor rspamd signs mail on this host"),
		"opendkim-genkey -b 2048 -d %s -s SELECTOR, publish SELECTOR.txt, and name the key in opendkim.conf",
		domain->name);
}

void check_dkim(struct sending *sending, struct sending_domain *domain)
{
	const struct dkim_signer *signer;
	size_t index = 0, count = 0;

	if (sending->signers == NULL)
		return;
	while ((signer = dkim_signers_find(sending->signers, domain->name, &index)) != NULL) {
		struct dkim_view view = { .sending = sending, .domain = domain, .signer = signer };
		enum sending_truth truth;

		if (!is_used(signer, domain->name, count > 0))
			continue;
		truth = check_signer(&view);
		/* One that works is enough for DMARC, one that is aligned best. */
		if (count++ == 0 || (truth == SENDING_YES &&
				     (domain->has_dkim != SENDING_YES ||
				      strcasecmp(view.signing_domain, domain->name) == 0))) {
			domain->has_dkim = truth;
			snprintf(domain->dkim_domain, sizeof(domain->dkim_domain), "%s",
				 view.signing_domain);
		}
	}
	if (count == 0)
		add_without_signer(sending, domain);
}
