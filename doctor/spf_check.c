/*
 * RFC 7208 4 and 5: the evaluation of an SPF record, and of those that it includes or redirects to.
 *
 * Counted are the terms that ask the DNS (4.6.4). What the terms find is spf_match.c's.
 */
#include "spf_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spf_macro.h"
#include "spf_walk.h"

static enum spf_result check_domain(struct spf_walk *walk, const char *domain);

/* SPF_NO_MATCH: go on. */
static enum spf_match count_lookup(struct spf_walk *walk, const char *term)
{
	unsigned max = walk->is_census ? SPF_CENSUS_MAX : SPF_LOOKUPS_MAX;

	if (walk->verdict->lookups >= max) {
		snprintf(walk->verdict->problem, sizeof(walk->verdict->problem),
			 "more than %u DNS look-ups are needed: \"%s\" is too many", max, term);
		return SPF_MATCH_PERMERROR;
	}
	walk->verdict->lookups++;
	return SPF_NO_MATCH;
}

static enum spf_match match_include(struct spf_walk *walk, const char *name)
{
	enum spf_result result;

	walk->depth++;
	result = check_domain(walk, name);
	walk->depth--;
	switch (result) {
	case SPF_PASS:
		return SPF_MATCH;
	case SPF_FAIL:
	case SPF_SOFTFAIL:
	case SPF_NEUTRAL:
		return SPF_NO_MATCH;
	case SPF_TEMPERROR:
		return SPF_MATCH_TEMPERROR;
	case SPF_PERMERROR:
		return SPF_MATCH_PERMERROR;
	case SPF_NONE:
		return spf_match_fail(walk, SPF_MATCH_PERMERROR,
				      "there is no SPF record at the included name ", name);
	}
	return SPF_MATCH_PERMERROR;
}

static struct spf_macro_values values_of(struct spf_walk *walk, const char *domain)
{
	return (struct spf_macro_values){
		.local_part = walk->local_part,
		.sender_domain = walk->sender_domain,
		.domain = domain,
		.hello = walk->question->hello,
		.receiver = walk->question->receiver != NULL ? walk->question->receiver : "unknown",
		.address = &walk->address,
		.validated_name = spf_match_validated_name,
		.context = walk,
	};
}

/* The name that a term asks for. An expansion that is too long becomes a name that cannot exist. */
static void find_target(struct spf_walk *walk, const char *spec, const char *domain,
			char out[SPF_MACRO_TEXT_MAX])
{
	struct spf_macro_values values = values_of(walk, domain);

	if (spec == NULL)
		snprintf(out, SPF_MACRO_TEXT_MAX, "%s", domain);
	else if (!spf_macro_expand_domain(out, spec, &values))
		out[0] = '\0';
}

static enum spf_match match_lookup_term(struct spf_walk *walk, const struct spf_term *term,
					const char *domain)
{
	char name[SPF_MACRO_TEXT_MAX];
	enum spf_match match = count_lookup(walk, term->text);

	if (match != SPF_NO_MATCH)
		return match;
	find_target(walk, term->domain, domain, name);
	switch (term->mechanism) {
	case SPF_INCLUDE:
		return match_include(walk, name);
	case SPF_A:
		return spf_match_a(walk, term, name);
	case SPF_MX:
		return spf_match_mx(walk, term, name);
	case SPF_PTR:
		return spf_match_ptr(walk, name);
	case SPF_EXISTS:
		return spf_match_exists(walk, name);
	case SPF_ALL:
	case SPF_IP4:
	case SPF_IP6:
		break;
	}
	return SPF_NO_MATCH;
}

static enum spf_match match_term(struct spf_walk *walk, const struct spf_term *term,
				 const char *domain)
{
	enum spf_match match;

	switch (term->mechanism) {
	case SPF_ALL:
		return SPF_MATCH;
	case SPF_IP4:
		match = spf_match_ip4(walk, &term->ip4, term->prefix4) ? SPF_MATCH : SPF_NO_MATCH;
		break;
	case SPF_IP6:
		match = spf_match_ip6(walk, &term->ip6, term->prefix6) ? SPF_MATCH : SPF_NO_MATCH;
		break;
	case SPF_INCLUDE:
	case SPF_A:
	case SPF_MX:
	case SPF_PTR:
	case SPF_EXISTS:
	default:
		match = match_lookup_term(walk, term, domain);
		break;
	}
	return walk->is_census && match == SPF_MATCH ? SPF_NO_MATCH : match;
}

/* 6.2: whatever is wrong with it, there is no explanation then. */
static void explain(struct spf_walk *walk, const char *spec, const char *domain)
{
	struct spf_verdict *verdict = walk->verdict;
	struct spf_macro_values values = values_of(walk, domain);
	char name[SPF_MACRO_TEXT_MAX];
	struct dns_answer answer;

	find_target(walk, spec, domain, name);
	lookup_ask(walk->source, name, DNS_TYPE_TXT, &answer);
	if (answer.count != 1 || !spf_macro_is_string(answer.txt[0], true) ||
	    !spf_macro_expand(verdict->explanation, sizeof(verdict->explanation), answer.txt[0],
			      &values))
		verdict->explanation[0] = '\0';
	dns_answer_wipe(&answer);
}

/* What decides for the domain itself stands in this record. */
static void note_decision(struct spf_walk *walk, const char *domain, const char *modifier,
			  const char *text)
{
	if (walk->depth > 0)
		return;
	snprintf(walk->verdict->term, sizeof(walk->verdict->term), "%s%s", modifier, text);
	snprintf(walk->verdict->domain, sizeof(walk->verdict->domain), "%s", domain);
}

/* The first term that matches, or that is in error; SPF_NO_MATCH: none. */
static enum spf_match walk_terms(struct spf_walk *walk, const struct spf_record *record,
				 const char *domain, enum spf_result *result)
{
	for (size_t i = 0; i < record->count; i++) {
		const struct spf_term *term = &record->terms[i];
		enum spf_match match = match_term(walk, term, domain);

		if (match == SPF_NO_MATCH)
			continue;
		*result = match == SPF_MATCH		 ? term->result
			  : match == SPF_MATCH_TEMPERROR ? SPF_TEMPERROR
							 : SPF_PERMERROR;
		note_decision(walk, domain, "", term->text);
		/* A census looks behind an error of its own making as little as a receiver does;
		 * "all" ends the list. */
		if (walk->is_census && match == SPF_MATCH)
			*result = SPF_NEUTRAL;
		return match;
	}
	return SPF_NO_MATCH;
}

static enum spf_result redirect(struct spf_walk *walk, const struct spf_record *record,
				const char *domain)
{
	char name[SPF_MACRO_TEXT_MAX];
	enum spf_result result;

	if (count_lookup(walk, "redirect=") != SPF_NO_MATCH)
		return SPF_PERMERROR;
	find_target(walk, record->redirect, domain, name);
	result = check_domain(walk, name);
	/* The other record is wrong, or there is none. */
	if (result == SPF_NONE || (result == SPF_PERMERROR && walk->verdict->term[0] == '\0'))
		note_decision(walk, domain, "redirect=", record->redirect);
	if (result != SPF_NONE)
		return result;
	spf_match_fail(walk, SPF_MATCH_PERMERROR,
		       "there is no SPF record where redirect leads: ", name);
	return SPF_PERMERROR;
}

static enum spf_result evaluate(struct spf_walk *walk, const struct spf_record *record,
				const char *domain)
{
	enum spf_result result = SPF_NEUTRAL;

	if (walk_terms(walk, record, domain, &result) == SPF_NO_MATCH)
		return record->redirect != NULL ? redirect(walk, record, domain) : SPF_NEUTRAL;
	if (result == SPF_FAIL && walk->depth == 0 && record->explanation != NULL)
		explain(walk, record->explanation, domain);
	return result;
}

/* The domain's record: SPF_PASS with the text, to be freed; SPF_NONE, SPF_PERMERROR (more than one), SPF_TEMPERROR with the problem. */
static enum spf_result fetch(const struct lookup_source *source, const char *domain, char **text_out,
			     char problem[SPF_TEXT_MAX])
{
	enum spf_result result = SPF_NONE;
	struct dns_answer answer;

	*text_out = NULL;
	lookup_ask(source, domain, DNS_TYPE_TXT, &answer);
	if (answer.result == DNS_ERROR) {
		result = SPF_TEMPERROR;
		snprintf(problem, SPF_TEXT_MAX, "%s", answer.error);
	} else {
		snprintf(problem, SPF_TEXT_MAX, "there is no SPF record at %s", domain);
	}
	for (size_t i = 0; i < answer.count; i++) {
		if (!spf_record_is_one(answer.txt[i]))
			continue;
		if (result == SPF_PASS) {
			snprintf(problem, SPF_TEXT_MAX, "there is more than one SPF record at %s",
				 domain);
			result = SPF_PERMERROR;
			break;
		}
		result = SPF_PASS;
		problem[0] = '\0';
		*text_out = strdup(answer.txt[i]);
	}
	dns_answer_wipe(&answer);
	if (result == SPF_PASS && *text_out != NULL)
		return SPF_PASS;
	free(*text_out);
	*text_out = NULL;
	return result == SPF_PASS ? SPF_TEMPERROR : result;
}

static enum spf_result check_domain(struct spf_walk *walk, const char *domain)
{
	struct spf_verdict *verdict = walk->verdict;
	struct spf_record record;
	enum spf_result result;
	char *text, error[SPF_TEXT_MAX / 2];

	if (walk->depth == 0)
		snprintf(verdict->domain, sizeof(verdict->domain), "%s", domain);
	if (!spf_macro_is_full_name(domain)) {
		spf_match_fail(walk, SPF_NO_MATCH,
			       "this is not the full name of a domain: ", domain);
		return SPF_NONE;
	}
	result = fetch(walk->source, domain, &text, verdict->problem);
	if (result != SPF_PASS)
		return result;
	if (spf_record_parse(&record, text, error, sizeof(error)) != 0) {
		snprintf(verdict->problem, sizeof(verdict->problem), "%s, in the record at %.200s",
			 error, domain);
		result = SPF_PERMERROR;
	} else {
		result = evaluate(walk, &record, domain);
		spf_record_wipe(&record);
	}
	free(text);
	return result;
}

/* The parts of the sender; 4.3: without a local part it is postmaster. */
static void set_sender(struct spf_walk *walk, const struct spf_question *question)
{
	const char *sender = question->sender != NULL ? question->sender : "",
		   *at = strrchr(sender, '@');

	if (sender[0] == '\0') {
		snprintf(walk->local_part, sizeof(walk->local_part), "postmaster");
		snprintf(walk->sender_domain, sizeof(walk->sender_domain), "%s", question->hello);
	} else if (at == NULL || at == sender) {
		snprintf(walk->local_part, sizeof(walk->local_part), "postmaster");
		snprintf(walk->sender_domain, sizeof(walk->sender_domain), "%s",
			 at == NULL ? sender : at + 1);
	} else {
		snprintf(walk->local_part, sizeof(walk->local_part), "%.*s", (int)(at - sender),
			 sender);
		snprintf(walk->sender_domain, sizeof(walk->sender_domain), "%s", at + 1);
	}
}

static void set_address(struct spf_walk *walk, const struct sockaddr_storage *address)
{
	const struct sockaddr_in6 *ip6 = (const struct sockaddr_in6 *)address;
	struct sockaddr_in *ip4 = (struct sockaddr_in *)&walk->address;

	walk->address = *address;
	if (address->ss_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&ip6->sin6_addr))
		return;
	memset(&walk->address, 0, sizeof(walk->address));
	ip4->sin_family = AF_INET;
	memcpy(&ip4->sin_addr, &ip6->sin6_addr.s6_addr[12], sizeof(ip4->sin_addr));
}

static void run(struct spf_walk *walk)
{
	struct spf_verdict *verdict = walk->verdict;

	memset(verdict, 0, sizeof(*verdict));
	set_sender(walk, walk->question);
	set_address(walk, &walk->question->address);
	verdict->result = check_domain(walk, walk->sender_domain);
	if (verdict->result != SPF_NONE && verdict->result != SPF_TEMPERROR &&
	    verdict->result != SPF_PERMERROR)
		verdict->problem[0] = '\0';
}

void spf_check(const struct lookup_source *source, const struct spf_question *question,
	       struct spf_verdict *verdict)
{
	struct spf_walk walk = { .source = source, .question = question, .verdict = verdict };

	run(&walk);
}

void spf_check_census(const struct lookup_source *source, const char *domain,
		      struct spf_verdict *verdict)
{
	char sender[DNS_NAME_MAX + 32];
	struct spf_question question = { .sender = sender, .hello = domain };
	struct spf_walk walk = {
		.source = source, .question = &question, .verdict = verdict, .is_census = true
	};

	snprintf(sender, sizeof(sender), "postmaster@%.255s", domain);
	/* An address that nobody has (RFC 5737). */
	question.address.ss_family = AF_INET;
	((struct sockaddr_in *)&question.address)->sin_addr.s_addr = htonl(0xc0000201);
	run(&walk);
}
