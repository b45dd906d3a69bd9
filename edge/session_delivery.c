/*
 * A session delivers in its own thread, and the threads of the delivery send the outcomes, one at a time (delivery_job.h). When the
 * wait is over, the session goes on in another thread, which tells of the rest. So one thread at a time uses the tunnel.
 */
#include "session_delivery.h"

#include <inttypes.h>
#include <stdlib.h>

#include "delivery_job.h"
#include "destination_share.h"
#include "lib/log.h"
#include "lib/thread.h"
#include "message_log.h"

/* A mail host that does not take an outcome for this long is gone. */
#define STATUS_WRITE_TIMEOUT_MS 30000
/* How often a client whose slots are scarce is looked at. */
#define CROWDED_LOOK_MS 1000

/* A failure to send is remembered, not reported: deliveries go on without a listener. */
static void give_up(struct edge_session *session)
{
	log_warning("outcome could not be told to client=%s: %s", session->client.name, session->tunnel.error);
	session->is_lost = true;
}

/* It leaves with DONE, or with what fills the tunnel's buffer, or with flush(). */
static void send_status(struct edge_session *session, size_t recipient, const struct delivery_status *status)
{
	struct deadline deadline = deadline_in_ms(STATUS_WRITE_TIMEOUT_MS);
	struct frame *frame;

	if (session->is_lost || (frame = calloc(1, sizeof(*frame))) == NULL) {
		session->is_lost = true;
		return;
	}
	frame->type = FRAME_DELIVERY_STATUS;
	frame->flags = FRAME_FLAG_CRITICAL;
	frame->transaction = session->transaction.id;
	frame->u.status.index = (uint32_t)recipient;
	frame->u.status.status = *status;
	if (tunnel_send_frame(&session->tunnel, frame, deadline) != TUNNEL_OK)
		give_up(session);
	free(frame);
}

static void flush(struct edge_session *session)
{
	if (!session->is_lost && tunnel_flush(&session->tunnel, deadline_in_ms(STATUS_WRITE_TIMEOUT_MS)) != TUNNEL_OK)
		give_up(session);
}

static void send_done(struct edge_session *session)
{
	struct deadline deadline = deadline_in_ms(STATUS_WRITE_TIMEOUT_MS);
	struct frame frame = {
		.type = FRAME_DONE,
		.flags = FRAME_FLAG_CRITICAL,
		.transaction = session->transaction.id,
	};

	if (!session->is_lost &&
	    (tunnel_send_frame(&session->tunnel, &frame, deadline) != TUNNEL_OK ||
	     tunnel_flush(&session->tunnel, deadline) != TUNNEL_OK))
		session->is_lost = true;
}

/* The last outcome is followed by DONE at once; others must not wait for it. */
static void tell(void *context, size_t recipient, const struct delivery_status *status)
{
	struct edge_session *session = context;

	send_status(session, recipient, status);
	if (--session->open_recipients > 0)
		flush(session);
}

/* The same outcome for every recipient, decided here. */
void session_delivery_refuse(struct edge_session *session)
{
	struct transaction *transaction = &session->transaction;

	log_info("client=%s: refused: %s", session->client.name, transaction->refusal.reason);
	for (size_t i = 0; i < transaction->envelope.recipient_count + transaction->surplus; i++)
		send_status(session, i, &transaction->refusal);
	tenant_row_tally(transaction->row, &transaction->refusal,
			 transaction->envelope.recipient_count + transaction->surplus);
	send_done(session);
	transaction->state = TRANSACTION_ANSWERED;
}

/* The mail host's slot is worth more than what a slow server will say in the end. */
static void put_off(struct edge_session *session, struct delivery_job *job, size_t recipient,
		    int64_t waited_ms)
{
	struct delivery_status status = { .in_progress = true };
	char place[DELIVERY_HOST_MAX + DELIVERY_ADDRESS_MAX + 80];

	delivery_status_set_local(&status, STAGE_EDGE, ENHANCED_STATUS(4, 4, 2),
				  "still in progress (%s, %" PRId64
				  " s); the result will be collected at the next attempt",
				  delivery_job_print_place(job, recipient, place, sizeof(place)),
				  waited_ms / 1000);
	send_status(session, recipient, &status);
}

static void put_off_rest(struct edge_session *session, struct delivery_job *job)
{
	int64_t waited_ms = delivery_job_waited_ms(job);
	size_t open = 0;

	for (size_t i = 0; delivery_job_next_open(job, &i); i++) {
		put_off(session, job, i, waited_ms);
		open++;
	}
	if (session->is_lost)
		return;
	log_info("client=%s: %zu recipients are still in progress after %" PRId64
		 " s; the delivery goes on, the result will be collected at the next attempt",
		 session->client.name, open, waited_ms / 1000);
}

/* A message has one of the slots, however many destinations it has; a delivery that goes on by itself has none. */
static bool is_crowded(struct edge_session *session)
{
	size_t busy, slots = session_table_count(&session->edge->sessions, session->client.name, &busy);

	return destination_share_is_crowded(slots, busy);
}

static int64_t lesser(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* A client whose slots are nearly all busy gets this one back earlier: its other mail needs it. */
static int64_t patience_ms(void *context, int64_t waited_ms)
{
	struct edge_session *session = context;
	int64_t left_ms = session->wait_limit_ms - waited_ms;

	if (left_ms <= 0)
		return 0;
	if (waited_ms < DESTINATION_CROWDED_PATIENCE_MS)
		return lesser(left_ms, DESTINATION_CROWDED_PATIENCE_MS - waited_ms);
	return is_crowded(session) ? 0 : lesser(left_ms, CROWDED_LOOK_MS);
}

static void *go_on(void *argument)
{
	struct delivery_job *job = argument;
	struct edge_session *session = delivery_job_context(job);

	message_log_begin(session->client.name, delivery_job_queue_id(job));
	put_off_rest(session, job);
	delivery_job_release(job);
	send_done(session);
	edge_session_resume(session);
	return NULL;
}

static bool take_over(void *context, struct delivery_job *job)
{
	(void)context;
	return thread_start_detached(go_on, job) == 0;
}

/* Told with the first outcome. */
static void put_off_surplus(struct edge_session *session)
{
	struct transaction *transaction = &session->transaction;
	size_t count = transaction->envelope.recipient_count;
	struct delivery_status status;

	if (transaction->surplus == 0)
		return;
	transaction_surplus_status(transaction, &status);
	log_info("client=%s: %zu recipients are put off: %s", transaction->tenant.name,
		 transaction->surplus, status.reason);
	for (size_t i = 0; i < transaction->surplus; i++)
		send_status(session, count + i, &status);
	tenant_row_tally(transaction->row, &status, transaction->surplus);
	transaction->surplus = 0;
}

static void refuse_for_memory(struct edge_session *session)
{
	delivery_status_set_local(&session->transaction.refusal, STAGE_EDGE, ENHANCED_STATUS(4, 3, 1),
				  "this edge is out of memory");
	session_delivery_refuse(session);
}

bool session_delivery_run(struct edge_session *session)
{
	const struct delivery_listener listener = {
		.tell = tell,
		.patience_ms = patience_ms,
		.take_over = take_over,
		.context = session,
	};
	struct delivery_job *job;

	session->wait_limit_ms = session->transaction.setup->conf.wait_limit;
	session->open_recipients = session->transaction.envelope.recipient_count;
	put_off_surplus(session);
	job = delivery_job_create(session->edge, &session->transaction, &listener);
	if (job == NULL) {
		refuse_for_memory(session);
		return true;
	}
	if (!delivery_job_run(job))
		return false;
	send_done(session);
	return true;
}
