/*
 * The walk through a domain's mail exchangers. What a failure means stands in delivery_policy.c;
 * which addresses there are, in mx_list.c; what TLS they must have, in tls_destination.c; the
 * conversation, in smtp_client.c; sessions left over by other messages, in connection_cache.c; who
 * has got what verdict, in walk_recipients.c. Here is only the order of events: connect, talk, give
 * the recipients that are still open to the next host, and stop when there is none.
 *
 * What a host must have is asked anew for each message, and a kept session is taken only if it was
 * opened on the very same terms. That it has ended meanwhile is no verdict about the host: a
 * new one is opened.
 */
#include "host_walk.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "connection_cache.h"
#include "connection_key.h"
#include "delivery_policy.h"
#include "lib/endpoint.h"
#include "lib/log.h"
#include "mx_list.h"
#include "relay_login.h"
#include "smtp_client.h"
#include "stage_budget.h"
#include "tcp_connect.h"
#include "tls_destination.h"
#include "tls_report.h"
#include "walk_lesson.h"
#include "walk_recipients.h"

struct walk {
	const struct host_walk_params *params;
	struct walk_recipients recipients;
	struct mx_list list;
	struct tls_destination tls;
	/* the host being talked to */
	const struct mx_host *host;
	char address[SOCKADDR_TEXT_MAX];
	struct tls_terms terms;
	char source[SOCKADDR_TEXT_MAX];	/* our end of the connection */
	struct buffer key;		/* of a session with it on these terms */
	struct smtp_client client;
	struct relay_login login;	/* params->relay's */
	struct delivery_place place;
	struct destination_lesson *lesson;
	const struct destination_place *at;
	bool is_calling;		/* a host that has not greeted yet */
};

static int port_of(const struct walk *walk)
{
	const struct relay_hop *relay = walk->params->relay;

	return relay != NULL ? relay->destination.port : SMTP_PORT;
}

static struct walk_host describe_host(const struct walk *walk)
{
	return (struct walk_host){
		.exchange = walk->host->exchange,
		.address = walk->address,
		.port = port_of(walk),
		.tls = walk->client.tls.description,
		.dsn_offered = walk->client.capabilities.dsn,
	};
}

/* The same verdict for all that are still open at this host. */
static void decide_open(struct walk *walk, const struct delivery_decision *decision)
{
	struct walk_host host = describe_host(walk);

	walk_recipients_decide_open(&walk->recipients, &host, decision);
}

static bool is_cancelled(const struct walk *walk)
{
	return atomic_load(&walk->params->delivery->end->phase) >= EDGE_CANCELLING;
}

static void on_result(void *context, size_t recipient, const struct smtp_event *event)
{
	struct walk *walk = context;

	walk_recipients_note(&walk->recipients, recipient, event);
	walk_lesson_note(walk->lesson, walk->params->delivery->setup->reply_rules, event, walk->host->exchange, walk->address);
}

/*
 * The connection is gone before everybody had a turn: no verdict of this host, but a reason why
 * there is none.
 */
static void lose_open(struct walk *walk)
{
	struct smtp_event event = { .stage = STAGE_MAIL, .failure = SMTP_FAILURE_LOST };
	struct delivery_decision decision;

	delivery_policy_decide(&event, walk->terms.level, 0, &decision);
	decide_open(walk, &decision);
}

static int before_final_dot(void *context, const size_t *accepted, size_t count)
{
	const struct host_walk_params *params = ((struct walk *)context)->params;

	return params->before_final_dot == NULL ? 0 :
						  params->before_final_dot(params->context, accepted, count);
}

static bool run_transaction(struct walk *walk, const size_t *indices, size_t count)
{
	const struct delivery *delivery = walk->params->delivery;
	bool usable = smtp_client_transaction(&walk->client, &(struct smtp_transaction){
			.envelope = delivery->envelope,
			.indices = indices,
			.count = count,
			.content = delivery->content,
			.prefix = walk->params->trace_field,
			.prefix_length = walk->params->trace_field_length,
			.result = on_result,
			.before_final_dot = before_final_dot,
			.context = walk,
		});
	struct walk_host host = describe_host(walk);

	walk_recipients_decide(&walk->recipients, &host, walk->terms.level);
	return usable;
}

/* The session is of no more use to this message; perhaps to the next one. */
static void give_back(struct walk *walk, const struct sockaddr_storage *address)
{
	const struct edge_conf *conf = &walk->params->delivery->setup->conf;

	if (walk->params->delivery->connections == NULL || buffer_length(&walk->key) == 0) {
		smtp_client_quit(&walk->client);
		return;
	}
	connection_cache_give(walk->params->delivery->connections, address, &walk->key,
			      &(struct connection_limits){
				      .total = (size_t)conf->connection_cache_limit,
				      .per_host = (size_t)conf->destination_concurrency_limit,
				      .messages = (unsigned)conf->connection_reuse_count_limit,
				      .idle_ms = conf->connection_cache_time_limit,
				      .age_ms = conf->connection_reuse_time_limit,
			      },
			      &walk->client);
}

/*
 * As many transactions as it takes; ends when no recipient is open here or a transaction gave none
 * a verdict.
 */
static void run_transactions(struct walk *walk, const struct sockaddr_storage *address)
{
	size_t indices[SMTP_RECIPIENTS_PER_TRANSACTION];
	size_t open_before, count;
	bool usable = true;

	while (usable && (count = walk_recipients_batch(&walk->recipients, indices)) > 0) {
		open_before = walk_recipients_count_open(&walk->recipients);
		usable = run_transaction(walk, indices, count);
		if (walk_recipients_count_open(&walk->recipients) == open_before)
			break;
	}
	if (usable)
		give_back(walk, address);
	if (!usable && !walk->client.is_stale && !deadline_has_passed(walk->params->delivery->deadline) && !is_cancelled(walk))
		lose_open(walk);
}

/* One more connection would have to bring the message up to its final dot. */
static bool has_time_to_connect(const struct walk *walk)
{
	const struct delivery *delivery = walk->params->delivery;

	return stage_budget_suffices(STAGE_CONNECT, delivery->content->length,
				     delivery->setup->conf.delivery_time_limit,
				     deadline_left_ms(delivery->deadline));
}

static struct tls_report_host report_host(const struct walk *walk)
{
	return (struct tls_report_host){ walk->host->exchange, walk->address, walk->source };
}

static void note_source(struct walk *walk, int fd)
{
	struct sockaddr_storage address;
	socklen_t length = sizeof(address);

	walk->source[0] = '\0';
	if (getsockname(fd, (struct sockaddr *)&address, &length) == 0)
		endpoint_print_address((const struct sockaddr *)&address, walk->source,
				       sizeof(walk->source));
}

static enum destination_step step_of(enum delivery_stage stage)
{
	if (stage <= STAGE_CONNECT)
		return DESTINATION_CONNECTS;
	return stage == STAGE_GREETING ? DESTINATION_CONNECTED : DESTINATION_GREETED;
}

static void on_stage(void *context, enum delivery_stage stage)
{
	struct walk *walk = context;
	const struct delivery *delivery = walk->params->delivery;

	delivery_progress_move(delivery->progress, &walk->place, stage, walk->host->exchange, walk->address);
	if (walk->is_calling) {
		walk->is_calling = stage <= STAGE_GREETING;
		destination_note(delivery->destinations, walk->at, step_of(stage));
	}
}

static struct smtp_client_params client_params(struct walk *walk)
{
	const struct delivery *delivery = walk->params->delivery;
	const struct relay_hop *relay = walk->params->relay;

	return (struct smtp_client_params){
		.ehlo_name = tenant_hello(delivery->tenant, delivery->setup->conf.ehlo_name),
		.terms = &walk->terms,
		.tls = delivery->setup->tls,
		.resume_key = &walk->key,
		.is_wrapped = relay != NULL && relay->is_wrapped,
		.auth = relay_login_init(&walk->login, relay, delivery->keeper, delivery->refusals),
		.deadline = delivery->deadline,
		.time_limit_ms = delivery->setup->conf.delivery_time_limit,
		.data_done_timeout_ms = delivery->setup->conf.data_done_timeout,
		.on_stage = on_stage,
		.stage_context = walk,
		.cancel_fd = delivery->end->cancel_fd,
	};
}

/* Which sessions would do here. Without a key, none. */
static void make_key(struct walk *walk, const struct sockaddr_storage *address)
{
	const struct delivery *delivery = walk->params->delivery;
	const struct relay_hop *relay = walk->params->relay;
	char relay_text[RELAY_HOP_TEXT_MAX] = "";
	struct sockaddr_storage source;

	if (relay != NULL)
		relay_hop_print(relay, relay_text, sizeof(relay_text));
	buffer_reset(&walk->key);
	if (connection_key_print(&walk->key, &(struct connection_identity){
			.address = address,
			.source = tenant_source(delivery->tenant, address->ss_family, &source),
			.ehlo_name = tenant_hello(delivery->tenant, delivery->setup->conf.ehlo_name),
			.relay = relay_text,
			.terms = &walk->terms,
			.setup = delivery->setup->id,
		}) != 0)
		buffer_reset(&walk->key);
}

/* A session that another message has left over. */
static bool take_kept(struct walk *walk, const struct sockaddr_storage *address)
{
	const struct delivery *delivery = walk->params->delivery;
	struct smtp_client_params params = client_params(walk);

	make_key(walk, address);
	if (delivery->connections == NULL || buffer_length(&walk->key) == 0 || is_cancelled(walk))
		return false;
	on_stage(walk, STAGE_CONNECT);
	return connection_cache_take(delivery->connections, address, &walk->key, &params, &walk->client);
}

/* A connection that is ready for mail, or false with why not. */
static bool open_connection(struct walk *walk, const struct sockaddr_storage *address,
			    struct smtp_event *event)
{
	const struct delivery *delivery = walk->params->delivery;
	struct smtp_client_params params;
	struct sockaddr_storage source;
	struct tls_report_host host;
	bool is_open;
	int fd;

	*event = (struct smtp_event){ .stage = STAGE_CONNECT, .failure = SMTP_FAILURE_CONNECT };
	memset(&walk->client, 0, sizeof(walk->client));
	walk->is_calling = true;
	on_stage(walk, STAGE_CONNECT);
	fd = tcp_connect(
		address, tenant_source(delivery->tenant, address->ss_family, &source),
		deadline_earlier(delivery->deadline, deadline_in_ms(SMTP_CONNECT_TIMEOUT_MS)),
		delivery->end->cancel_fd, event->detail, sizeof(event->detail));
	if (fd < 0) {
		if (is_cancelled(walk))
			event->failure = SMTP_FAILURE_CANCELLED;
		return false;
	}
	note_source(walk, fd);
	params = client_params(walk);
	is_open = smtp_client_open(&walk->client, fd, &params, event) == 0;
	host = report_host(walk);
	if (is_open)
		tls_report_opened(&walk->tls, &walk->terms, &host, &walk->client);
	else
		tls_report_failed(&walk->tls, &walk->terms, &host, &walk->client, event);
	return is_open;
}

/* What mode enforce would not have let pass. */
static void tell_testing(const struct walk *walk)
{
	const struct tls_outcome *tls = &walk->client.tls;
	const char *reason = tls->error;

	if (walk->terms.is_unlisted)
		reason = "the policy does not list this host";
	else if (tls->description[0] == '\0')
		reason = "no TLS";
	if (walk->terms.is_test && reason[0] != '\0')
		log_warning("MTA-STS policy of %s, which is in testing: %s[%s]: %s", walk->tls.domain,
			    walk->host->exchange, walk->address, reason);
}

/* One connection. Returns what is to be done next with this address: CLEARTEXT or nothing more. */
static enum delivery_next try_connection(struct walk *walk, const struct sockaddr_storage *address)
{
	enum tls_level level = walk->terms.level;
	struct delivery_decision decision;
	struct smtp_event event;

	if (take_kept(walk, address)) {
		tell_testing(walk);
		run_transactions(walk, address);
		if (!walk->client.is_stale)
			return DELIVERY_NEXT_HOST;
	}
	if (open_connection(walk, address, &event)) {
		tell_testing(walk);
		run_transactions(walk, address);
		return DELIVERY_NEXT_HOST;
	}
	walk_lesson_note(walk->lesson, walk->params->delivery->setup->reply_rules, &event, walk->host->exchange, walk->address);
	delivery_policy_decide(&event, level, 0, &decision);
	if (decision.next == DELIVERY_NEXT_CLEARTEXT && !has_time_to_connect(walk))
		decision.next = DELIVERY_NEXT_HOST;	/* a further try would hide why this failed */
	if (decision.next == DELIVERY_NEXT_CLEARTEXT && level == TLS_MAY) {
		log_info("TLS with %s[%s] failed (%s); trying again without, as no policy asks for "
			 "it",
			 walk->host->exchange, walk->address,
			 event.detail[0] != '\0' ? event.detail : "no answer to STARTTLS");
		return DELIVERY_NEXT_CLEARTEXT;
	}
	decide_open(walk, &decision);
	return decision.next;
}

/* Nobody is connected to: the same verdict for everybody, and the next host. */
static void pass_over(struct walk *walk, const struct delivery_status *status)
{
	struct delivery_decision decision = { .next = DELIVERY_NEXT_HOST, .status = *status };

	memset(&walk->client, 0, sizeof(walk->client));
	decide_open(walk, &decision);
}

static bool is_allowed(struct walk *walk, const struct mx_address *target)
{
	const struct delivery *delivery = walk->params->delivery;
	const char *refusal = address_guard_refuses(delivery->setup->guard,
						    (const struct sockaddr *)&target->address);
	struct delivery_status status = { 0 };

	if (refusal != NULL)
		delivery_status_set_local(&status, STAGE_CONNECT, ENHANCED_STATUS(5, 4, 4),
					  "address refused: %s", refusal);
	else if (tls_destination_terms(&walk->tls, walk->host, port_of(walk), &walk->terms, &status))
		return true;
	else
		tls_report_passed_over(&walk->tls, &(struct tls_report_host){
			walk->host->exchange, walk->address, "" });
	pass_over(walk, &status);
	return false;
}

static void try_address(struct walk *walk, const struct mx_address *target)
{
	walk->host = &walk->list.hosts[target->host];
	endpoint_print_address((const struct sockaddr *)&target->address, walk->address,
			       sizeof(walk->address));
	walk_recipients_reopen(&walk->recipients);
	if (!is_allowed(walk, target) ||
	    try_connection(walk, &target->address) != DELIVERY_NEXT_CLEARTEXT)
		return;
	walk->terms.level = TLS_NONE;
	try_connection(walk, &target->address);
}

/*
 * No host is left (or no time): what was kept stands, made temporary if a host could not even be
 * looked up. Not inlined: what it has on the stack would be there while servers are waited for.
 */
static __attribute__((noinline)) void finish(struct walk *walk)
{
	struct delivery_status out_of_time = { 0 }, not_looked_up = { 0 }, stopping = { 0 };

	delivery_status_set_local(&out_of_time, STAGE_CONNECT, ENHANCED_STATUS(4, 4, 7),
				  "no time left for this delivery attempt");
	delivery_status_set_local(&not_looked_up, STAGE_DNS, ENHANCED_STATUS(4, 4, 3), "%s",
				  walk->list.failed_host);
	delivery_status_set_local(&stopping, STAGE_EDGE, ENHANCED_STATUS(4, 3, 2),
				  "the edge is stopping");
	if (is_cancelled(walk))
		walk_recipients_finish_all(&walk->recipients, &stopping);
	else
		walk_recipients_finish(&walk->recipients, &out_of_time,
				       walk->list.has_failed_host ? &not_looked_up : NULL);
}

/* Hosts of the first preference are as good as one another: one with which there is a session already goes first. */
static void prefer_kept(struct walk *walk)
{
	const struct sockaddr_storage *equals[MX_ADDRESSES_MAX];
	struct mx_list *list = &walk->list;
	struct mx_address preferred;
	size_t count = 0, found;

	while (count < list->address_count && list->hosts[list->addresses[count].host].preference ==
						      list->hosts[list->addresses[0].host].preference) {
		equals[count] = &list->addresses[count].address;
		count++;
	}
	if (count < 2 || walk->params->delivery->connections == NULL)
		return;
	found = connection_cache_find_host(walk->params->delivery->connections, equals, count);
	if (found == 0 || found == count)
		return;
	preferred = list->addresses[found];
	memmove(&list->addresses[1], &list->addresses[0], found * sizeof(list->addresses[0]));
	list->addresses[0] = preferred;
}

static void walk_hosts(struct walk *walk)
{
	const struct delivery *delivery = walk->params->delivery;
	const struct mx_list *list = &walk->list;

	tls_destination_init(&walk->tls, delivery, walk->params->relay, list->domain, list->trust);
	prefer_kept(walk);
	for (size_t i = 0; i < list->address_count && walk->recipients.unreported > 0; i++) {
		if (!has_time_to_connect(walk) || is_cancelled(walk))
			break;
		try_address(walk, &list->addresses[i]);
	}
	finish(walk);
	tls_destination_wipe(&walk->tls);
}

static void run(struct walk *walk)
{
	const struct delivery *delivery = walk->params->delivery;
	const struct relay_hop *relay = walk->params->relay;
	struct delivery_status status = { 0 };

	if (mx_list_resolve(&walk->list, &(struct mx_request){
			.domain = relay != NULL ? relay->destination.host : walk->params->domain,
			.is_host = relay != NULL && relay->destination.is_host,
			.port = port_of(walk),
			.family = tenant_family(delivery->tenant,
						(enum mx_family)atomic_load(&delivery->setup->family),
						delivery->setup->conf.ipv6 == EDGE_IPV6_OFF),
			.resolver = delivery->setup->resolver,
			.deadline = delivery->deadline,
		}, &status) < 0)
		walk_recipients_finish_all(&walk->recipients, &status);
	else
		walk_hosts(walk);
	mx_list_wipe(&walk->list);
}

/* Between walk_recipients and the caller: what is wrong with a relay is not the recipients' fault. */
static void report_softened(void *context, size_t recipient, const struct delivery_status *status)
{
	const struct host_walk_params *params = ((struct walk *)context)->params;
	struct delivery_status softened = *status;

	delivery_policy_soften_relay(&softened);
	params->report(params->context, recipient, &softened);
}

static void report_no_memory(const struct host_walk_params *params)
{
	struct delivery_status status = { 0 };

	delivery_status_set_local(&status, STAGE_EDGE, ENHANCED_STATUS(4, 3, 1), "out of memory");
	for (size_t i = 0; i < params->count; i++)
		params->report(params->context, params->recipients[i], &status);
}

void host_walk_run(const struct host_walk_params *params, const struct destination_place *at, struct destination_lesson *lesson)
{
	struct walk *walk = calloc(1, sizeof(*walk));

	if (walk == NULL || walk_recipients_init(&walk->recipients, params) < 0) {
		report_no_memory(params);
		free(walk);
		return;
	}
	walk->params = params;
	walk->at = at;
	walk->lesson = lesson;
	buffer_init(&walk->key, CONNECTION_KEY_MAX);
	if (params->relay != NULL) {
		walk->recipients.report = report_softened;
		walk->recipients.context = walk;
	}
	delivery_progress_enter(params->delivery->progress, &walk->place, params->recipients,
				params->count);
	run(walk);
	delivery_progress_leave(params->delivery->progress, params->recipients, params->count);
	walk_recipients_wipe(&walk->recipients);
	buffer_wipe(&walk->key);
	free(walk);
}
