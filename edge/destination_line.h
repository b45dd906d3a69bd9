/*
 * The line before a destination. The caller holds the table's lock.
 */
#ifndef DESTINATION_LINE_H
#define DESTINATION_LINE_H

#include "destination_state.h"

/*
 * Stands in line until there is a place, or no hope of one; the lock is given up while waiting. With ENTERED the first members of *place
 * say which one, otherwise it is left alone.
 */
enum destination_result destination_line_stand(struct destination_table *table, struct destination *destination,
					       const struct destination_request *request, struct destination_place *place);
/* Gives the free places to the first in line who may have one. */
void destination_line_serve(struct destination *destination);
/* All in line look at the table and at the door. */
void destination_line_call_all(const struct destination *destination);
/* Is the door shut, or somebody finding out whether it still is? */
bool destination_line_is_closed(const struct destination *destination);

#endif
