/*
 * Where a delivery stands, for who does not want to wait for its end: each domain's recipients are
 * somewhere on their way, and the threads that bring them there say where. Thread-safe.
 */
#ifndef DELIVERY_PROGRESS_H
#define DELIVERY_PROGRESS_H

#include <pthread.h>
#include <stddef.h>

#include "lib/delivery_status.h"

/* One domain's recipients. Of the thread that delivers to it, which alone changes it. */
struct delivery_place {
	enum delivery_stage stage; /* under the lock of the progress, like the two below */
	char host[DELIVERY_HOST_MAX + 1];
	char address[DELIVERY_ADDRESS_MAX + 1];
};

struct delivery_progress {
	pthread_mutex_t lock; /* protects the places and what they point to */
	const struct delivery_place **places; /* one per recipient; NULL: nowhere yet */
	size_t count;
};

/* Without memory for it nothing is known of anybody. */
void delivery_progress_init(struct delivery_progress *progress, size_t recipient_count);
void delivery_progress_wipe(struct delivery_progress *progress);

/* `progress` may be NULL in these: nobody will ask. The place must be left before it goes. */
void delivery_progress_enter(struct delivery_progress *progress, struct delivery_place *place,
			     const size_t *recipients, size_t count);
void delivery_progress_leave(struct delivery_progress *progress, const size_t *recipients,
			     size_t count);
/* Host and address "": none yet. */
void delivery_progress_move(struct delivery_progress *progress, struct delivery_place *place,
			    enum delivery_stage stage, const char *host, const char *address);

/* "waiting for the reply to DATA command from mx1.example.net[192.0.2.9]"; returns out. */
char *delivery_progress_print(struct delivery_progress *progress, size_t recipient, char *out,
			      size_t size);

#endif
