/*
 * Which edges serve which mail.
 *
 *   line   = key WSP names [ WSP "select=" ( "failover" / "hash" / "weighted" ) ]
 *   key    = "login:" name     ; an authenticated client
 *          / domain            ; of the envelope sender, that domain alone
 *          / "." domain        ; its subdomains, however deep
 *          / "<>"              ; the null reverse-path
 *          / "*"               ; everything else
 *   names  = name *( ( "," / WSP ) name )      ; of edges
 *
 * The first that is there counts: the login, the sender's domain, the closest parent of it with a
 * dot, "*". Mail with the null reverse-path is the business of whom it goes to, and of nobody else:
 * the domain of its recipient takes the place of the sender's, and then come "<>" and "*". Case does
 * not matter, but in logins.
 *
 * Without a table every edge serves all mail, in the order of the table of edges. With one, mail
 * that no line matches has no edge: it waits.
 */
#ifndef ROUTE_H
#define ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "edge_order.h"
#include "edge_table.h"
#include "lib/smtp_limits.h"
#include "name_index.h"

/* Edges that are tried for a message; more would only make a failing attempt longer than Postfix
 * waits. */
#define ROUTE_TRIES_MAX 16
/* Edges of one line. */
#define ROUTE_EDGES_MAX EDGE_ORDER_MAX
#define ROUTE_LOGIN_MAX 255
#define ROUTE_CHANCE_BYTES 16

enum route_select {
	ROUTE_FAILOVER, /* in the order of the line */
	ROUTE_HASH,	/* by the domain, so that it keeps its edge */
	ROUTE_WEIGHTED, /* by chance */
};

struct route {
	const char *key; /* domains in lower case */
	uint32_t line;
	uint32_t first; /* of its edges in the table's members */
	uint16_t edge_count;
	uint8_t select; /* enum route_select */
};

struct route_table {
	struct route *routes; /* in file order */
	size_t count;
	uint16_t *members; /* positions in the table of edges that it was read with */
	size_t member_count, member_capacity;
	struct name_index index;
	char *text;	 /* the keys point into it */
	bool has_logins; /* a line with login: is there */
	bool is_missing; /* no file: every edge for everybody */
	struct stat status;
};

/* What a message is known by; "" is none, and for sender_domain the null reverse-path. */
struct route_query {
	const char *login;
	const char *sender_domain;
	const char *recipient_domain; /* counts for the null reverse-path alone */
};

/*
 * 0, or -1 with "PATH:LINE: what". A name that is not in `edges` is an error; a missing file is
 * none. The table is of use with these edges only.
 */
int route_table_read(struct route_table *table, const char *path, const struct edge_table *edges,
		     char *error, size_t error_size);
void route_table_wipe(struct route_table *table);

/* The line that counts; NULL: none does (or there is no table). */
const struct route *route_find(const struct route_table *table, const struct route_query *query);
/* Does every recipient of such mail have the same line, whoever's login is found in it later? */
bool route_is_known_by_sender(const struct route_table *table, const char *sender_domain);

/*
 * The edges to try for a new message, best first, without those that take none; returns their
 * number, at most ROUTE_TRIES_MAX. 0: no usable edge, the mail must wait. `chance` is made anew for
 * each message.
 */
size_t route_choose(const struct route_table *table, const struct edge_table *edges,
		    const struct route_query *query, const uint8_t chance[ROUTE_CHANCE_BYTES],
		    const struct edge *chosen[ROUTE_TRIES_MAX]);
/* Why route_choose() found none, for a status and a log: "no line for ..." or "line 12: ...". */
void route_explain(const struct route_table *table, const struct edge_table *edges,
		   const struct route_query *query, char *out, size_t size);
/* Does an edge stand in this line? */
bool route_has_edge(const struct route_table *table, const struct route *route, size_t position);

#endif
