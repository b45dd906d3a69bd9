/*
 * Everything the configuration describes, read: settings, edges, routes, own key. All or nothing.
 */
#ifndef TRANSPORT_SETUP_H
#define TRANSPORT_SETUP_H

#include <stddef.h>

#include "edge_table.h"
#include "route.h"
#include "transport_conf.h"
#include "tunnel/noise.h"
#include "tunnel/static_key.h"

struct transport_setup {
	struct transport_conf conf;
	struct edge_table edges;
	struct route_table routes;
	struct noise_static_key key;
	struct stat key_status;	/* of its file as read */
};

/*
 * 0, or -1 with "PATH:LINE: what; what to do"; conf is then as far as it was read. Wipe in both
 * cases.
 */
int transport_setup_read(struct transport_setup *setup, const char *conf_path, char *error,
			 size_t error_size);
/*
 * Reads the tables again if they have changed, and the key. A bad one is logged, once per change, and the old
 * ones stay in force.
 */
void transport_setup_refresh(struct transport_setup *setup);
void transport_setup_wipe(struct transport_setup *setup);

#endif
