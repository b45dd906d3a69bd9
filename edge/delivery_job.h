/*
 * The delivery of one message for which a mail host waits: outcomes are told as they come. When it has waited long enough, the
 * delivery is left to itself, and what becomes of it is in the journal for the mail host's next attempt.
 */
#ifndef DELIVERY_JOB_H
#define DELIVERY_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "edge.h"
#include "lib/delivery_status.h"
#include "transaction.h"

struct delivery_job;

/*
 * Who waits. tell: as a delivery_sink_fn, never after take_over. The other two are called by a thread that must not block, while nothing is
 * told.
 */
struct delivery_listener {
	delivery_sink_fn *tell;
	/* ms that it will wait on, after it has waited so long; 0: not any more. */
	int64_t (*patience_ms)(void *context, int64_t waited_ms);
	/* Starts a thread that goes on with whatever the listener has to do besides, and releases the job. false: there is no room for one. */
	bool (*take_over)(void *context, struct delivery_job *job);
	void *context;
};

/* Takes the complete transaction over; NULL, and the transaction is as before: no memory. */
struct delivery_job *delivery_job_create(struct edge *edge, struct transaction *transaction,
					 const struct delivery_listener *listener);
/*
 * Delivers, in this thread, and releases the job. true: every outcome was told, and the content is no longer held. false: it was left, and the
 * context is another thread's; this one has only to end, with delivery_jobs_end().
 *
 * It is not left if nobody could collect the outcomes (no journal, no queue id), nor while as many as delivery_threads allows are left already.
 */
bool delivery_job_run(struct delivery_job *job);

/* For who has taken over: */
void *delivery_job_context(const struct delivery_job *job);
const char *delivery_job_queue_id(const struct delivery_job *job);
int64_t delivery_job_waited_ms(const struct delivery_job *job);
/* The next recipient from *recipient on whose outcome was not told. */
bool delivery_job_next_open(struct delivery_job *job, size_t *recipient);
/* Where this recipient's delivery stands: "connecting to mx1.example.net[192.0.2.9]". Returns out. */
char *delivery_job_print_place(struct delivery_job *job, size_t recipient, char *out, size_t size);
void delivery_job_release(struct delivery_job *job);

#endif
