/*
 * domain-spf, domain-spf-lookups, domain-spf-covers: the SPF record of the domain of envelope
 * senders (RFC 7208), as receivers see it, for each address from which an edge delivers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sending.h"
#include "spf_check.h"

struct spf_view {
	struct sending *sending;
	const char *domain;
	char **texts; /* its SPF records */
	size_t text_count;
	struct sockaddr_storage missing[SENDING_ADDRESSES_MAX];
	size_t missing_count;
};

/* The record to publish: what is there, and the addresses that are missing. */
static void mend(const struct spf_view *view, struct finding *finding)
{
	sending_mend_spf(finding, view->domain, view->texts, view->text_count, view->missing,
			 view->missing_count);
}

static void add_with_mend(struct spf_view *view, enum finding_result result, const char *seen)
{
	mend(view, finding_add(view->sending->list, "domain-spf", view->domain, result, "%s", seen));
}

static const struct spf_term *find_mechanism(const struct spf_record *record,
					     enum spf_mechanism mechanism)
{
	for (size_t i = 0; i < record->count; i++)
		if (record->terms[i].mechanism == mechanism)
			return &record->terms[i];
	return NULL;
}

/* Of a record that is right. */
static void judge_terms(struct spf_view *view, const struct spf_record *record)
{
	const struct spf_term *all = find_mechanism(record, SPF_ALL);
	char seen[FINDING_TEXT_MAX];

	if (all != NULL && all->result == SPF_PASS)
		add_with_mend(view, FINDING_FAIL, "\"all\" lets everybody send as this domain");
	else if (all == NULL && record->redirect == NULL)
		add_with_mend(
			view, FINDING_WARN,
			"the record ends without \"all\": it says nothing about other senders");
	else if (all != NULL && all != &record->terms[record->count - 1])
		add_with_mend(view, FINDING_WARN,
			      "there are terms behind \"all\", where nobody looks");
	else if (find_mechanism(record, SPF_PTR) != NULL)
		finding_mend(
			finding_add(view->sending->list, "domain-spf", view->domain, FINDING_WARN,
				    "\"ptr\" is slow, and some receivers ignore it (RFC 7208 5.5)"),
			"name the addresses in the place of \"%s\", with ip4: and ip6:",
			find_mechanism(record, SPF_PTR)->text);
	else if (strlen(view->texts[0]) > SPF_RECORD_LENGTH_MAX)
		finding_mend(
			finding_add(
				view->sending->list, "domain-spf", view->domain, FINDING_WARN,
				"the record has %zu bytes: some receivers get no answer of more than 512 (RFC 7208 3.4)",
				strlen(view->texts[0])),
			"put a part of its terms into a record at a name of its own, and include that");
	else {
		snprintf(seen, sizeof(seen), "%s", view->texts[0]);
		finding_add(view->sending->list, "domain-spf", view->domain, FINDING_OK, "%s",
			    seen);
	}
}

/* true: there is one record, and it is right. */
static bool judge_record(struct spf_view *view)
{
	struct spf_record record;
	char error[SPF_TEXT_MAX];

	if (view->text_count == 0) {
		add_with_mend(view, FINDING_FAIL, "there is no SPF record");
		return false;
	}
	if (view->text_count > 1) {
		add_with_mend(
			view, FINDING_FAIL,
			"there is more than one SPF record, which is an error (RFC 7208 4.5)");
		return false;
	}
	if (spf_record_parse(&record, view->texts[0], error, sizeof(error)) != 0) {
		add_with_mend(view, FINDING_FAIL, error);
		return false;
	}
	judge_terms(view, &record);
	spf_record_wipe(&record);
	return true;
}

/* What each include costs, a line for each. */
static void print_costs(const struct spf_view *view, char *out, size_t size)
{
	struct spf_record record;
	char error[SPF_TEXT_MAX];
	size_t used = 0;

	out[0] = '\0';
	if (spf_record_parse(&record, view->texts[0], error, sizeof(error)) != 0)
		return;
	for (size_t i = 0; i < record.count && used < size; i++) {
		struct spf_verdict verdict = { .lookups = 0 };

		if (record.terms[i].mechanism == SPF_INCLUDE &&
		    strchr(record.terms[i].domain, '%') == NULL)
			spf_check_census(view->sending->dns, record.terms[i].domain, &verdict);
		else if (record.terms[i].mechanism != SPF_INCLUDE)
			continue;
		used += (size_t)snprintf(out + used, size - used, "\n%s: %u look-ups",
					 record.terms[i].text, verdict.lookups + 1);
	}
	spf_record_wipe(&record);
}

static void judge_lookups(struct spf_view *view)
{
	struct finding_list *list = view->sending->list;
	const char *id = "domain-spf-lookups";
	struct spf_verdict verdict;
	char costs[1000];

	spf_check_census(view->sending->dns, view->domain, &verdict);
	if (verdict.lookups > SPF_LOOKUPS_MAX) {
		print_costs(view, costs, sizeof(costs));
		finding_mend(
			finding_add(
				list, id, view->domain, FINDING_FAIL,
				"the record needs %u DNS look-ups, and receivers stop after %d with an error (RFC 7208 4.6.4)",
				verdict.lookups, SPF_LOOKUPS_MAX),
			"take out what no longer sends for the domain, or name addresses with ip4: and ip6:, which cost nothing.%s",
			costs);
	} else if (verdict.result == SPF_TEMPERROR) {
		finding_add(list, id, view->domain, FINDING_UNKNOWN, "%s", verdict.problem);
	} else if (verdict.result == SPF_PERMERROR) {
		finding_mend(
			finding_add(list, id, view->domain, FINDING_FAIL, "%s", verdict.problem),
			"take \"%s\" out of the record at %s, or mend what it leads to",
			verdict.term, verdict.domain);
	} else if (verdict.void_lookups > SPF_VOID_LOOKUPS_MAX) {
		finding_mend(
			finding_add(
				list, id, view->domain, FINDING_FAIL,
				"%u names in the record do not exist or have no address, and receivers stop after %d "
				"with an error (RFC 7208 4.6.4)",
				verdict.void_lookups, SPF_VOID_LOOKUPS_MAX),
			"take out of the record what leads to: %s", verdict.void_names);
	} else if (verdict.void_lookups > 0) {
		finding_mend(finding_add(list, id, view->domain, FINDING_WARN,
					 "look-ups: %u of %d; %u without an answer",
					 verdict.lookups, SPF_LOOKUPS_MAX, verdict.void_lookups),
			     "take out of the record what leads to: %s", verdict.void_names);
	} else {
		finding_add(list, id, view->domain, FINDING_OK, "look-ups: %u of %d",
			    verdict.lookups, SPF_LOOKUPS_MAX);
	}
}

static void check_address(const struct spf_view *view, const struct sending_address *address,
			  struct spf_verdict *verdict)
{
	char sender[DNS_NAME_MAX + 32];
	struct spf_question question = {
		.address = address->address,
		.sender = sender,
		.hello = address->hello[0] != '\0' ? address->hello : view->domain,
	};

	snprintf(sender, sizeof(sender), "postmaster@%.255s", view->domain);
	spf_check(view->sending->dns, &question, verdict);
}

static void judge_address(struct spf_view *view, const struct sending_address *address)
{
	char subject[SENDING_SUBJECT_MAX];
	struct spf_verdict verdict;
	struct finding *finding;

	check_address(view, address, &verdict);
	sending_print_subject(subject, view->domain, address);
	if (verdict.result == SPF_PASS) {
		finding_add(view->sending->list, "domain-spf-covers", subject, FINDING_OK,
			    "pass by \"%s\"%s%s", verdict.term,
			    strcmp(verdict.domain, view->domain) == 0 ? "" : " at ",
			    strcmp(verdict.domain, view->domain) == 0 ? "" : verdict.domain);
		return;
	}
	if (verdict.result == SPF_TEMPERROR) {
		finding_add(view->sending->list, "domain-spf-covers", subject, FINDING_UNKNOWN,
			    "%s", verdict.problem);
		return;
	}
	finding = finding_add(view->sending->list, "domain-spf-covers", subject, FINDING_FAIL,
			      "%s%s%s%s%s", spf_result_name(verdict.result),
			      verdict.term[0] != '\0' ? " by \"" : "", verdict.term,
			      verdict.term[0] != '\0' ? "\"" : "",
			      verdict.problem[0] != '\0' ? ", an error of the record" : "");
	mend(view, finding);
}

/* Only because everybody passes? */
static bool is_by_all(const struct spf_verdict *verdict)
{
	return strcasecmp(verdict->term, "all") == 0 || strcasecmp(verdict->term, "+all") == 0;
}

/* Which addresses does it not cover? They go into the record that is proposed. */
static enum sending_truth find_missing(struct spf_view *view)
{
	enum sending_truth truth = view->sending->address_count > 0 ? SENDING_YES : SENDING_UNKNOWN;

	for (size_t i = 0; i < view->sending->address_count; i++) {
		const struct sockaddr_storage *address = &view->sending->addresses[i].address;
		struct spf_verdict verdict;

		check_address(view, &view->sending->addresses[i], &verdict);
		if (verdict.result == SPF_PASS) {
			if (is_by_all(&verdict))
				view->missing[view->missing_count++] = *address;
			continue;
		}
		if (verdict.result == SPF_TEMPERROR) {
			truth = truth == SENDING_YES ? SENDING_UNKNOWN : truth;
			continue;
		}
		truth = SENDING_NO;
		view->missing[view->missing_count++] = *address;
	}
	return truth;
}

void check_spf(struct sending *sending, struct sending_domain *domain)
{
	struct spf_view view = { .sending = sending, .domain = domain->envelope };
	struct dns_answer answer;

	lookup_ask(sending->dns, view.domain, DNS_TYPE_TXT, &answer);
	if (answer.result == DNS_ERROR) {
		sending_add_unknown(sending, "domain-spf", view.domain, &answer);
		dns_answer_wipe(&answer);
		return;
	}
	view.texts = sending_find_spf(sending, &answer, &view.text_count);
	if (view.texts == NULL) {
		dns_answer_wipe(&answer);
		return;
	}
	domain->has_spf = find_missing(&view);
	if (judge_record(&view)) {
		judge_lookups(&view);
		for (size_t i = 0; i < sending->address_count; i++)
			judge_address(&view, &sending->addresses[i]);
	}
	free(view.texts);
	dns_answer_wipe(&answer);
}
