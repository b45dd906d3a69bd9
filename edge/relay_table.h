/*
 * The table relay as the running edge sees it: which recipient domains go to which relay, read
 * again whenever it changes. Half of it could send mail the wrong way, so it is taken whole or not
 * at all: a file with a mistake in it stops the edge from starting, and later leaves the table as
 * it was, which the log says. So does a file that has gone.
 */
#ifndef RELAY_TABLE_H
#define RELAY_TABLE_H

#include "relay_hop.h"

struct relay_table;

/* A file that does not exist is an empty table. NULL with "PATH:LINE: ..." in error. */
struct relay_table *relay_table_create(const char *path, char *error, size_t error_size);
void relay_table_destroy(struct relay_table *table);
const char *relay_table_path(const struct relay_table *table);

/*
 * The table as it is now. Immutable, so that one message sees one table; it lives until it is
 * released, whatever becomes of the table. NULL: there are no relays. Thread-safe.
 */
struct relay_map;
struct relay_map *relay_table_acquire(struct relay_table *table);
void relay_map_release(struct relay_map *map);

/*
 * Where the mail of a domain goes (any case, U-labels or A-labels, or a literal); NULL: to its own
 * mail exchangers. Lives as long as the map. Two domains have the same relay if and only if they get
 * the same pointer.
 */
const struct relay_hop *relay_map_find(const struct relay_map *map, const char *domain);
/* Each relay once; NULL ends them. */
const struct relay_hop *relay_map_get(const struct relay_map *map, size_t index);

#endif
