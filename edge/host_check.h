/*
 * What can be wrong with the machine that an edge shall run on, before mail flows: the port for
 * tunnels, the disk, the DNS, IPv6, the way out to port 25. One line for each finding on stdout,
 * which begins with "good: ", "warning: " or "wrong: ". Nothing is changed, and a running edge is not
 * disturbed.
 */
#ifndef HOST_CHECK_H
#define HOST_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "edge_setup.h"

/* The addresses to listen on; to be called as the user who will open them. False: a line is wrong. */
bool host_check_ports(const struct edge_conf *conf);
/*
 * Everything else, in half a minute at most; to be called as the user who will run. domains: whose
 * mail servers are connected to, ends with NULL; none: large ones that everybody knows. Nothing is
 * said to them. own_public_key: the edge's, which no socketmap of clients should know.
 */
bool host_check_rest(const struct edge_setup *setup, const uint8_t own_public_key[32], char *const *domains);

#endif
