/* Handing out and replacing the setup. */
#include "edge.h"

struct edge_setup *edge_acquire_setup(struct edge *edge)
{
	struct edge_setup *setup;

	pthread_mutex_lock(&edge->setup_lock);
	setup = edge_setup_acquire(edge->setup);
	pthread_mutex_unlock(&edge->setup_lock);
	return setup;
}

void edge_replace_setup(struct edge *edge, struct edge_setup *fresh)
{
	struct edge_setup *old;

	pthread_mutex_lock(&edge->setup_lock);
	old = edge->setup;
	edge->setup = fresh;
	pthread_mutex_unlock(&edge->setup_lock);
	edge_setup_release(old);
}
