/*
 * Reads what the configuration names, in the order settings, tables, key; nothing here touches the
 * network.
 */
#include "transport_setup.h"

#include <string.h>

#include "lib/log.h"
#include "lib/table.h"

static void note_key(struct transport_setup *setup)
{
	if (stat(setup->conf.key_file, &setup->key_status) < 0)
		memset(&setup->key_status, 0, sizeof(setup->key_status));
}

/* For the tunnels that are opened from now on. */
static void refresh_key(struct transport_setup *setup)
{
	struct noise_static_key fresh;
	char error[512];

	if (!table_has_changed(setup->conf.key_file, &setup->key_status))
		return;
	note_key(setup);
	if (static_key_read(&fresh, setup->conf.key_file, error, sizeof(error)) < 0) {
		log_warning("%s (the key read before stays in force)", error);
		return;
	}
	static_key_wipe(&setup->key);
	setup->key = fresh;
}

int transport_setup_read(struct transport_setup *setup, const char *conf_path, char *error,
			 size_t error_size)
{
	memset(setup, 0, sizeof(*setup));
	if (transport_conf_read(&setup->conf, conf_path, error, error_size) < 0 ||
	    edge_table_read(&setup->edges, setup->conf.edges, error, error_size) < 0 ||
	    route_table_read(&setup->routes, setup->conf.routes, &setup->edges, error, error_size) <
		    0)
		return -1;
	note_key(setup);
	return static_key_read(&setup->key, setup->conf.key_file, error, error_size);
}

/* Remembers what was looked at, so that the same bad file is complained of once. */
static void note_status(struct transport_setup *setup)
{
	if (stat(setup->conf.edges, &setup->edges.status) < 0)
		memset(&setup->edges.status, 0, sizeof(setup->edges.status));
	if (stat(setup->conf.routes, &setup->routes.status) < 0)
		memset(&setup->routes.status, 0, sizeof(setup->routes.status));
}

void transport_setup_refresh(struct transport_setup *setup)
{
	struct edge_table edges;
	struct route_table routes;
	char error[512];

	refresh_key(setup);
	if (!table_has_changed(setup->conf.edges, &setup->edges.status) &&
	    !table_has_changed(setup->conf.routes, &setup->routes.status))
		return;
	if (edge_table_read(&edges, setup->conf.edges, error, sizeof(error)) < 0) {
		log_warning("%s (the old table stays in force)", error);
		note_status(setup);
		return;
	}
	if (route_table_read(&routes, setup->conf.routes, &edges, error, sizeof(error)) < 0) {
		log_warning("%s (the old tables stay in force)", error);
		edge_table_wipe(&edges);
		note_status(setup);
		return;
	}
	edge_table_wipe(&setup->edges);
	route_table_wipe(&setup->routes);
	setup->edges = edges;
	setup->routes = routes;
}

void transport_setup_wipe(struct transport_setup *setup)
{
	static_key_wipe(&setup->key);
	route_table_wipe(&setup->routes);
	edge_table_wipe(&setup->edges);
	transport_conf_wipe(&setup->conf);
}
