/*
 * Who has what where: for each client and each destination the deliveries that are active or in line, out of which come the shares
 * (destination_share.h). A presence that is NULL, of nobody or for lack of memory, is not counted and shares with nobody. The caller
 * holds the table's lock.
 */
#ifndef DESTINATION_PRESENCE_H
#define DESTINATION_PRESENCE_H

#include "destination_state.h"

struct destination_presence *destination_presence_find_or_add(struct destination_table *table, struct destination *destination,
							      const struct destination_request *request);
void destination_presence_drop_if_gone(struct destination_presence *presence);
/* Nobody is anywhere. */
void destination_presence_forget_all(struct destination_table *table);

void destination_presence_count_waiting(struct destination_presence *presence, int by);
void destination_presence_count_active(struct destination_presence *presence, int by);

/* Not of NULL. */
struct destination_share destination_presence_share(const struct destination_presence *presence);

#endif
