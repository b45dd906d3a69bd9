/*
 * The table of edges this host may use.
 *
 *   line    = name WSP endpoint WSP "key=" base64 *( WSP option )
 *   name    = 1*63( ALPHA / DIGIT / "-" / "_" / "." )         ; as routes and logs call it
 *   option  = "key=" base64 / "weight=" 1*4DIGIT / "psk=" absolute-path / "drain" / "disabled"
 *
 * One bad line makes the whole table bad: an edge that silently drops out would look like an outage
 * somewhere else.
 */
#ifndef EDGE_TABLE_H
#define EDGE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "lib/endpoint.h"
#include "name_index.h"

#define EDGE_NAME_MAX 63
#define EDGE_WEIGHT_MAX 1000
/* Routes name edges by 16-bit numbers. */
#define EDGES_MAX 65535

struct edge {
	char name[EDGE_NAME_MAX + 1];
	struct endpoint endpoint;
	uint8_t public_key[32];
	uint8_t former_key[32];	/* if has_former_key: a second key=, which the first is to replace */
	bool has_former_key;
	uint8_t psk[32];  /* all zero = none */
	unsigned weight;  /* for routes that choose by it; 1 if none is given */
	bool is_drained;  /* only for mail whose outcome it may know */
	bool is_disabled; /* kept in the table, never used */
	size_t line;
};

struct edge_table {
	struct edge *edges; /* in file order */
	size_t count;
	struct name_index index;
	struct stat status; /* of the file as read */
};

/*
 * 0, or -1 with "PATH:LINE: what; what to do". An empty table is an error too. Reads the psk files.
 */
int edge_table_read(struct edge_table *table, const char *path, char *error, size_t error_size);
void edge_table_wipe(struct edge_table *table);
/* May mail be given to it that no other edge can know of? */
bool edge_takes_new_mail(const struct edge *edge);
/*
 * By which of its keys what is remembered of this edge is found: the one it had first, so that it
 * stays the same edge while its key is being replaced.
 */
const uint8_t *edge_identity(const struct edge *edge);
/* NULL if there is no edge of this name. */
const struct edge *edge_table_find(const struct edge_table *table, const char *name);

#endif
