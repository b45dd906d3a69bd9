/* domain-tlsrpt: the address to which others report TLS failures of mail to the domain (RFC 8460
 * 3). Having none is no fault. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/tlsrpt_record.h"
#include "sending.h"

static bool has_record(const struct dns_answer *answer)
{
	for (size_t i = 0; i < answer->count; i++)
		if (strncmp(answer->txt[i], "v=TLSRPTv1", 10) == 0)
			return true;
	return false;
}

void check_tlsrpt(struct sending *sending, struct sending_domain *domain)
{
	char name[DNS_NAME_MAX + 16], rua[TLSRPT_RUA_MAX + 1],
		reason[200] = "", text[DNS_NAME_MAX + 64], record[SENDING_RECORD_MAX];
	struct finding_list *list = sending->list;
	struct dns_answer answer;

	snprintf(name, sizeof(name), "_smtp._tls.%.240s", domain->name);
	snprintf(text, sizeof(text), "v=TLSRPTv1; rua=mailto:postmaster@%.255s", domain->name);
	sending_print_txt(record, name, text);
	lookup_ask(sending->dns, name, DNS_TYPE_TXT, &answer);
	if (answer.result == DNS_ERROR)
		sending_add_unknown(sending, "domain-tlsrpt", domain->name, &answer);
	else if (tlsrpt_record_parse(answer.txt, answer.count, rua, reason, sizeof(reason)))
		finding_add(list, "domain-tlsrpt", domain->name, FINDING_OK, "reports go to %s",
			    rua);
	else if (has_record(&answer))
		finding_mend(finding_add(list, "domain-tlsrpt", domain->name, FINDING_FAIL,
					 "nobody can use the record: %s", reason),
			     "publish this one record:\n%s", record);
	else if (domain->has_inbound_tls)
		finding_mend(
			finding_add(
				list, "domain-tlsrpt", domain->name, FINDING_WARN,
				"the domain wants TLS (DANE or MTA-STS) and would not hear of it when that fails"),
			"publish:\n%s", record);
	else
		finding_add(list, "domain-tlsrpt", domain->name, FINDING_OK,
			    "no reports are asked for");
	dns_answer_wipe(&answer);
}
