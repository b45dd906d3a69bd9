/*
 * The delivery of one message in a thread of its own, so that who waits for its outcomes need not
 * wait to the end: after a while the delivery is left to itself, and what becomes of it is in the
 * journal for the mail host's next attempt.
 */
#ifndef DELIVERY_JOB_H
#define DELIVERY_JOB_H

#include <stdbool.h>
#include <stddef.h>

#include "edge.h"
#include "lib/deadline.h"
#include "lib/delivery_status.h"
#include "transaction.h"

struct delivery_job;

enum delivery_job_event {
	DELIVERY_JOB_STATUS,	/* of one recipient */
	DELIVERY_JOB_DONE,	/* there will be no more; the content is no longer held */
	DELIVERY_JOB_WAIT_OVER,	/* the deadline has passed */
};

/*
 * Takes the complete transaction over; NULL, and the transaction is as before, if the machine has no
 * room for a thread.
 */
struct delivery_job *delivery_job_start(struct edge *edge, struct transaction *transaction);
/* The next event; for STATUS, *recipient and *status are filled in. One thread waits for a job. */
enum delivery_job_event delivery_job_wait(struct delivery_job *job, struct deadline deadline,
					  size_t *recipient, struct delivery_status *status);
/*
 * Nobody will wait any more. false: it must go on waiting, since nobody could collect the outcomes
 * (no journal, no queue id) or as many deliveries as delivery_threads allows are left to themselves
 * already; or an event has come in the meantime.
 */
bool delivery_job_leave(struct delivery_job *job);
/* Where this recipient's delivery stands: "connecting to mx1.example.net[192.0.2.9]". Returns out. */
char *delivery_job_print_place(struct delivery_job *job, size_t recipient, char *out, size_t size);
/* After DONE, or once it was left. */
void delivery_job_release(struct delivery_job *job);

#endif
