/*
 * Collects a transaction under the limits of edge.conf. What breaks the protocol ends the tunnel;
 * what breaks a limit is an outcome for every recipient. Memory is taken as content really arrives,
 * never because a peer announces it.
 */
#include "transaction.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "header_section.h"
#include "received.h"

void transaction_init(struct transaction *transaction)
{
	memset(transaction, 0, sizeof(*transaction));
}

void transaction_end(struct transaction *transaction)
{
	uint32_t id = transaction->id;

	if (transaction->state == TRANSACTION_NONE)
		return;
	envelope_wipe(&transaction->envelope);
	content_wipe(&transaction->content);
	edge_setup_release(transaction->setup);
	tenant_row_leave(transaction->row, transaction->is_admitted);
	transaction_init(transaction);
	transaction->id = id;
}

void transaction_move(struct transaction *to, struct transaction *from)
{
	uint32_t id = from->id;

	*to = *from;
	transaction_init(from);
	from->id = id;
}

/* The first refusal counts; content that is held already is given back. */
static void refuse(struct transaction *transaction, const struct delivery_status *refusal)
{
	if (transaction->state != TRANSACTION_RECEIVING)
		return;
	transaction->refusal = *refusal;
	transaction->state = TRANSACTION_REFUSED;
	content_wipe(&transaction->content);
}

/* A report to a sender has one recipient, whoever makes it (RFC 3464): more of them are none. */
#define BOUND_NULL_SENDER_RECIPIENTS 1

static void set_limits(struct transaction *transaction, const struct tenant_terms *terms)
{
	const struct edge_conf *conf = &transaction->setup->conf;

	transaction->tenant = terms->tenant;
	transaction->size_max = tenant_limit(conf->message_size_limit, terms->limits.size);
	transaction->recipients_max =
		(size_t)tenant_limit(conf->recipient_limit, terms->limits.recipients);
	if (terms->has_domains && transaction->envelope.reverse_path.is_null)
		transaction->recipients_max = BOUND_NULL_SENDER_RECIPIENTS;
}

static void refuse_limit(struct transaction *transaction, enum tenant_refusal kind,
			 const struct delivery_status *refusal)
{
	if (transaction->state == TRANSACTION_RECEIVING)
		tenant_row_count_refusal(transaction->row, kind, 1);
	refuse(transaction, refusal);
}

static int64_t whole_seconds(int64_t ms)
{
	return (ms + 999) / 1000;
}

/*
 * All of them temporary. A postmaster who forgets a domain in the list shall find its mail in the
 * queue, not in the senders' mailboxes as bounces; whoever has stolen a key gets as little by a 4xx.
 */
static void explain_admission(struct delivery_status *status, const struct transaction *transaction,
			      const struct tenant_terms *terms,
			      const struct tenant_admission *admission)
{
	const char *name = transaction->tenant.name;

	if (transaction->row == NULL)
		delivery_status_set_local(status, STAGE_EDGE, ENHANCED_STATUS(4, 3, 1),
					  "this edge is out of memory");
	else if (admission->refusal == TENANT_SENDER)
		delivery_status_set_local(
			status, STAGE_EDGE, ENHANCED_STATUS(4, 7, 1),
			"sender domain %.255s is not among the domains= of client %s",
			transaction->envelope.reverse_path.mailbox.domain, name);
	else if (admission->refusal == TENANT_CONCURRENCY)
		delivery_status_set_local(status, STAGE_EDGE, ENHANCED_STATUS(4, 3, 2),
					  "client %s has %" PRId64
					  " messages under way, its concurrency=; try again later",
					  name, terms->limits.concurrency);
	else
		delivery_status_set_local(
			status, STAGE_EDGE, ENHANCED_STATUS(4, 7, 0),
			"client %s has used up its %s; try again in %" PRId64 " s", name,
			admission->refusal == TENANT_RATE ? "rate=" : "bounces= (null sender)",
			whole_seconds(admission->wait_ms));
}

static void enter(struct transaction *transaction, struct edge *edge,
		  const struct tenant_terms *terms)
{
	struct tenant_admission admission = { .refusal = TENANT_REFUSALS };
	struct delivery_status status = { 0 };

	if (terms->is_unknown) {
		delivery_status_set_local(&status, STAGE_EDGE, ENHANCED_STATUS(4, 3, 0),
					  "this edge cannot find out now whether client %s may deliver",
					  transaction->tenant.name);
		refuse(transaction, &status);
		return;
	}
	transaction->row = tenant_table_enter(&edge->tenants, terms,
					      transaction->envelope.reverse_path.is_null,
					      deadline_now_ms(), &admission);
	transaction->is_admitted = transaction->row != NULL &&
				   admission.refusal == TENANT_ADMITTED;
	if (transaction->is_admitted)
		return;
	explain_admission(&status, transaction, terms, &admission);
	refuse(transaction, &status);
}

void transaction_begin(struct transaction *transaction, struct edge *edge, uint32_t id,
		       const struct frame_envelope *frame, const struct tenant_terms *terms)
{
	const struct edge_conf *conf;
	struct delivery_status status = { 0 };
	int64_t budget_ms;

	transaction->id = id;
	transaction->state = TRANSACTION_RECEIVING;
	transaction->setup = edge_acquire_setup(edge);
	transaction->envelope = frame->envelope; /* a decoded envelope has no recipients, hence
						    nothing on the heap */
	content_init(&transaction->content, &edge->content_pool);
	dot_verifier_init(&transaction->verifier);
	content_digest_init(&transaction->digest);
	set_limits(transaction, terms);
	conf = &transaction->setup->conf;
	budget_ms = frame->budget_ms < conf->delivery_time_limit ? frame->budget_ms
								 : conf->delivery_time_limit;
	transaction->deadline = deadline_in_ms(budget_ms);
	enter(transaction, edge, terms);
	if (frame->envelope.declared_size > (uint64_t)transaction->size_max) {
		delivery_status_set_local(&status, STAGE_EDGE, ENHANCED_STATUS(5, 3, 4),
					  "message size %" PRIu64
					  " exceeds this edge's limit of %" PRId64 " bytes",
					  frame->envelope.declared_size, transaction->size_max);
		refuse_limit(transaction, TENANT_SIZE, &status);
	}
}

bool transaction_add_recipient(struct transaction *transaction, uint32_t index,
			       const struct recipient *recipient)
{
	size_t count = transaction->envelope.recipient_count;

	if (transaction->state == TRANSACTION_ANSWERED)
		return true;
	if (index != count + transaction->surplus || transaction->digest.length > 0)
		return false;
	if (count < transaction->recipients_max)
		return envelope_add_recipient(&transaction->envelope, recipient) == 0;
	tenant_row_count_refusal(transaction->row, TENANT_RECIPIENTS, 1);
	return ++transaction->surplus + count <= TUNNEL_RECIPIENTS_MAX;
}

/*
 * They are put off, and the others delivered: if all were refused, a mail host that sends the same
 * recipients together again would never be rid of them.
 */
void transaction_surplus_status(const struct transaction *transaction,
				struct delivery_status *status)
{
	memset(status, 0, sizeof(*status));
	delivery_status_set_local(status, STAGE_EDGE, ENHANCED_STATUS(4, 5, 3),
				  "more recipients than the limit of %zu for this message",
				  transaction->recipients_max);
}

static void refuse_for_memory(struct transaction *transaction, enum content_result result)
{
	struct delivery_status status = { 0 };

	delivery_status_set_local(&status, STAGE_EDGE, ENHANCED_STATUS(4, 3, 1),
				  result == CONTENT_POOL_FULL
					  ? "this edge's memory for mail (content_memory) is full"
					  : "this edge is out of memory");
	refuse(transaction, &status);
}

bool transaction_add_content(struct transaction *transaction, const void *bytes, size_t length)
{
	struct delivery_status status = { 0 };
	enum content_result result;

	if (transaction->state == TRANSACTION_ANSWERED)
		return true;
	if (transaction->envelope.recipient_count == 0)
		return false;
	if (transaction->state == TRANSACTION_REFUSED)
		return true;
	content_digest_update(&transaction->digest, bytes, length);
	if (!dot_verifier_feed(&transaction->verifier, bytes, length)) {
		delivery_status_set_local(&status, STAGE_EDGE, ENHANCED_STATUS(5, 6, 0),
					  "content with a bare CR or LF, or an end of data inside");
		refuse(transaction, &status);
	} else if (transaction->digest.length > (uint64_t)transaction->size_max) {
		delivery_status_set_local(&status, STAGE_EDGE, ENHANCED_STATUS(5, 3, 4),
					  "message exceeds this edge's limit of %" PRId64 " bytes",
					  transaction->size_max);
		refuse_limit(transaction, TENANT_SIZE, &status);
	} else if ((result = content_append(&transaction->content, bytes, length)) != CONTENT_OK) {
		refuse_for_memory(transaction, result);
	}
	return true;
}

static void check_loop(struct transaction *transaction)
{
	const struct edge_conf *conf = &transaction->setup->conf;
	struct received_count count = received_count(&transaction->content, conf->ehlo_name);
	struct delivery_status status = { 0 };

	if (count.hops <= (size_t)conf->hop_count_limit && count.own < RECEIVED_OWN_MAX)
		return;
	delivery_status_set_local(&status, STAGE_EDGE, ENHANCED_STATUS(5, 4, 6),
				  "mail loop: %zu Received fields, %zu of them from this edge",
				  count.hops, count.own);
	refuse(transaction, &status);
}

bool transaction_complete(struct transaction *transaction,
			  const uint8_t digest[CONTENT_DIGEST_SIZE], uint64_t length)
{
	struct delivery_status status = { 0 };

	if (transaction->state == TRANSACTION_ANSWERED)
		return true;
	if (transaction->envelope.recipient_count == 0)
		return false;
	if (transaction->state == TRANSACTION_REFUSED)
		return true;
	content_digest_final(&transaction->digest, transaction->content_digest);
	if (length != transaction->digest.length ||
	    memcmp(digest, transaction->content_digest, CONTENT_DIGEST_SIZE) != 0)
		return false;
	if (!dot_verifier_finish(&transaction->verifier)) {
		delivery_status_set_local(&status, STAGE_EDGE, ENHANCED_STATUS(5, 6, 0),
					  "content does not end with CRLF");
		refuse(transaction, &status);
		return true;
	}
	check_loop(transaction);
	return true;
}

/* Outcomes on their way to who waits for them. */
struct counted_sink {
	const struct transaction *transaction;
	struct edge *edge;
	delivery_sink_fn *sink;
	void *context;
};

static void count_outcome(void *context, size_t recipient, const struct delivery_status *status)
{
	const struct counted_sink *counted = context;

	const struct transaction *transaction = counted->transaction;

	tenant_row_count_outcome(transaction->row, status);
	outcome_table_note(&counted->edge->outcomes, transaction->tenant.name,
			   transaction->envelope.recipients[recipient].forward_path.domain, status,
			   (enum edge_log_recipients)transaction->setup->conf.log_recipients, time(NULL));
	counted->sink(counted->context, recipient, status);
}

void transaction_deliver(struct transaction *transaction, struct edge *edge,
			 struct delivery_progress *progress, delivery_sink_fn *sink, void *context)
{
	struct counted_sink counted = { transaction, edge, sink, context };

	delivery_run(&(struct delivery){
		.setup = transaction->setup,
		.envelope = &transaction->envelope,
		.content = &transaction->content,
		.tls_required_no = header_section_has_tls_required_no(&transaction->content),
		.content_digest = transaction->content_digest,
		.tenant = &transaction->tenant,
		.slots = session_table_count(&edge->sessions, transaction->tenant.name, NULL),
		.deadline = transaction->deadline,
		.journal = edge->journal,
		.sts = edge->sts,
		.tlsrpt = edge->tlsrpt,
		.keeper = edge->keeper,
		.refusals = &edge->relay_refusals,
		.end = &edge->end,
		.load = &edge->load,
		.destinations = &edge->destinations,
		.connections = edge->connections,
		.progress = progress,
		.sink = count_outcome,
		.context = &counted,
	});
}
