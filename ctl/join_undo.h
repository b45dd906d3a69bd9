/* Takes back what join did. */
#ifndef JOIN_UNDO_H
#define JOIN_UNDO_H

#include <stdbool.h>
#include <stddef.h>

#include "join_state.h"

struct join_undo {
	bool is_told; /* say on standard output what is done */
	bool is_purge; /* the key goes too, with everything else of the transport's */
};

/*
 * Files that nobody changed since get the text that they had; in others only what join wrote is taken
 * out, if it is still there. What is done already is no error, so that it can be run again. 0, or an
 * exit code of join_exit.h with `error`; the state is forgotten only if all is done.
 */
int join_undo(const struct join_undo *undo, struct join_state *state, char *error, size_t error_size);

#endif
