/*
 * domain-dane: TLSA records of the domain's own MX hosts (RFC 7672). Records that are not signed
 * protect nobody; a zone whose signatures are wrong keeps mail out, for senders with DANE then
 * defer. So they do if the certificate does not fit: of an MX that is this host, Postfix's
 * certificates are compared with the records.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "sending.h"

#define MEND_SIGN "have the zone of %s signed, and a DS record at its parent"

/* Usages 0 and 1 are not for SMTP (RFC 7672 3.1.3). */
static bool is_usable(const struct dns_answer *answer)
{
	for (size_t i = 0; i < answer->count; i++)
		if (answer->tlsa[i].usage == 2 || answer->tlsa[i].usage == 3)
			return true;
	return false;
}

/* All is well; `more` is what else there is to say: "; ...". */
static void tell_signed(struct sending *sending, const char *subject, const struct dns_answer *answer,
			const char *more)
{
	finding_add(sending->list, "domain-dane", subject, FINDING_OK, "%zu TLSA record%s, signed%s",
		    answer->count, answer->count > 1 ? "s" : "", more);
}

/* ---- an MX that is this host ---- */

static bool is_own(struct sending *sending, const char *host)
{
	static const enum dns_type types[] = { DNS_TYPE_A, DNS_TYPE_AAAA };
	const struct own_mx *own = sending->own;
	bool found = own != NULL && own->is_there && strcasecmp(own->name, host) == 0;

	for (size_t i = 0; i < 2 && own != NULL && own->is_there && !found; i++) {
		struct dns_answer answer;

		lookup_ask(sending->dns, host, types[i], &answer);
		for (size_t j = 0; j < answer.count && !found; j++)
			found = own_mx_has_address(own, &answer.addresses[j]);
		dns_answer_wipe(&answer);
	}
	return found;
}

/* A sender takes the chain for which it has an algorithm: each of them must fit. */
static void judge_chains(struct sending *sending, const struct sending_domain *domain,
			 const char *subject, const char *host, const struct dns_answer *answer)
{
	const struct served_chains *chains = &sending->own->chains;
	char reason[200], record[SERVED_CHAIN_RECORD_MAX];

	for (size_t i = 0; i < chains->count; i++) {
		const struct served_chain *chain = &chains->items[i];

		if (served_chain_fits(chain, host, domain->name, answer->tlsa, answer->count,
				      reason, sizeof(reason)))
			continue;
		served_chain_print_record(chain, record);
		finding_mend(
			finding_add(sending->list, "domain-dane", subject, FINDING_FAIL,
				    "no TLSA record fits Postfix's certificate in %s (%s): senders with DANE deliver nothing to this host",
				    chain->path, reason),
			"publish the record of this certificate, and take those away that fit none:\n"
			"_25._tcp.%s. IN TLSA %s",
			host, record);
		return;
	}
	tell_signed(sending, subject, answer,
		    chains->count > 1 ? "; Postfix's certificates fit" : "; Postfix's certificate fits");
}

static void judge_own(struct sending *sending, const struct sending_domain *domain,
		      const char *subject, const char *host, const struct dns_answer *answer)
{
	struct finding_list *list = sending->list;
	const struct own_mx *own = sending->own;

	if (!own->has_tls)
		finding_mend(
			finding_add(
				list, "domain-dane", subject, FINDING_FAIL,
				"there are TLSA records, but Postfix offers no TLS on port 25: senders with DANE deliver nothing to this host"),
			"postconf -e smtpd_tls_security_level=may; postfix reload");
	else if (own->has_more_chains)
		tell_signed(sending, subject, answer,
			    "; which certificate tls_server_sni_maps chooses is not looked at");
	else if (own->error[0] != '\0')
		finding_add(list, "domain-dane", subject, FINDING_UNKNOWN,
			    "whether the TLSA records fit Postfix's certificate cannot be seen: %s", own->error);
	else if (own->chains.count == 0)
		finding_mend(
			finding_add(
				list, "domain-dane", subject, FINDING_FAIL,
				"there are TLSA records, but Postfix has no certificate: senders with DANE deliver nothing to this host"),
			"postconf -e \"smtpd_tls_chain_files = FILE\", a file with a private key and its certificate behind it; postfix reload");
	else
		judge_chains(sending, domain, subject, host, answer);
}

/* ---- records ---- */

static void judge_secure(struct sending *sending, struct sending_domain *domain,
			 const char *subject, const char *host, const struct dns_answer *answer)
{
	if (!is_usable(answer)) {
		finding_mend(
			finding_add(
				sending->list, "domain-dane", subject, FINDING_FAIL,
				"no TLSA record has usage 2 or 3, the only ones for SMTP (RFC 7672 3.1)"),
			"publish one with usage 3:\n_25._tcp.%s. IN TLSA 3 1 1 SHA-256-OF-THE-KEY",
			host);
		return;
	}
	domain->has_inbound_tls = true;
	if (is_own(sending, host))
		judge_own(sending, domain, subject, host, answer);
	else
		tell_signed(sending, subject, answer, "");
}

static void judge_records(struct sending *sending, struct sending_domain *domain,
			  const char *subject, const char *host, const struct dns_answer *answer)
{
	struct finding_list *list = sending->list;

	if (answer->trust == DNS_SECURE)
		judge_secure(sending, domain, subject, host, answer);
	else if (sending->validation == SENDING_VALIDATES)
		finding_mend(
			finding_add(
				list, "domain-dane", subject, FINDING_FAIL,
				"there are TLSA records, but they are not signed: no sender uses them"),
			MEND_SIGN, host);
	else
		finding_add(
			list, "domain-dane", subject, FINDING_UNKNOWN,
			"there are TLSA records; this host's resolver does not say whether they are signed");
}

static void judge_host(struct sending *sending, struct sending_domain *domain, const char *host)
{
	char name[DNS_NAME_MAX + 16], subject[2 * DNS_NAME_MAX + 16];
	struct dns_answer answer;

	snprintf(name, sizeof(name), "_25._tcp.%s", host);
	snprintf(subject, sizeof(subject), "%s, MX %s", domain->name, host);
	lookup_ask(sending->dns, name, DNS_TYPE_TLSA, &answer);
	if (answer.result == DNS_ERROR && answer.trust == DNS_BOGUS)
		finding_mend(
			finding_add(sending->list, "domain-dane", subject, FINDING_FAIL,
				    "%s: senders with DANE deliver nothing to this host",
				    answer.error),
			"mend the signatures of the zone of %s, or take the DS record at its parent away",
			host);
	else if (answer.result == DNS_ERROR)
		sending_add_unknown(sending, "domain-dane", subject, &answer);
	else if (answer.result == DNS_FOUND)
		judge_records(sending, domain, subject, host, &answer);
	else
		finding_add(sending->list, "domain-dane", subject, FINDING_OK,
			    "no TLSA record; the zone is %s",
			    answer.trust == DNS_SECURE ? "signed, there could be one"
						       : "not signed, so far as is known");
	dns_answer_wipe(&answer);
}

void check_dane(struct sending *sending, struct sending_domain *domain)
{
	struct dns_answer answer;

	lookup_ask(sending->dns, domain->name, DNS_TYPE_MX, &answer);
	if (answer.result == DNS_ERROR)
		sending_add_unknown(sending, "domain-dane", domain->name, &answer);
	for (size_t i = 0; i < answer.count; i++)
		if (answer.mx[i].exchange[0] != '\0')
			judge_host(sending, domain, answer.mx[i].exchange);
	dns_answer_wipe(&answer);
}
