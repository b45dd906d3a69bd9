/*
 * The walk through a domain's mail exchangers. What a failure means stands in delivery_policy.c;
 * which addresses there are, in mx_list.c; the conversation, in smtp_client.c. Here is only the
 * order of events: connect, talk, give the recipients that are still open to the next host, and
 * stop when there is none.
 */
#include "host_walk.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "delivery_policy.h"
#include "lib/endpoint.h"
#include "lib/log.h"
#include "mx_list.h"
#include "smtp_client.h"
#include "tcp_connect.h"
#include "tls_destination.h"
#include "tls_report.h"

#define SMTP_PORT 25

/* Where a recipient stands in this walk. */
enum pending_state {
	PENDING_OPEN,		/* may be offered to this host */
	PENDING_NEXT_HOST,	/* this host said no, another may be asked */
	PENDING_DONE,		/* reported */
};

struct pending {
	size_t recipient;
	enum pending_state state;
	bool has_status;		/* some host gave a verdict */
	struct delivery_status status;	/* the verdict kept if no further host does better */
	struct smtp_event event;	/* of the transaction under way */
	bool has_event;
};

struct walk {
	const struct host_walk_params *params;
	struct pending *pending;
	size_t count;
	size_t open_count;		/* not PENDING_DONE */
	/* the host being talked to */
	const struct mx_host *host;
	char address[SOCKADDR_TEXT_MAX];
	struct smtp_client client;
	struct tls_destination tls;
	struct tls_terms terms;		/* of the host being talked to */
	char source[SOCKADDR_TEXT_MAX];	/* our end of that connection; "" = none yet */
};

static void finish(struct walk *walk, struct pending *pending, const struct delivery_status *status)
{
	pending->state = PENDING_DONE;
	walk->open_count--;
	walk->params->report(walk->params->context, pending->recipient, status);
}

static void describe_host(const struct walk *walk, struct delivery_status *status)
{
	snprintf(status->remote_mta, sizeof(status->remote_mta), "%s", walk->host->exchange);
	snprintf(status->remote_address, sizeof(status->remote_address), "%s", walk->address);
	status->remote_port = SMTP_PORT;
	snprintf(status->tls, sizeof(status->tls), "%s", walk->client.tls.description);
	status->dsn_offered = walk->client.capabilities.dsn;
}

/* A verdict that leaves the recipient to the next host. */
static void keep(struct pending *pending, const struct delivery_status *status)
{
	if (pending->has_status)
		delivery_policy_merge(&pending->status, status);
	else
		pending->status = *status;
	pending->has_status = true;
	pending->state = PENDING_NEXT_HOST;
}

static void apply(struct walk *walk, struct pending *pending, struct delivery_decision *decision)
{
	describe_host(walk, &decision->status);
	switch (decision->next) {
	case DELIVERY_NEXT_FINAL:
		/*
		 * Not always the last word: that a backup is ourselves bounces nothing while the
		 * primary is only down.
		 */
		if (pending->has_status)
			delivery_policy_merge(&pending->status, &decision->status);
		else
			pending->status = decision->status;
		finish(walk, pending, &pending->status);
		break;
	case DELIVERY_NEXT_TRANSACTION:
		/* Stays open here; if the connection goes, this verdict is what is known. */
		keep(pending, &decision->status);
		pending->state = PENDING_OPEN;
		break;
	case DELIVERY_NEXT_HOST:
	case DELIVERY_NEXT_CLEARTEXT:
		keep(pending, &decision->status);
		break;
	}
}

/* The same verdict for all that are still open at this host. */
static void apply_to_open(struct walk *walk, const struct delivery_decision *decision)
{
	for (size_t i = 0; i < walk->count; i++) {
		struct delivery_decision copy = *decision;

		if (walk->pending[i].state == PENDING_OPEN)
			apply(walk, &walk->pending[i], &copy);
	}
}

static bool is_cancelled(const struct walk *walk)
{
	return atomic_load(&walk->params->delivery->end->phase) >= EDGE_CANCELLING;
}

static void on_result(void *context, size_t recipient, const struct smtp_event *event)
{
	struct walk *walk = context;

	for (size_t i = 0; i < walk->count; i++) {
		if (walk->pending[i].recipient == recipient) {
			walk->pending[i].event = *event;
			walk->pending[i].has_event = true;
			return;
		}
	}
}

/* Recipients that the server took: those whose verdict came after RCPT. */
static size_t count_accepted(const struct walk *walk)
{
	size_t accepted = 0;

	for (size_t i = 0; i < walk->count; i++)
		if (walk->pending[i].has_event && walk->pending[i].event.stage > STAGE_RCPT)
			accepted++;
	return accepted;
}

static void decide_batch(struct walk *walk, enum tls_level level)
{
	size_t accepted = count_accepted(walk);
	struct delivery_decision decision;

	for (size_t i = 0; i < walk->count; i++) {
		if (!walk->pending[i].has_event)
			continue;
		walk->pending[i].has_event = false;
		delivery_policy_decide(&walk->pending[i].event, level, accepted, &decision);
		apply(walk, &walk->pending[i], &decision);
	}
}

static size_t count_open_here(const struct walk *walk)
{
	size_t count = 0;

	for (size_t i = 0; i < walk->count; i++)
		if (walk->pending[i].state == PENDING_OPEN)
			count++;
	return count;
}

/* Fills indices with recipients that may be offered to this host. */
static size_t next_batch(const struct walk *walk, size_t *indices)
{
	size_t count = 0;

	for (size_t i = 0; i < walk->count && count < SMTP_RECIPIENTS_PER_TRANSACTION; i++)
		if (walk->pending[i].state == PENDING_OPEN)
			indices[count++] = walk->pending[i].recipient;
	return count;
}

/*
 * The connection is gone before everybody had a turn: no verdict of this host, but a reason why
 * there is none.
 */
static void lose_open(struct walk *walk, enum tls_level level)
{
	struct smtp_event event = { .stage = STAGE_MAIL, .failure = SMTP_FAILURE_LOST };
	struct delivery_decision decision;

	delivery_policy_decide(&event, level, 0, &decision);
	apply_to_open(walk, &decision);
}

/*
 * As many transactions as it takes; ends when no recipient is open here or a transaction gave none
 * a verdict.
 */
static void run_transactions(struct walk *walk, enum tls_level level)
{
	const struct delivery *delivery = walk->params->delivery;
	size_t indices[SMTP_RECIPIENTS_PER_TRANSACTION];
	size_t open_before, count;
	bool usable = true;

	while (usable && (count = next_batch(walk, indices)) > 0) {
		open_before = count_open_here(walk);
		usable = smtp_client_transaction(&walk->client, &(struct smtp_transaction){
			.envelope = delivery->envelope,
			.indices = indices,
			.count = count,
			.content = delivery->content,
			.prefix = walk->params->trace_field,
			.prefix_length = walk->params->trace_field_length,
			.result = on_result,
			.context = walk,
		});
		decide_batch(walk, level);
		if (count_open_here(walk) == open_before)
			break;
	}
	if (usable)
		smtp_client_quit(&walk->client);
	else
		smtp_client_close(&walk->client);
	if (!usable && !deadline_has_passed(delivery->deadline) && !is_cancelled(walk))
		lose_open(walk, level);
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

/* A connection that is ready for mail, or false with why not. */
static bool open_connection(struct walk *walk, const struct sockaddr_storage *address,
			    struct smtp_event *event)
{
	const struct delivery *delivery = walk->params->delivery;
	struct tls_report_host host;
	bool is_open;
	int fd;

	*event = (struct smtp_event){ .stage = STAGE_CONNECT, .failure = SMTP_FAILURE_CONNECT };
	memset(&walk->client, 0, sizeof(walk->client));
	fd = tcp_connect(
		address,
		deadline_earlier(delivery->deadline, deadline_in_ms(SMTP_CONNECT_TIMEOUT_MS)),
		delivery->end->cancel_fd, event->detail, sizeof(event->detail));
	if (fd < 0) {
		if (is_cancelled(walk))
			event->failure = SMTP_FAILURE_CANCELLED;
		return false;
	}
	note_source(walk, fd);
	is_open = smtp_client_open(&walk->client, fd, &(struct smtp_client_params){
			.ehlo_name = delivery->setup->conf.ehlo_name,
			.terms = &walk->terms,
			.tls = delivery->setup->tls,
			.deadline = delivery->deadline,
			.cancel_fd = delivery->end->cancel_fd,
		}, event) == 0;
	host = report_host(walk);
	if (is_open)
		tls_report_opened(&walk->tls, &walk->terms, &host, &walk->client);
	else
		tls_report_failed(&walk->tls, &walk->terms, &host, &walk->client, event);
	return is_open;
}

/* One connection. Returns what is to be done next with this address: CLEARTEXT or nothing more. */
static enum delivery_next try_connection(struct walk *walk, const struct sockaddr_storage *address)
{
	enum tls_level level = walk->terms.level;
	struct delivery_decision decision;
	struct smtp_event event;

	if (open_connection(walk, address, &event)) {
		if (walk->client.tls.fault != TLS_FAULT_NONE)
			log_warning("MTA-STS policy of %s, which is in testing: %s[%s]: %s",
				    walk->tls.domain, walk->host->exchange, walk->address,
				    walk->client.tls.error);
		run_transactions(walk, level);
		return DELIVERY_NEXT_HOST;
	}
	delivery_policy_decide(&event, level, 0, &decision);
	if (decision.next == DELIVERY_NEXT_CLEARTEXT &&
	    deadline_has_passed(walk->params->delivery->deadline))
		decision.next = DELIVERY_NEXT_HOST;	/* a further try would hide why this failed */
	if (decision.next == DELIVERY_NEXT_CLEARTEXT && level == TLS_MAY) {
		log_info("TLS with %s[%s] failed (%s); trying again without, as no policy asks for "
			 "it",
			 walk->host->exchange, walk->address,
			 event.detail[0] != '\0' ? event.detail : "no answer to STARTTLS");
		return DELIVERY_NEXT_CLEARTEXT;
	}
	apply_to_open(walk, &decision);
	return decision.next;
}

/* Nobody is connected to: the same verdict for everybody, and the next host. */
static void pass_over(struct walk *walk, const struct delivery_status *status)
{
	struct delivery_decision decision = { .next = DELIVERY_NEXT_HOST, .status = *status };

	memset(&walk->client, 0, sizeof(walk->client));
	apply_to_open(walk, &decision);
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
	else if (tls_destination_terms(&walk->tls, walk->host, SMTP_PORT, &walk->terms, &status))
		return true;
	else
		tls_report_passed_over(&walk->tls, &(struct tls_report_host){
			walk->host->exchange, walk->address, "" });
	pass_over(walk, &status);
	return false;
}

static void try_address(struct walk *walk, const struct mx_list *list, size_t i)
{
	const struct mx_address *target = &list->addresses[i];

	walk->host = &list->hosts[target->host];
	endpoint_print_address((const struct sockaddr *)&target->address, walk->address,
			       sizeof(walk->address));
	for (size_t n = 0; n < walk->count; n++)
		if (walk->pending[n].state == PENDING_NEXT_HOST)
			walk->pending[n].state = PENDING_OPEN;
	if (!is_allowed(walk, target) ||
	    try_connection(walk, &target->address) != DELIVERY_NEXT_CLEARTEXT)
		return;
	walk->terms.level = TLS_NONE;
	try_connection(walk, &target->address);
}

/*
 * No host is left (or no time): what was kept stands, made temporary if a host could not even be
 * looked up.
 */
static void finish_open(struct walk *walk, const struct mx_list *list)
{
	for (size_t i = 0; i < walk->count; i++) {
		struct pending *pending = &walk->pending[i];
		struct delivery_status status = { 0 };

		if (pending->state == PENDING_DONE)
			continue;
		if (is_cancelled(walk))
			delivery_status_set_local(&status, STAGE_EDGE, ENHANCED_STATUS(4, 3, 2),
						  "the edge is stopping");
		else if (!pending->has_status)
			delivery_status_set_local(&status, STAGE_CONNECT, ENHANCED_STATUS(4, 4, 7),
						  "no time left for this delivery attempt");
		else
			status = pending->status;
		if (status.action == DELIVERY_FAILED && list->has_failed_host) {
			memset(&status, 0, sizeof(status));
			delivery_status_set_local(&status, STAGE_DNS, ENHANCED_STATUS(4, 4, 3),
						  "%s", list->failed_host);
		}
		finish(walk, pending, &status);
	}
}

static struct walk *walk_create(const struct host_walk_params *params)
{
	struct walk *walk = calloc(1, sizeof(*walk));

	if (walk == NULL)
		return NULL;
	walk->pending = calloc(params->count, sizeof(*walk->pending));
	if (walk->pending == NULL) {
		free(walk);
		return NULL;
	}
	walk->params = params;
	walk->count = walk->open_count = params->count;
	for (size_t i = 0; i < params->count; i++)
		walk->pending[i].recipient = params->recipients[i];
	return walk;
}

/* Nothing was tried: the same status for everybody. */
static void report_all(const struct host_walk_params *params, const struct delivery_status *status)
{
	for (size_t i = 0; i < params->count; i++)
		params->report(params->context, params->recipients[i], status);
}

void host_walk_run(const struct host_walk_params *params)
{
	const struct delivery *delivery = params->delivery;
	struct delivery_status status = { 0 };
	struct mx_list *list = calloc(1, sizeof(*list));
	struct walk *walk = walk_create(params);

	if (list == NULL || walk == NULL) {
		delivery_status_set_local(&status, STAGE_EDGE, ENHANCED_STATUS(4, 3, 1),
					  "out of memory");
		report_all(params, &status);
	} else if (mx_list_resolve(list, &(struct mx_request){
			.domain = params->domain,
			.port = SMTP_PORT,
			.family = (enum mx_family)atomic_load(&delivery->setup->family),
			.resolver = delivery->setup->resolver,
			.deadline = delivery->deadline,
		}, &status) < 0) {
		report_all(params, &status);
	} else {
		tls_destination_init(&walk->tls, delivery, list->domain, list->trust);
		for (size_t i = 0; i < list->address_count && walk->open_count > 0; i++) {
			if (deadline_has_passed(delivery->deadline) || is_cancelled(walk))
				break;
			try_address(walk, list, i);
		}
		finish_open(walk, list);
		tls_destination_wipe(&walk->tls);
	}
	if (walk != NULL)
		free(walk->pending);
	free(walk);
	if (list != NULL)
		mx_list_wipe(list);
	free(list);
}
