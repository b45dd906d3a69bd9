/*
 * How it goes with a client's mail, as JSON: for the client that asks (question_status.h), and for the
 * edge's own administrator (edge_control.h).
 *
 *	client      = {"client": "home", "tunnels": 2, "active": 1, "messages": 10,
 *		       "recipients": {"sent": 9, "deferred": 1, "bounced": 0},	; since the edge started
 *		       "refused": {"rate": 3},			; those that are not 0
 *		       "last_use": 1700000000,			; seconds since the epoch, if there was any
 *		       "last_delivery": 1700000000,		; likewise
 *		       "day": {"sent": 9, "deferred": 1, "bounced": 0,
 *			       "tls": {"none": 1, "unauthenticated": 2, "dane": 6, "sts": 0, "verified": 0},
 *			       "reasons": {"dns": 0, ...}}}	; tally.h
 *	destination = {"client": "home", "domain": "example.com", "active": 1, "waiting": 0,
 *		       "places": 5, "limit": 20, "closed_for_ms": 800,	; only if it is slowed
 *		       "last": {"time": 1700000000, "status": "sent", "dsn": "2.0.0", "text": "250 ..."}}
 *
 * The day is this hour and the 23 before it.
 */
#ifndef STATUS_REPORT_H
#define STATUS_REPORT_H

#include <jansson.h>

#include "edge.h"

/* A new reference; NULL: no memory. A client that nothing is known of has zeros. */
json_t *status_report_client(struct edge *edge, const char *client);
/*
 * An array, at most `max` of them: those where this client (NULL: any) has something now, then those where it had the
 * latest outcomes.
 */
json_t *status_report_destinations(struct edge *edge, const char *client, size_t max);
/* The edge itself: {"name": "relay.example.com", "version": "0.1.0", "time": 1700000000, "uptime_s": 86400}. */
json_t *status_report_edge(struct edge *edge);

#endif
