/*
 * What `postern status` knows, as one JSON object; text and metrics are made of it.
 *
 *	document = {"edges": [edge, ...],	; on a mail host
 *		    "here": here}		; on an edge
 *	edge     = {"name": "vps", "endpoint": "relay.example.com:7843", "service": "enabled",
 *		    "state": "up" / "down" / "disabled",
 *		    "layer": "connection", "reason": "...",	; down: edge_ask.h
 *		    "round_trip_ms": 12.5, "clock_offset_s": 0,	; up; the edge's clock less ours
 *		    "answer": {...},				; up: edge/question_status.h
 *		    "transport": {"tunnels": 10, "failures": 1, "outages": 1}}	; what this host's transports saw
 *	here     = {"edge": {...}, "clients": [...], "destinations": [...]}	; edge/status_report.h
 *
 * Text in an answer is the edge's, and in parts that of mail servers: whoever shows it makes it printable.
 */
#ifndef STATUS_DOCUMENT_H
#define STATUS_DOCUMENT_H

#include <jansson.h>
#include <stddef.h>

#include "edge_survey.h"

/* A new reference to the edges' array of a survey that has asked "status"; NULL: no memory. */
json_t *status_document_edges(const struct edge_survey *survey);
/*
 * A new reference to `here`, asked of the running edge by its control socket; NULL with an exit code of control_client.h
 * and the reason.
 */
json_t *status_document_here(const char *socket, int *result_out, char *error, size_t error_size);

#endif
