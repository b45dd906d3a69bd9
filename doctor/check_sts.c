/*
 * domain-sts: the domain's own MTA-STS policy (RFC 8461): the record that announces it, the host
 * that has it, and, where postern-sts-fetch(8) is installed, the policy itself, which must allow
 * every MX of the domain. Having none is no fault.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>

#include "lib/endpoint.h"
#include "lib/sts_policy.h"
#include "lib/sts_record.h"
#include "program.h"
#include "sending.h"

#define FETCH_TIME_LIMIT_MS 30000
/* A stranger's web server is spoken to: with nobody's rights, if we are root. */
#define FETCH_USER "nobody"
#define ADDRESSES_MAX 8

struct sts_view {
	struct sending *sending;
	struct sending_domain *domain;
	char host[DNS_NAME_MAX + 16]; /* mta-sts.DOMAIN */
	char addresses[ADDRESSES_MAX][SOCKADDR_TEXT_MAX];
	size_t address_count;
	bool is_unknown; /* of the addresses */
};

static struct finding *add(const struct sts_view *view, enum finding_result result,
			   const char *seen)
{
	return finding_add(view->sending->list, "domain-sts", view->domain->name, result, "%s",
			   seen);
}

static void find_addresses(struct sts_view *view, enum dns_type type)
{
	struct dns_answer answer;

	lookup_ask(view->sending->dns, view->host, type, &answer);
	view->is_unknown |= answer.result == DNS_ERROR;
	for (size_t i = 0; i < answer.count && view->address_count < ADDRESSES_MAX; i++)
		endpoint_print_address((const struct sockaddr *)&answer.addresses[i],
				       view->addresses[view->address_count++], SOCKADDR_TEXT_MAX);
	dns_answer_wipe(&answer);
}

/* Every MX of the domain must be one of the policy's. */
static void judge_policy(const struct sts_view *view, const struct sts_policy *policy)
{
	char seen[FINDING_TEXT_MAX] = "";
	const char *missing = NULL;
	struct dns_answer answer;

	lookup_ask(view->sending->dns, view->domain->name, DNS_TYPE_MX, &answer);
	for (size_t i = 0; i < answer.count && missing == NULL && policy->mode != STS_MODE_NONE;
	     i++)
		if (answer.mx[i].exchange[0] != '\0' &&
		    !sts_policy_allows(policy, answer.mx[i].exchange))
			missing = answer.mx[i].exchange;
	if (answer.result == DNS_ERROR) {
		sending_add_unknown(view->sending, "domain-sts", view->domain->name, &answer);
	} else if (missing != NULL) {
		snprintf(seen, sizeof(seen), "the policy (%s) does not allow the MX host %s",
			 sts_mode_name(policy->mode), missing);
		finding_mend(
			add(view, policy->mode == STS_MODE_ENFORCE ? FINDING_FAIL : FINDING_WARN,
			    seen),
			"add to the policy, and give the record at _mta-sts.%s a new id:\nmx: %s",
			view->domain->name, missing);
	} else {
		snprintf(seen, sizeof(seen), "the policy says %s, and allows every MX",
			 sts_mode_name(policy->mode));
		add(view, FINDING_OK, seen);
	}
	dns_answer_wipe(&answer);
}

/* What only this host may have met: silence, an address of its own, no certificates here. The rest
 * everybody meets. */
static bool is_everybodys(const struct program_output *output)
{
	switch (output->exit_code) {
	case EX_DATAERR:
	case EX_PROTOCOL:
		return true;
	case EX_UNAVAILABLE:
		return strcasestr(output->text, "timed out") == NULL &&
		       strcasestr(output->text, "timeout") == NULL &&
		       strcasestr(output->text, "too slow") == NULL;
	}
	return false;
}

static void judge_failure(const struct sts_view *view, const struct program_output *output)
{
	bool is_fault = is_everybodys(output);
	char seen[FINDING_TEXT_MAX];

	snprintf(seen, sizeof(seen), "the policy cannot be had%s: %.1000s",
		 is_fault ? "" : " from here", output->text);
	seen[strcspn(seen, "\n")] = '\0';
	finding_mend(
		add(view, is_fault ? FINDING_FAIL : FINDING_UNKNOWN, seen),
		"serve it at https://%s/.well-known/mta-sts.txt, as text/plain and with a certificate for this name",
		view->host);
}

static void judge_output(const struct sts_view *view, struct program_output *output)
{
	char seen[FINDING_TEXT_MAX], error[300];
	struct sts_policy policy;

	if (output->exit_code != 0) {
		judge_failure(view, output);
	} else if (sts_policy_parse(&policy, output->text, output->length, error, sizeof(error)) !=
		   0) {
		snprintf(seen, sizeof(seen), "the policy is wrong: %s", error);
		finding_mend(add(view, FINDING_FAIL, seen),
			     "mend https://%s/.well-known/mta-sts.txt (RFC 8461 3.2)", view->host);
	} else {
		judge_policy(view, &policy);
		sts_policy_wipe(&policy);
	}
}

static void fetch(const struct sts_view *view)
{
	const char *arguments[ADDRESSES_MAX + 3] = { view->sending->sts_fetch, view->domain->name };
	char error[300], seen[FINDING_TEXT_MAX];
	struct program_output output;

	for (size_t i = 0; i < view->address_count; i++)
		arguments[i + 2] = view->addresses[i];
	if (program_run(&output, arguments, FETCH_USER, PROGRAM_STDERR_TOO, FETCH_TIME_LIMIT_MS,
			error, sizeof(error)) != 0) {
		snprintf(seen, sizeof(seen), "the policy was not fetched: %s", error);
		add(view, FINDING_UNKNOWN, seen);
		return;
	}
	judge_output(view, &output);
	program_output_wipe(&output);
}

static void judge_host(struct sts_view *view)
{
	char seen[FINDING_TEXT_MAX];

	snprintf(view->host, sizeof(view->host), "mta-sts.%s", view->domain->name);
	find_addresses(view, DNS_TYPE_A);
	find_addresses(view, DNS_TYPE_AAAA);
	if (view->address_count == 0 && view->is_unknown) {
		snprintf(seen, sizeof(seen), "nobody says where %s is", view->host);
		add(view, FINDING_UNKNOWN, seen);
	} else if (view->address_count == 0) {
		snprintf(seen, sizeof(seen),
			 "a policy is announced, but %s, which has it, has no address", view->host);
		finding_mend(
			add(view, FINDING_FAIL, seen),
			"publish the web server's address, or take the record at _mta-sts.%s away:\n"
			"%s. IN A ADDRESS",
			view->domain->name, view->host);
	} else if (view->sending->sts_fetch == NULL) {
		add(view, FINDING_OK, "a policy is announced; it was not fetched");
	} else {
		fetch(view);
	}
}

static bool has_record(const struct dns_answer *answer)
{
	for (size_t i = 0; i < answer->count; i++)
		if (strncmp(answer->txt[i], "v=STSv1", 7) == 0)
			return true;
	return false;
}

void check_sts(struct sending *sending, struct sending_domain *domain)
{
	struct sts_view view = { .sending = sending, .domain = domain };
	char name[DNS_NAME_MAX + 16], id[STS_ID_MAX + 1], reason[200], seen[FINDING_TEXT_MAX];
	struct dns_answer answer;

	snprintf(name, sizeof(name), "_mta-sts.%s", domain->name);
	lookup_ask(sending->dns, name, DNS_TYPE_TXT, &answer);
	if (answer.result == DNS_ERROR) {
		sending_add_unknown(sending, "domain-sts", domain->name, &answer);
	} else if (sts_record_parse(answer.txt, answer.count, id, reason, sizeof(reason))) {
		domain->has_inbound_tls = true;
		judge_host(&view);
	} else if (has_record(&answer)) {
		snprintf(seen, sizeof(seen), "nobody can use the record: %s", reason);
		finding_mend(
			add(&view, FINDING_FAIL, seen),
			"publish this one record, with a new id each time the policy changes:\n"
			"_mta-sts.%s. IN TXT \"v=STSv1; id=20260101T000000;\"",
			domain->name);
	} else {
		add(&view, FINDING_OK, "there is no policy");
	}
	dns_answer_wipe(&answer);
}
