/* What all connections of the milter share. */
#ifndef MILTER_H
#define MILTER_H

#include <pthread.h>
#include <stdatomic.h>

#include "client_certificates.h"
#include "milter_setup.h"
#include "rate_limits.h"

struct milter {
	pthread_mutex_t setup_lock;	/* protects the pointer, not what it points to (immutable) */
	struct milter_setup *setup;
	struct rate_limits *limits;	/* has its own lock; lives as long as the process */
	struct client_certificates *certificates;	/* likewise; NULL without policy_listen */
	atomic_int connections;		/* open ones */
	atomic_int messages;		/* between MAIL and their end */
	atomic_bool is_stopping;	/* no new connections */
};

/* The setup in force now; release it with milter_setup_release(). */
struct milter_setup *milter_acquire_setup(struct milter *milter);
/* Takes over the caller's reference; the old setup lives until its last message is done. */
void milter_replace_setup(struct milter *milter, struct milter_setup *fresh);

#endif
