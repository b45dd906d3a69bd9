/*
 * What `postern status` and `postern metrics` ask: the edges of this mail host, the edge on this host,
 * or both, whatever is here.
 */
#ifndef STATUS_QUERY_H
#define STATUS_QUERY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define STATUS_QUERY_SOCKET "unix:/run/postern-edge/control.sock"

struct status_query {
	const char *conf_path;	/* of the mail host; NULL: the usual one, if it is there */
	const char *socket;	/* control_socket of the edge here; NULL: the usual one, if it is there */
	const char *edge;	/* only this one of the table; NULL: all */
	int64_t timeout_ms;
};

/* "10" seconds, 1..600, into *timeout_ms; false: it is something else. */
bool status_query_parse_timeout(const char *text, int64_t *timeout_ms);
/*
 * A new reference to the document (status_document.h), and in *result_out EX_OK, or EX_UNAVAILABLE if an edge did not
 * answer; what is known without it is in the document. NULL: an exit code, told to the user.
 */
json_t *status_query_run(const struct status_query *query, int *result_out);

#endif
