/*
 * A session waits for the outcomes of a delivery that runs in another thread (delivery_job.h); if
 * there is none to be had, it delivers itself, and the threads of the delivery send the outcomes, one
 * at a time (delivery.h). At no other time do two threads use the tunnel.
 */
#include "session_delivery.h"

#include <inttypes.h>
#include <stdlib.h>

#include "delivery_job.h"
#include "destination_share.h"
#include "lib/log.h"

/* A mail host that does not take an outcome for this long is gone. */
#define STATUS_WRITE_TIMEOUT_MS 30000
/* When a delivery could not be left to itself: how soon it is tried again. */
#define LEAVE_AGAIN_MS 1000

/* A failure to send is remembered, not reported: deliveries go on without a listener. */
static void send_status(void *context, size_t recipient, const struct delivery_status *status)
{
	struct edge_session *session = context;
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
	if (tunnel_send_frame(&session->tunnel, frame, deadline) != TUNNEL_OK ||
	    tunnel_flush(&session->tunnel, deadline) != TUNNEL_OK) {
		log_warning("outcome could not be told to client=%s: %s", session->client.name,
			    session->tunnel.error);
		session->is_lost = true;
	}
	free(frame);
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

/* The same outcome for every recipient, decided here. */
void session_delivery_refuse(struct edge_session *session)
{
	struct transaction *transaction = &session->transaction;

	log_info("client=%s: refused: %s", session->client.name, transaction->refusal.reason);
	for (size_t i = 0; i < transaction->envelope.recipient_count + transaction->surplus; i++)
		send_status(session, i, &transaction->refusal);
	send_done(session);
	transaction->state = TRANSACTION_ANSWERED;
}

/* The mail host's slot is worth more than what a slow server will say in the end. */
static void put_off(struct edge_session *session, struct delivery_job *job, size_t recipient,
		    int64_t wait_ms)
{
	struct delivery_status status = { .in_progress = true };
	char place[DELIVERY_HOST_MAX + DELIVERY_ADDRESS_MAX + 80];

	delivery_status_set_local(&status, STAGE_EDGE, ENHANCED_STATUS(4, 4, 2),
				  "still in progress (%s, %" PRId64
				  " s); the result will be collected at the next attempt",
				  delivery_job_print_place(job, recipient, place, sizeof(place)),
				  wait_ms / 1000);
	send_status(session, recipient, &status);
}

static void put_off_rest(struct edge_session *session, struct delivery_job *job,
			 const bool *is_told, size_t count, int64_t wait_ms)
{
	size_t open = 0;

	for (size_t i = 0; i < count; i++) {
		if (is_told[i])
			continue;
		put_off(session, job, i, wait_ms);
		open++;
	}
	if (session->is_lost)
		return;
	log_info("client=%s: %zu recipients are still in progress after %" PRId64
		 " s; the delivery goes on, the result will be collected at the next attempt",
		 session->client.name, open, wait_ms / 1000);
}

/*
 * How long to wait from now on. A client whose slots are nearly all busy gets this one back earlier: its other mail needs it.
 */
static struct deadline next_look(int64_t began_ms, int64_t wait_ms)
{
	int64_t waited_ms = deadline_now_ms() - began_ms, left_ms = wait_ms - waited_ms;

	if (waited_ms < DESTINATION_CROWDED_PATIENCE_MS && left_ms > DESTINATION_CROWDED_PATIENCE_MS - waited_ms)
		return deadline_in_ms(DESTINATION_CROWDED_PATIENCE_MS - waited_ms);
	return deadline_in_ms(left_ms > 0 && left_ms < LEAVE_AGAIN_MS ? left_ms : LEAVE_AGAIN_MS);
}

/* A message has one of the slots, however many destinations it has; a delivery that goes on by itself has none. */
static bool is_crowded(struct edge_session *session)
{
	size_t busy, slots = session_table_count(&session->edge->sessions, session->client.name, &busy);

	return destination_share_is_crowded(slots, busy);
}

static bool is_wait_over(struct edge_session *session, int64_t began_ms, int64_t wait_ms)
{
	int64_t waited_ms = deadline_now_ms() - began_ms;

	return waited_ms >= wait_ms || (waited_ms >= DESTINATION_CROWDED_PATIENCE_MS && is_crowded(session));
}

/* Tells outcomes as they come, until all are there or the wait is over. */
static void await(struct edge_session *session, struct delivery_job *job, bool *is_told,
		  size_t count, int64_t wait_ms)
{
	int64_t began_ms = deadline_now_ms();
	struct deadline deadline = next_look(began_ms, wait_ms);
	struct delivery_status status;
	enum delivery_job_event event;
	size_t recipient;

	while ((event = delivery_job_wait(job, deadline, &recipient, &status)) != DELIVERY_JOB_DONE) {
		if (event == DELIVERY_JOB_STATUS) {
			is_told[recipient] = true;
			send_status(session, recipient, &status);
		} else if (is_wait_over(session, began_ms, wait_ms) && delivery_job_leave(job)) {
			put_off_rest(session, job, is_told, count, deadline_now_ms() - began_ms);
			return;
		} else {
			deadline = next_look(began_ms, wait_ms);
		}
	}
}

static void put_off_surplus(struct edge_session *session)
{
	const struct transaction *transaction = &session->transaction;
	size_t count = transaction->envelope.recipient_count;
	struct delivery_status status;

	if (transaction->surplus == 0)
		return;
	transaction_surplus_status(transaction, &status);
	log_info("client=%s: %zu recipients are put off: %s", transaction->tenant.name,
		 transaction->surplus, status.reason);
	for (size_t i = 0; i < transaction->surplus; i++)
		send_status(session, count + i, &status);
}

void session_delivery_run(struct edge_session *session)
{
	struct transaction *transaction = &session->transaction;
	size_t count = transaction->envelope.recipient_count;
	int64_t wait_ms = transaction->setup->conf.wait_limit;
	bool *is_told = calloc(count, sizeof(*is_told));
	struct delivery_job *job = NULL;

	put_off_surplus(session);
	if (is_told != NULL)
		job = delivery_job_start(session->edge, transaction);
	if (job != NULL) {
		await(session, job, is_told, count, wait_ms);
		delivery_job_release(job);
	} else {
		transaction_deliver(transaction, session->edge, NULL, send_status, session);
		/* DONE brings the next message; there shall be room for it. */
		content_wipe(&transaction->content);
	}
	free(is_told);
	send_done(session);
}
