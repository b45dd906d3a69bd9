/* Who is asked about a destination's TLS, and when. */
#include "tls_destination.h"

#include <string.h>

#include "lib/log.h"
#include "tls_report.h"

void tls_destination_init(struct tls_destination *destination, const struct delivery *delivery,
			  const struct relay_hop *relay, const char *domain, enum dns_trust mx_trust)
{
	const struct edge_setup *setup = delivery->setup;

	memset(destination, 0, sizeof(*destination));
	destination->delivery = delivery;
	destination->relay = relay;
	destination->domain = domain;
	destination->mx_trust = mx_trust;
	destination->is_required_no = delivery->tls_required_no && !delivery->envelope->requiretls;
	if (relay != NULL) {
		destination->policy = relay->tls;
		return;
	}
	if (tls_policy_table_find(setup->tls_policies, domain, &destination->policy))
		return;
	destination->policy.level = (enum tls_level)setup->conf.tls_security_level;
}

void tls_destination_wipe(struct tls_destination *destination)
{
	sts_answer_wipe(&destination->sts);
	dane_records_wipe(&destination->dane);
}

/* NULL if DANE has no say here. */
static const struct dane_records *ask_dane(struct tls_destination *destination,
					   const struct mx_host *host, int port)
{
	const struct delivery *delivery = destination->delivery;

	if (!tls_choice_wants_dane(&destination->policy, destination->is_required_no))
		return NULL;
	if (destination->dane_host != host) {
		dane_records_wipe(&destination->dane);
		dane_look_up(&destination->dane, delivery->setup->resolver, host, port,
			     delivery->deadline);
		destination->dane_host = host;
		if (destination->dane.state == DANE_UNUSABLE)
			log_info("%s: %s; TLS is demanded, but not authenticated", host->exchange,
				 destination->dane.reason);
	}
	return &destination->dane;
}

static void look_up_sts(struct tls_destination *destination)
{
	const struct delivery *delivery = destination->delivery;

	sts_store_find(delivery->sts, delivery->setup, destination->domain, delivery->deadline,
		       &destination->sts);
	destination->has_asked_sts = true;
	if (destination->sts.finding == STS_FOUND || destination->sts.finding == STS_ABSENT)
		return;
	log_warning("MTA-STS policy of %s: %s; going on as if there were none (RFC 8461 3.3)",
		    destination->domain, destination->sts.reason);
	tls_report_no_sts(destination);
}

/* Of mail exchangers, whose domain has an MTA-STS policy; no host by itself has one. */
static bool is_domain(const struct tls_destination *destination)
{
	return destination->domain[0] != '[' &&
	       (destination->relay == NULL || !destination->relay->destination.is_host);
}

/* NULL if MTA-STS has no say here. */
static const struct sts_answer *ask_sts(struct tls_destination *destination)
{
	const struct delivery *delivery = destination->delivery;

	if (delivery->sts == NULL || !delivery->setup->conf.mta_sts || !is_domain(destination) ||
	    !tls_choice_wants_sts(&destination->policy, destination->is_required_no))
		return NULL;
	if (!destination->has_asked_sts)
		look_up_sts(destination);
	return &destination->sts;
}

bool tls_destination_terms(struct tls_destination *destination, const struct mx_host *host, int port,
			   struct tls_terms *terms, struct delivery_status *status)
{
	const struct delivery *delivery = destination->delivery;
	const struct dane_records *dane = ask_dane(destination, host, port);
	bool is_decided = dane != NULL && (dane->state == DANE_USABLE || dane->state == DANE_FAILED);

	return tls_choice(&(struct tls_facts){
			.policy = &destination->policy,
			.defaults = &delivery->setup->tls_defaults,
			.policy_path = destination->relay != NULL
					       ? relay_table_path(delivery->setup->relays)
					       : tls_policy_table_path(delivery->setup->tls_policies),
			.domain = destination->domain,
			.exchange = host->exchange,
			.port = port,
			.is_wrapped = destination->relay != NULL && destination->relay->is_wrapped,
			.mx_trust = destination->mx_trust,
			.dane = dane,
			.sts = is_decided ? NULL : ask_sts(destination),
			.requiretls = delivery->envelope->requiretls,
			.tls_required_no = destination->is_required_no,
		}, terms, status);
}
