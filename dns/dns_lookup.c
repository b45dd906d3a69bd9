/*
 * DNS questions with absolute deadlines: which server is asked how often, and how far the answer
 * can be trusted.
 *
 * The servers are asked in turn, in rounds with growing patience. A server that answers with an
 * error is not asked again in the same lookup; the first real answer ends it. The AD bit counts
 * only if nobody on the way could have set it (RFC 4035 4.9.3): from loopback, or when the
 * configuration vouches for the network. Behind such a server SERVFAIL is asked once more without
 * checking (CD, RFC 4035 3.2.2): if there is an answer then, the zone's signatures are bogus, and
 * no other server is asked, because one that does not validate would pass the forgery on.
 *
 * A chain of CNAMEs that leaves the answer is followed by further questions; the whole is as secure
 * as its weakest part.
 */
#include "dns_lookup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dns_cache.h"
#include "dns_exchange.h"
#include "dns_name.h"
#include "lib/log.h"

#define RESOLV_CONF "/etc/resolv.conf"

/*
 * Patience of each round. Resolvers drop and lose few packets, but may have to ask slow servers
 * themselves.
 */
static const int round_ms[] = { 1000, 2000, 4000, 8000 };
#define ROUNDS (sizeof(round_ms) / sizeof(round_ms[0]))

struct dns_resolver {
	struct dns_servers servers; /* has its own lock */
	bool trust_ad;		    /* constant */
	struct dns_cache *cache;    /* has its own lock; NULL: nothing is kept */
};

struct lookup {
	struct dns_server servers[DNS_SERVERS_MAX];
	size_t server_count;
	bool trust_ad;
	struct deadline deadline;
	struct dns_question question;
	struct dns_message message;
	const struct dns_server *server; /* whose answer or silence counts */
	bool is_bogus;
};

struct dns_resolver *dns_resolver_create(const struct conf_list *servers, bool trust_ad,
					 char *error, size_t error_size)
{
	struct dns_resolver *resolver = calloc(1, sizeof(*resolver));

	if (resolver == NULL) {
		snprintf(error, error_size, "out of memory");
		return NULL;
	}
	resolver->trust_ad = trust_ad;
	if (dns_servers_init(&resolver->servers, servers, RESOLV_CONF, error, error_size) != 0) {
		free(resolver);
		return NULL;
	}
	return resolver;
}

void dns_resolver_destroy(struct dns_resolver *resolver)
{
	if (resolver == NULL)
		return;
	dns_servers_wipe(&resolver->servers);
	dns_cache_destroy(resolver->cache);
	free(resolver);
}

int dns_resolver_keep_answers(struct dns_resolver *resolver, int64_t keep_ms)
{
	resolver->cache = keep_ms > 0 ? dns_cache_create(keep_ms) : NULL;
	return keep_ms > 0 && resolver->cache == NULL ? -1 : 0;
}

void dns_resolver_expire(struct dns_resolver *resolver)
{
	if (resolver->cache != NULL)
		dns_cache_expire(resolver->cache, deadline_now_ms());
}

bool dns_resolver_is_trusted(struct dns_resolver *resolver)
{
	struct dns_server servers[DNS_SERVERS_MAX];
	size_t count = dns_servers_copy(&resolver->servers, servers);

	for (size_t i = 0; i < count; i++)
		if (!servers[i].is_loopback && !resolver->trust_ad)
			return false;
	return true;
}

static bool is_believed(const struct lookup *lookup, const struct dns_server *server)
{
	return server->is_loopback || lookup->trust_ad;
}

static bool is_answer(enum dns_reading reading)
{
	switch (reading) {
	case DNS_READ_FOUND:
	case DNS_READ_NXDOMAIN:
	case DNS_READ_NODATA:
	case DNS_READ_ALIAS:
		return true;
	case DNS_READ_TRUNCATED:
	case DNS_READ_FOREIGN:
	case DNS_READ_FAILED:
	case DNS_READ_TIMED_OUT:
		return false;
	}
	return false;
}

/* Is SERVFAIL this server's verdict on the signatures? */
static bool find_bogus(const struct lookup *lookup, const struct dns_server *server,
		       int patience_ms)
{
	struct dns_question question = lookup->question;
	struct dns_message message = { .aliases = lookup->message.aliases };
	bool is_bogus;

	question.checking_disabled = true;
	is_bogus = is_answer(dns_exchange(server, &question, deadline_in_ms(patience_ms),
					  lookup->deadline, &message));
	dns_message_wipe(&message);
	return is_bogus;
}

/* RFC 1035 4.1.1 */
#define RCODE_SERVFAIL 2
#define RCODE_REFUSED 5

/* Asks lookup->question; the answer is in lookup->message. */
static enum dns_reading ask_servers(struct lookup *lookup)
{
	bool has_failed[DNS_SERVERS_MAX] = { false };
	enum dns_reading last = DNS_READ_TIMED_OUT;
	unsigned aliases = lookup->message.aliases;

	lookup->server = &lookup->servers[0];
	for (size_t i = 0; i < ROUNDS * lookup->server_count; i++) {
		const struct dns_server *server = &lookup->servers[i % lookup->server_count];
		int patience_ms = round_ms[i / lookup->server_count];

		if (has_failed[i % lookup->server_count])
			continue;
		if (deadline_has_passed(lookup->deadline))
			break;
		lookup->server = server;
		lookup->message.aliases = aliases;
		last = dns_exchange(server, &lookup->question, deadline_in_ms(patience_ms),
				    lookup->deadline, &lookup->message);
		if (is_answer(last))
			break;
		has_failed[i % lookup->server_count] = last == DNS_READ_FAILED;
		lookup->is_bogus = lookup->message.rcode == RCODE_SERVFAIL &&
				   is_believed(lookup, server) &&
				   find_bogus(lookup, server, patience_ms);
		if (lookup->is_bogus)
			break;
	}
	return last;
}

static enum dns_failure failure_of(const struct dns_message *message, enum dns_reading reading)
{
	if (reading == DNS_READ_TIMED_OUT)
		return DNS_FAILURE_TIMEOUT;
	return message->rcode == RCODE_SERVFAIL  ? DNS_FAILURE_SERVFAIL
	       : message->rcode == RCODE_REFUSED ? DNS_FAILURE_REFUSED
						 : DNS_FAILURE_OTHER;
}

static void set_error(struct dns_answer *answer, const struct lookup *lookup,
		      enum dns_reading reading)
{
	const char *problem = lookup->message.problem;

	if (lookup->is_bogus)
		problem = "DNSSEC validation failure";
	else if (reading == DNS_READ_TIMED_OUT)
		problem = "no answer";
	answer->result = DNS_ERROR;
	answer->trust = lookup->is_bogus ? DNS_BOGUS : DNS_FAILED;
	answer->failure = failure_of(&lookup->message, reading);
	snprintf(answer->error, sizeof(answer->error), "%s from %s for %s %s", problem,
		 lookup->server->text, lookup->question.name, dns_type_name(lookup->question.type));
}

/* Moves what was found into the answer. */
static void set_result(struct dns_answer *answer, struct lookup *lookup, enum dns_reading reading,
		       uint32_t ttl_s)
{
	answer->result = reading == DNS_READ_FOUND	? DNS_FOUND
			 : reading == DNS_READ_NXDOMAIN ? DNS_NXDOMAIN
							: DNS_NODATA;
	memcpy(answer->name, lookup->message.name, sizeof(answer->name));
	answer->count = lookup->message.records.count;
	answer->mx = lookup->message.records.mx;
	answer->addresses = lookup->message.records.addresses;
	answer->tlsa = lookup->message.records.tlsa;
	answer->txt = lookup->message.records.txt;
	if (answer->count > 0)
		answer->ttl_s = ttl_s < DNS_TTL_FLOOR_S	    ? DNS_TTL_FLOOR_S
				: ttl_s > DNS_TTL_CEILING_S ? DNS_TTL_CEILING_S
							    : ttl_s;
}

static void follow(struct lookup *lookup, struct dns_answer *answer)
{
	uint32_t ttl_s = UINT32_MAX;
	bool is_secure = true;
	enum dns_reading reading;

	for (;;) {
		reading = ask_servers(lookup);
		if (!is_answer(reading)) {
			set_error(answer, lookup, reading);
			return;
		}
		is_secure = is_secure && lookup->message.authentic_data &&
			    is_believed(lookup, lookup->server);
		if (lookup->message.ttl_s < ttl_s)
			ttl_s = lookup->message.ttl_s;
		if (reading != DNS_READ_ALIAS)
			break;
		/* Ends: each turn has used up an alias, and dns_message counts them. */
		memcpy(lookup->question.name, lookup->message.name, sizeof(lookup->question.name));
	}
	answer->trust = is_secure ? DNS_SECURE : DNS_INSECURE;
	set_result(answer, lookup, reading, ttl_s);
}

static void ask(struct dns_resolver *resolver, struct lookup *lookup, struct dns_answer *answer)
{
	char asked[DNS_NAME_MAX + 1];

	/* The question's name changes along a chain of aliases. */
	memcpy(asked, lookup->question.name, sizeof(asked));
	lookup->server_count = dns_servers_copy(&resolver->servers, lookup->servers);
	follow(lookup, answer);
	if (answer->result == DNS_ERROR)
		memcpy(answer->name, lookup->question.name, sizeof(answer->name));
	else if (resolver->cache != NULL)
		dns_cache_add(resolver->cache, asked, lookup->question.type, deadline_now_ms(), answer);
}

void dns_lookup(struct dns_resolver *resolver, const char *name, enum dns_type type,
		struct deadline deadline, struct dns_answer *answer)
{
	struct lookup lookup = { .trust_ad = resolver->trust_ad,
				 .deadline = deadline,
				 .question.type = type };

	memset(answer, 0, sizeof(*answer));
	answer->result = DNS_NXDOMAIN;
	answer->trust = DNS_INSECURE;
	answer->ttl_s = DNS_TTL_FLOOR_S;
	if (!dns_name_copy(lookup.question.name, name)) {
		log_printable(answer->name, sizeof(answer->name), name, strlen(name));
		return;
	}
	if (resolver->cache != NULL &&
	    dns_cache_find(resolver->cache, lookup.question.name, type, deadline_now_ms(), answer))
		return;
	ask(resolver, &lookup, answer);
}

void dns_answer_wipe(struct dns_answer *answer)
{
	free(answer->mx);
	free(answer->addresses);
	dns_tlsa_free(answer->tlsa, answer->count);
	dns_txt_free(answer->txt, answer->count);
	memset(answer, 0, sizeof(*answer));
}
