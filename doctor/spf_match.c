/*
 * RFC 7208 5: the mechanisms that ask the DNS, and what counts as a void look-up (4.6.4): a term
 * whose own question finds nothing. Addresses of an MX's or PTR's names are not counted again; only
 * the first ten names are asked for, and an eleventh MX is an error. A look-up that fails is a
 * temporary error, except for PTR, which then does not match (5.5).
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "dns/dns_reverse.h"
#include "spf_walk.h"

enum spf_match spf_match_fail(struct spf_walk *walk, enum spf_match match, const char *problem,
			      const char *what)
{
	snprintf(walk->verdict->problem, sizeof(walk->verdict->problem), "%s%.400s", problem, what);
	return match;
}

static void ask(struct spf_walk *walk, const char *name, enum dns_type type,
		struct dns_answer *answer)
{
	lookup_ask(walk->source, name, type, answer);
}

/* The type of the records that can hold the client's address. */
static enum dns_type address_type(const struct spf_walk *walk)
{
	return walk->address.ss_family == AF_INET ? DNS_TYPE_A : DNS_TYPE_AAAA;
}

static enum spf_match count_void(struct spf_walk *walk, const char *name)
{
	size_t used = strlen(walk->verdict->void_names);

	snprintf(walk->verdict->void_names + used, sizeof(walk->verdict->void_names) - used, "%s%s",
		 used > 0 ? " " : "", name);
	walk->verdict->void_lookups++;
	if (walk->is_census || walk->verdict->void_lookups <= SPF_VOID_LOOKUPS_MAX)
		return SPF_NO_MATCH;
	return spf_match_fail(walk, SPF_MATCH_PERMERROR,
			      "more than 2 DNS look-ups have no answer; the last one: ", name);
}

/* Of an answer that is an error or empty. */
static enum spf_match judge_empty(struct spf_walk *walk, const char *name,
				  const struct dns_answer *answer)
{
	if (answer->result == DNS_ERROR)
		return spf_match_fail(walk, SPF_MATCH_TEMPERROR, answer->error, "");
	return count_void(walk, name);
}

static bool has_prefix(const uint8_t *left, const uint8_t *right, unsigned bits)
{
	unsigned bytes = bits / 8, rest = bits % 8;

	if (memcmp(left, right, bytes) != 0)
		return false;
	return rest == 0 || ((left[bytes] ^ right[bytes]) >> (8 - rest)) == 0;
}

bool spf_match_ip4(const struct spf_walk *walk, const struct in_addr *network, unsigned prefix)
{
	return walk->address.ss_family == AF_INET &&
	       has_prefix((const uint8_t *)&((const struct sockaddr_in *)&walk->address)->sin_addr,
			  (const uint8_t *)network, prefix);
}

bool spf_match_ip6(const struct spf_walk *walk, const struct in6_addr *network, unsigned prefix)
{
	return walk->address.ss_family == AF_INET6 &&
	       has_prefix(((const struct sockaddr_in6 *)&walk->address)->sin6_addr.s6_addr,
			  network->s6_addr, prefix);
}

static bool has_address(const struct spf_walk *walk, const struct dns_answer *answer,
			unsigned prefix4, unsigned prefix6)
{
	for (size_t i = 0; i < answer->count; i++) {
		const struct sockaddr_storage *address = &answer->addresses[i];

		if (address->ss_family == AF_INET
			    ? spf_match_ip4(walk, &((const struct sockaddr_in *)address)->sin_addr,
					    prefix4)
			    : spf_match_ip6(walk,
					    &((const struct sockaddr_in6 *)address)->sin6_addr,
					    prefix6))
			return true;
	}
	return false;
}

enum spf_match spf_match_a(struct spf_walk *walk, const struct spf_term *term, const char *name)
{
	struct dns_answer answer;
	enum spf_match match;

	ask(walk, name, address_type(walk), &answer);
	if (answer.result != DNS_FOUND)
		match = judge_empty(walk, name, &answer);
	else
		match = has_address(walk, &answer, term->prefix4, term->prefix6) ? SPF_MATCH
										 : SPF_NO_MATCH;
	dns_answer_wipe(&answer);
	return match;
}

/* One name of an MX. */
static enum spf_match match_exchange(struct spf_walk *walk, const struct spf_term *term,
				     const char *exchange)
{
	struct dns_answer answer;
	enum spf_match match = SPF_NO_MATCH;

	ask(walk, exchange, address_type(walk), &answer);
	if (answer.result == DNS_ERROR)
		match = spf_match_fail(walk, SPF_MATCH_TEMPERROR, answer.error, "");
	else if (has_address(walk, &answer, term->prefix4, term->prefix6))
		match = SPF_MATCH;
	dns_answer_wipe(&answer);
	return match;
}

enum spf_match spf_match_mx(struct spf_walk *walk, const struct spf_term *term, const char *name)
{
	struct dns_answer answer;
	enum spf_match match = SPF_NO_MATCH;

	ask(walk, name, DNS_TYPE_MX, &answer);
	if (answer.result != DNS_FOUND)
		match = judge_empty(walk, name, &answer);
	else if (answer.count > SPF_NAMES_MAX)
		match = spf_match_fail(walk, SPF_MATCH_PERMERROR, "more than 10 MX records at ",
				       name);
	for (size_t i = 0; i < answer.count && match == SPF_NO_MATCH; i++)
		match = match_exchange(walk, term, answer.mx[i].exchange);
	dns_answer_wipe(&answer);
	return match;
}

/* Is `name` the domain, or below it? */
static bool is_within(const char *name, const char *domain)
{
	size_t length = strlen(name), suffix = strlen(domain);

	if (length < suffix || strcasecmp(name + length - suffix, domain) != 0)
		return false;
	return length == suffix || name[length - suffix - 1] == '.';
}

/* Does the name lead back to the address? Errors: no (5.5). */
static bool is_validated(struct spf_walk *walk, const char *name)
{
	struct dns_answer answer;
	bool is_found;

	ask(walk, name, address_type(walk), &answer);
	is_found = answer.result == DNS_FOUND && has_address(walk, &answer, 32, 128);
	dns_answer_wipe(&answer);
	return is_found;
}

enum spf_match spf_match_ptr(struct spf_walk *walk, const char *name)
{
	char reverse[DNS_REVERSE_MAX];
	struct dns_answer answer;
	enum spf_match match = SPF_NO_MATCH;

	ask(walk, dns_reverse_name(reverse, sizeof(reverse), &walk->address, NULL), DNS_TYPE_PTR, &answer);
	if (answer.result == DNS_NXDOMAIN || answer.result == DNS_NODATA)
		match = count_void(walk, reverse);
	for (size_t i = 0; i < answer.count && i < SPF_NAMES_MAX && match == SPF_NO_MATCH; i++)
		if (is_within(answer.mx[i].exchange, name) &&
		    is_validated(walk, answer.mx[i].exchange))
			match = SPF_MATCH;
	dns_answer_wipe(&answer);
	return match;
}

/* %{p} (7.2): the domain itself if it is a validated name, else one below it, else any. */
const char *spf_match_validated_name(void *context, const char *domain)
{
	struct spf_walk *walk = context;
	char reverse[DNS_REVERSE_MAX];
	struct dns_answer answer;
	int best = 0;

	snprintf(walk->validated_name, sizeof(walk->validated_name), "unknown");
	ask(walk, dns_reverse_name(reverse, sizeof(reverse), &walk->address, NULL), DNS_TYPE_PTR, &answer);
	for (size_t i = 0; i < answer.count && i < SPF_NAMES_MAX; i++) {
		const char *name = answer.mx[i].exchange;
		int rank = strcasecmp(name, domain) == 0 ? 3 : is_within(name, domain) ? 2 : 1;

		if (rank <= best || !is_validated(walk, name))
			continue;
		best = rank;
		snprintf(walk->validated_name, sizeof(walk->validated_name), "%s", name);
	}
	dns_answer_wipe(&answer);
	return walk->validated_name;
}

enum spf_match spf_match_exists(struct spf_walk *walk, const char *name)
{
	struct dns_answer answer;
	enum spf_match match;

	ask(walk, name, DNS_TYPE_A, &answer);
	match = answer.result == DNS_FOUND ? SPF_MATCH : judge_empty(walk, name, &answer);
	dns_answer_wipe(&answer);
	return match;
}
