/* domain-dnssec: is the domain signed, and are its signatures right? Not being signed is no fault.
 */
#include "sending.h"

void check_dnssec(struct sending *sending, struct sending_domain *domain)
{
	struct finding_list *list = sending->list;
	struct dns_answer answer;

	lookup_ask(sending->dns, domain->name, DNS_TYPE_MX, &answer);
	if (answer.result == DNS_ERROR && answer.trust == DNS_BOGUS)
		finding_mend(
			finding_add(
				list, "domain-dnssec", domain->name, FINDING_FAIL,
				"%s: for everybody who checks signatures the domain does not exist",
				answer.error),
			"sign the zone anew with the keys of the DS record, or take the DS record at the parent away");
	else if (answer.result == DNS_ERROR)
		sending_add_unknown(sending, "domain-dnssec", domain->name, &answer);
	else if (answer.trust == DNS_SECURE)
		finding_add(list, "domain-dnssec", domain->name, FINDING_OK,
			    "signed, and the signatures are right");
	else if (sending->validation == SENDING_VALIDATES)
		finding_add(list, "domain-dnssec", domain->name, FINDING_OK,
			    "not signed: its MX hosts can have no DANE");
	else
		finding_add(list, "domain-dnssec", domain->name, FINDING_UNKNOWN,
			    "this host's resolver does not check signatures");
	dns_answer_wipe(&answer);
}
