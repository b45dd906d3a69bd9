/* Makes the objects that milter.conf describes, all or nothing. */
#include "milter_setup.h"

#include <stdio.h>
#include <stdlib.h>

static void destroy(struct milter_setup *setup)
{
	if (setup->senders != NULL)
		senders_destroy(setup->senders);
	conf_wipe(&setup->conf, milter_conf_settings);
	free(setup);
}

struct milter_setup *milter_setup_create(const char *conf_path, char *error, size_t error_size)
{
	struct milter_setup *setup = calloc(1, sizeof(*setup));

	if (setup == NULL) {
		snprintf(error, error_size, "out of memory");
		return NULL;
	}
	atomic_init(&setup->references, 1);
	if (milter_conf_read(&setup->conf, conf_path, error, error_size) == 0)
		setup->senders = senders_create(setup->conf.senders, setup->conf.recipient_delimiter, error, error_size);
	if (setup->senders != NULL)
		return setup;
	destroy(setup);
	return NULL;
}

struct milter_setup *milter_setup_acquire(struct milter_setup *setup)
{
	atomic_fetch_add(&setup->references, 1);
	return setup;
}

void milter_setup_release(struct milter_setup *setup)
{
	if (setup != NULL && atomic_fetch_sub(&setup->references, 1) == 1)
		destroy(setup);
}
