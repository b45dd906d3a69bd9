/* The checks of a host that runs postern-edge: that program looks, this one tells. */
#ifndef EDGE_HOST_H
#define EDGE_HOST_H

#include "finding.h"

/* Runs `postern-edge -c CONF --check-host --json`, in a minute at most. */
void edge_host_check(struct finding_list *list, const char *conf_path);

#endif
