/*
 * What can be asked of the running edge (lib/control_socket.h):
 *
 *	"peers"		what each client has used: tenant_report.h
 */
#ifndef EDGE_CONTROL_H
#define EDGE_CONTROL_H

#include <stdio.h>

#include "edge.h"

/* A control_answer_fn; `edge`: a struct edge. */
int edge_control_answer(void *edge, const char *request, FILE *out, char *error, size_t error_size);

#endif
