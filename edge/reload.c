/* How the edge changes while it runs, and how it ends. Called by the main thread only. */
#include "reload.h"

#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/service.h"
#include "sts_store.h"
#include "tunnel/tunnel.h"

/*
 * After the drain: for replies to a final dot, and longer than one DNS look-up may take. With drain_time's default it fits into the unit's
 * TimeoutStopSec.
 */
#define LAST_REPLIES_MS 17000

static bool lists_differ(const struct conf_list *a, const struct conf_list *b)
{
	if (a->count != b->count)
		return true;
	for (size_t i = 0; i < a->count; i++)
		if (strcmp(a->items[i], b->items[i]) != 0)
			return true;
	return false;
}

/* These are used once at start: sockets, keys, table sizes, the log. */
static void warn_of_restart(const struct edge_conf *now, const struct edge_conf *fresh)
{
	if (lists_differ(&now->listen, &fresh->listen) || strcmp(now->user, fresh->user) != 0 ||
	    strcmp(now->key_file, fresh->key_file) != 0 ||
	    strcmp(now->authorized_clients, fresh->authorized_clients) != 0 ||
	    strcmp(now->relay_passwords, fresh->relay_passwords) != 0 ||
	    strcmp(now->control_socket, fresh->control_socket) != 0 ||
	    strcmp(now->state_directory, fresh->state_directory) != 0 ||
	    now->journal_size != fresh->journal_size || now->journal_keep != fresh->journal_keep ||
	    now->journal_sync != fresh->journal_sync ||
	    now->content_memory != fresh->content_memory || now->strangers != fresh->strangers ||
	    now->strangers_per_network != fresh->strangers_per_network || now->log_target != fresh->log_target ||
	    now->log_level != fresh->log_level)
		log_warning("listen, user, key_file, authorized_clients, relay_passwords, control_socket, state_directory, journal_*, content_memory, strangers, strangers_per_network, "
			    "log_target and log_level change only with a restart");
}

void reload_configuration(struct edge *edge, const char *conf_path)
{
	char error[512];
	struct edge_setup *fresh;

	service_notify("RELOADING=1");
	fresh = edge_setup_create(conf_path, error, sizeof(error));
	if (fresh == NULL) {
		log_error("%s; the configuration read before stays in force", error);
	} else {
		warn_of_restart(&edge->setup->conf, &fresh->conf);
		/* What is known of the PTR record outlives the configuration. */
		if (edge->setup->conf.ipv6 == EDGE_IPV6_AUTO && fresh->conf.ipv6 == EDGE_IPV6_AUTO)
			atomic_store(&fresh->family, atomic_load(&edge->setup->family));
		edge_replace_setup(edge, fresh);
		log_info("%s was read again", conf_path);
		edge_setup_warn(fresh, conf_path);
	}
	service_notify("READY=1");
}

static bool is_revoked(void *context, const struct authorized_client *client)
{
	return keeper_client_is_authorized(context, client->public_key) == KEEPER_NO;
}

void reload_end_revoked(struct edge *edge)
{
	uint64_t generation;
	size_t count, ended;

	if (keeper_client_list(edge->keeper, &count, &generation, &edge->keys) < 0)
		return;
	/* Who was shaking hands when the list changed may have been looked up in the old one. */
	if (generation != edge->list_generation)
		edge->list_settles = deadline_in_ms(2 * TUNNEL_HANDSHAKE_TIMEOUT_MS);
	else if (deadline_has_passed(edge->list_settles))
		return;
	edge->list_generation = generation;
	ended = session_table_end(&edge->sessions, is_revoked, edge->keeper, CLOSE_REVOKED);
	if (ended > 0)
		log_info("%zu tunnels of revoked clients end", ended);
}

/* Sessions, which deliver, and deliveries that were left to themselves. */
static size_t wait_for_end(struct edge *edge, int64_t time_ms)
{
	struct deadline deadline = deadline_in_ms(time_ms);
	size_t sessions = session_table_wait_empty(&edge->sessions, deadline);
	size_t jobs = delivery_jobs_wait_empty(&edge->jobs, deadline);

	return sessions + jobs;
}

bool reload_stop(struct edge *edge)
{
	int64_t drain_ms = edge->setup->conf.drain_time;
	size_t left;

	atomic_store(&edge->end.phase, EDGE_DRAINING);
	session_table_stop(&edge->sessions);
	connection_cache_stop(edge->connections);
	left = wait_for_end(edge, drain_ms);
	if (left > 0) {
		log_info("%zu transactions are still running after %lld s; those before the final dot are given up",
			 left, (long long)(drain_ms / 1000));
		atomic_store(&edge->end.phase, EDGE_CANCELLING);
		if (write(edge->end.cancel_fd, &(uint64_t){ 1 }, sizeof(uint64_t)) < 0)
			log_error("cannot wake deliveries: they end by themselves");
		destination_table_stop(&edge->destinations);
		journal_stop(edge->journal);
		session_table_cut(&edge->sessions);
		sts_store_stop(edge->sts);
		left = wait_for_end(edge, LAST_REPLIES_MS);
	}
	if (left > 0)
		log_warning("stopping with %zu deliveries whose outcome is unknown: the next attempt may deliver duplicates",
			    left);
	return left == 0;
}
