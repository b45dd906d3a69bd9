/*
 * domain-hello-spf: mail without an envelope sender, which bounces are, is judged by the SPF record
 * of the name in EHLO (RFC 7208 2.4). A record at the domain above it does not count: SPF is not
 * inherited.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sending.h"
#include "spf_check.h"

static void judge(struct sending *sending, const struct sending_address *address,
		  const char *subject)
{
	struct spf_question question = { .address = address->address, .hello = address->hello };
	char **texts;
	struct sockaddr_storage all[SENDING_ADDRESSES_MAX];
	size_t count = 0, text_count;
	struct dns_answer answer;
	struct spf_verdict verdict;
	enum finding_result result;
	struct finding *finding;

	spf_check(sending->dns, &question, &verdict);
	if (verdict.result == SPF_PASS || verdict.result == SPF_TEMPERROR) {
		finding_add(sending->list, "domain-hello-spf", subject,
			    verdict.result == SPF_PASS ? FINDING_OK : FINDING_UNKNOWN, "%s%s",
			    verdict.result == SPF_PASS ? "pass by " : "",
			    verdict.result == SPF_PASS ? verdict.term : verdict.problem);
		return;
	}
	result = verdict.result == SPF_NONE || verdict.result == SPF_NEUTRAL ? FINDING_WARN
									     : FINDING_FAIL;
	finding = finding_add(sending->list, "domain-hello-spf", subject, result,
			      "%s: bounces are judged by this name, and SPF is not inherited%s%s",
			      verdict.result == SPF_NONE
				      ? "there is no SPF record at the name in EHLO"
				      : spf_result_name(verdict.result),
			      verdict.term[0] != '\0' ? "; by " : "", verdict.term);
	for (size_t i = 0; i < sending->address_count; i++)
		if (strcmp(sending->addresses[i].hello, address->hello) == 0)
			all[count++] = sending->addresses[i].address;
	lookup_ask(sending->dns, address->hello, DNS_TYPE_TXT, &answer);
	texts = sending_find_spf(sending, &answer, &text_count);
	if (texts != NULL)
		sending_mend_spf(finding, address->hello, texts, text_count, all, count);
	free(texts);
	dns_answer_wipe(&answer);
}

void check_hello_spf(struct sending *sending)
{
	for (size_t i = 0; i < sending->address_count; i++) {
		const struct sending_address *address = &sending->addresses[i];
		char subject[SENDING_SUBJECT_MAX];

		if (address->hello[0] == '\0')
			continue;
		sending_print_subject(subject, address->hello, address);
		judge(sending, address, subject);
	}
}
