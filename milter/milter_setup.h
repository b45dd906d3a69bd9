/*
 * Everything that comes out of milter.conf and can be replaced while mail flows: settings and the
 * table `senders`. Immutable once made (senders reads its file again by itself); a message holds a
 * reference, so a reload never changes the rules under it.
 */
#ifndef MILTER_SETUP_H
#define MILTER_SETUP_H

#include <stdatomic.h>
#include <stddef.h>

#include "milter_conf.h"
#include "senders.h"

struct milter_setup {
	struct milter_conf conf;
	struct senders *senders;
	atomic_int references;
};

/* Reads and checks everything; NULL with error. The caller has one reference. */
struct milter_setup *milter_setup_create(const char *conf_path, char *error, size_t error_size);
struct milter_setup *milter_setup_acquire(struct milter_setup *setup);
void milter_setup_release(struct milter_setup *setup);

#endif
