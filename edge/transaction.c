/*
 * Collects a transaction under the limits of edge.conf. What breaks the protocol ends the tunnel;
 * what breaks a limit is an outcome for every recipient. Memory is taken as content really arrives,
 * never because a peer announces it.
 */
#include "transaction.h"

#include <inttypes.h>
#include <string.h>

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

void transaction_begin(struct transaction *transaction, struct edge *edge, uint32_t id,
		       const struct frame_envelope *frame)
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
	conf = &transaction->setup->conf;
	budget_ms = frame->budget_ms < conf->delivery_time_limit ? frame->budget_ms
								 : conf->delivery_time_limit;
	transaction->deadline = deadline_in_ms(budget_ms);
	if (frame->envelope.declared_size > (uint64_t)conf->message_size_limit) {
		delivery_status_set_local(&status, STAGE_EDGE, ENHANCED_STATUS(5, 3, 4),
					  "message size %" PRIu64
					  " exceeds this edge's limit of %" PRId64 " bytes",
					  frame->envelope.declared_size, conf->message_size_limit);
		refuse(transaction, &status);
	}
}

bool transaction_add_recipient(struct transaction *transaction, uint32_t index,
			       const struct recipient *recipient)
{
	struct delivery_status status = { 0 };

	if (transaction->state == TRANSACTION_ANSWERED)
		return true;
	if (index != transaction->envelope.recipient_count || transaction->digest.length > 0)
		return false;
	if (envelope_add_recipient(&transaction->envelope, recipient) < 0)
		return false;
	if (transaction->envelope.recipient_count >
	    (size_t)transaction->setup->conf.recipient_limit) {
		delivery_status_set_local(&status, STAGE_EDGE, ENHANCED_STATUS(4, 5, 3),
					  "more recipients than this edge's limit of %" PRId64,
					  transaction->setup->conf.recipient_limit);
		refuse(transaction, &status);
	}
	return true;
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
	int64_t limit = transaction->setup->conf.message_size_limit;
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
	} else if (transaction->digest.length > (uint64_t)limit) {
		delivery_status_set_local(&status, STAGE_EDGE, ENHANCED_STATUS(5, 3, 4),
					  "message exceeds this edge's limit of %" PRId64 " bytes",
					  limit);
		refuse(transaction, &status);
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

void transaction_deliver(struct transaction *transaction, struct edge *edge, const char *client,
			 struct delivery_progress *progress, delivery_sink_fn *sink, void *context)
{
	delivery_run(&(struct delivery){
		.setup = transaction->setup,
		.envelope = &transaction->envelope,
		.content = &transaction->content,
		.tls_required_no = header_section_has_tls_required_no(&transaction->content),
		.content_digest = transaction->content_digest,
		.client = client,
		.deadline = transaction->deadline,
		.journal = edge->journal,
		.sts = edge->sts,
		.tlsrpt = edge->tlsrpt,
		.keeper = edge->keeper,
		.end = &edge->end,
		.load = &edge->load,
		.destinations = &edge->destinations,
		.connections = edge->connections,
		.progress = progress,
		.sink = sink,
		.context = context,
	});
}
