/* The changes of a running edge: new configuration, revoked clients, the end. */
#ifndef RELOAD_H
#define RELOAD_H

#include <stdbool.h>

#include "edge.h"

/* SIGHUP: all of the new configuration or, with an error in the log, all of the old. */
void reload_configuration(struct edge *edge, const char *conf_path);
/* Ends tunnels of clients that are no longer in the allow-list (re-read if it changed). */
void reload_end_revoked(struct edge *edge);
/*
 * No new transactions; waits drain_time for running ones; then deliveries that are not past the final dot give up (4.3.2) and those past
 * it get a little longer to hear the answer. false: some are still running, and with them what they use.
 */
bool reload_stop(struct edge *edge);

#endif
