/*
 * domain-mx: replies and bounces to the domain find their way; many receivers refuse mail from a
 * domain to which none can go.
 */
#include <stdio.h>
#include <string.h>

#include "sending.h"

/* SENDING_NO: neither A nor AAAA. *alias: it is a CNAME. */
static enum sending_truth has_address(struct sending *sending, const char *name, bool *alias)
{
	static const enum dns_type types[] = { DNS_TYPE_A, DNS_TYPE_AAAA };
	enum sending_truth truth = SENDING_NO;

	for (size_t i = 0; i < 2; i++) {
		struct dns_answer answer;

		lookup_ask(sending->dns, name, types[i], &answer);
		if (answer.result == DNS_FOUND)
			truth = SENDING_YES;
		else if (answer.result == DNS_ERROR && truth == SENDING_NO)
			truth = SENDING_UNKNOWN;
		if (answer.result == DNS_FOUND && alias != NULL &&
		    strcasecmp(answer.name, name) != 0)
			*alias = true;
		dns_answer_wipe(&answer);
	}
	return truth;
}

/* Something to say about one host. */
static void tell(struct sending *sending, const char *domain, enum finding_result result,
		 const char *seen, const char *host, const char *mend)
{
	finding_mend(finding_add(sending->list, "domain-mx", domain, result, "the MX host %s %s", host,
				 seen),
		     "%s", mend);
}

/* true: told. */
static bool judge_exchange(struct sending *sending, const char *domain, const char *host)
{
	char mend[DNS_NAME_MAX + 80];
	bool is_alias = false;

	switch (has_address(sending, host, &is_alias)) {
	case SENDING_UNKNOWN:
		tell(sending, domain, FINDING_UNKNOWN, "may have an address: nobody says", host, "");
		return true;
	case SENDING_NO:
		snprintf(mend, sizeof(mend),
			 "publish its address, or take the MX record away:\n%s. IN A ADDRESS", host);
		tell(sending, domain, FINDING_FAIL, "has no address", host, mend);
		return true;
	case SENDING_YES:
		break;
	}
	if (is_alias)
		tell(sending, domain, FINDING_WARN, "is an alias, which it must not be (RFC 2181 10.3)",
		     host, "name the host itself in the MX record");
	return is_alias;
}

/* Where mail to the domain is taken, is not said. */
static void tell_without(struct sending *sending, const char *domain, enum finding_result result,
			 const char *seen)
{
	finding_mend(finding_add(sending->list, "domain-mx", domain, result, "%s", seen),
		     "publish where mail to the domain is taken:\n%s. IN MX 10 mail.%s.", domain, domain);
}

static void judge_exchanges(struct sending *sending, const char *domain,
			    const struct dns_answer *answer)
{
	bool is_told = false;

	for (size_t i = 0; i < answer->count; i++) {
		if (answer->mx[i].exchange[0] == '\0') {
			tell_without(sending, domain, FINDING_WARN,
				     "a null MX: no mail can come back, and some receivers refuse such senders (RFC 7505 4.2)");
			return;
		}
		is_told |= judge_exchange(sending, domain, answer->mx[i].exchange);
	}
	if (!is_told)
		finding_add(sending->list, "domain-mx", domain, FINDING_OK, "%s%s",
			    answer->mx[0].exchange, answer->count > 1 ? " and others" : "");
}

static void judge_without_mx(struct sending *sending, const char *domain)
{
	switch (has_address(sending, domain, NULL)) {
	case SENDING_YES:
		tell_without(sending, domain, FINDING_WARN,
			     "there is no MX record; mail to the domain goes to its own address");
		return;
	case SENDING_NO:
		tell_without(sending, domain, FINDING_FAIL,
			     "there is neither an MX record nor an address: no reply or bounce can come back");
		return;
	case SENDING_UNKNOWN:
		finding_add(sending->list, "domain-mx", domain, FINDING_UNKNOWN,
			    "there is no MX record, and nobody says whether there is an address");
		return;
	}
}

void check_mx(struct sending *sending, struct sending_domain *domain)
{
	struct dns_answer answer;

	lookup_ask(sending->dns, domain->name, DNS_TYPE_MX, &answer);
	if (answer.result == DNS_ERROR)
		sending_add_unknown(sending, "domain-mx", domain->name, &answer);
	else if (answer.result == DNS_FOUND)
		judge_exchanges(sending, domain->name, &answer);
	else
		judge_without_mx(sending, domain->name);
	dns_answer_wipe(&answer);
}
