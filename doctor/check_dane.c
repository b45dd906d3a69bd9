/*
 * domain-dane: TLSA records of the domain's own MX hosts (RFC 7672). Records that are not signed
 * protect nobody; a zone whose signatures are wrong keeps mail out, for senders with DANE then
 * defer. Whether the record fits the host's certificate is not looked at here.
 */
#include <stdio.h>
#include <string.h>

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

static void judge_records(struct sending *sending, struct sending_domain *domain,
			  const char *subject, const char *host, const struct dns_answer *answer)
{
	struct finding_list *list = sending->list;

	if (answer->trust == DNS_SECURE && is_usable(answer)) {
		domain->has_inbound_tls = true;
		finding_add(list, "domain-dane", subject, FINDING_OK, "%zu TLSA record%s, signed",
			    answer->count, answer->count > 1 ? "s" : "");
	} else if (answer->trust == DNS_SECURE) {
		finding_mend(
			finding_add(
				list, "domain-dane", subject, FINDING_FAIL,
				"no TLSA record has usage 2 or 3, the only ones for SMTP (RFC 7672 3.1)"),
			"publish one with usage 3:\n_25._tcp.%s. IN TLSA 3 1 1 SHA-256-OF-THE-KEY",
			host);
	} else if (sending->validation == SENDING_VALIDATES) {
		finding_mend(
			finding_add(
				list, "domain-dane", subject, FINDING_FAIL,
				"there are TLSA records, but they are not signed: no sender uses them"),
			MEND_SIGN, host);
	} else {
		finding_add(
			list, "domain-dane", subject, FINDING_UNKNOWN,
			"there are TLSA records; this host's resolver does not say whether they are signed");
	}
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
