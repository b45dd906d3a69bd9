/*
 * What can be asked of the running edge (lib/control_socket.h):
 *
 *	"peers"		what each client has used: tenant_report.h
 *	"status"	how the edge is and how it goes with the mail of each client, a line of JSON each
 *			(status_report.h): {"edge": ...}, then {"client": ...} for each client, then
 *			{"destination": ...} for each client and destination, EDGE_CONTROL_DESTINATIONS_MAX at most
 */
#ifndef EDGE_CONTROL_H
#define EDGE_CONTROL_H

#include <stdio.h>

#include "edge.h"

#define EDGE_CONTROL_DESTINATIONS_MAX 1000

/* A control_answer_fn; `edge`: a struct edge. */
int edge_control_answer(void *edge, const char *request, FILE *out, char *error, size_t error_size);

#endif
