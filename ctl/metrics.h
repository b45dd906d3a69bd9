/*
 * A status document (status_document.h) in the text format of Prometheus. The only label besides fixed
 * words is the name of an edge or, on an edge, of a client: no recipient, no domain.
 */
#ifndef METRICS_H
#define METRICS_H

#include <jansson.h>
#include <stdio.h>

/* now: seconds since the epoch. */
void metrics_print(const json_t *document, long long now, FILE *out);

#endif
