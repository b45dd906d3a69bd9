/* Where a "transport:nexthop" of main.cf or a transport map leads. */
#ifndef MAIL_ROUTE_H
#define MAIL_ROUTE_H

#include "mail_host.h"

enum mail_route {
	MAIL_ROUTE_POSTERN,
	MAIL_ROUTE_DIRECT,	/* smtp(8), to the MX hosts of the domain: past postern */
	MAIL_ROUTE_HOST,	/* smtp(8), to one host that somebody chose */
	MAIL_ROUTE_LOCAL,	/* a mailbox, an error, a program of this host */
	MAIL_ROUTE_UNKNOWN,	/* no such service in master.cf */
};

/* `value` without a transport (":nexthop", ":") is what default_transport says. */
enum mail_route mail_route_of(const struct mail_host *host, const char *value);
/* The service of master.cf that a value names; NULL: none. */
const struct postfix_service *mail_route_service(const struct mail_host *host, const char *value);

/*
 * What Postfix calls "unix:private/x" or "unix:/path", or "inet:host:port", as an endpoint for endpoint_parse(): relative
 * paths lie in queue_directory. Returns out.
 */
char *mail_route_endpoint(const struct mail_host *host, const char *text, char *out, size_t size);

/* A row of a lookup table, as postmap(1) lists it. */
typedef void mail_route_row_fn(void *context, const char *map, const char *key, const char *value);
/*
 * All rows of all maps in a setting such as transport_maps. Of maps that cannot be listed (pcre:, mysql:) only
 * those that decide about `probe`. Returns the maps that could not be asked at all.
 */
size_t mail_route_each_row(const struct mail_host *host, const char *maps, const char *probe,
			   mail_route_row_fn *row, void *context);

#endif
