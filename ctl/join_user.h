/* The transport's user, and its directory with the key. */
#ifndef JOIN_USER_H
#define JOIN_USER_H

#include <stdbool.h>
#include <stddef.h>

#include "join_state.h"

#define JOIN_USER "_postern"
#define JOIN_USER_DIRECTORY "/var/lib/postern"
#define JOIN_KEY_PATH JOIN_USER_DIRECTORY "/transport.key"

bool join_user_exists(void);
/*
 * Makes the user if there is none (noted in the state, which is saved), and gives him the directory,
 * unless that is root's for several users (tmpfiles.d/postern.conf), and the transport's files in it. 0, or an exit code of join_exit.h with `error`.
 */
int join_user_make(struct join_state *state, char *error, size_t error_size);
/*
 * Takes away a user that join made. His files become root's, so that nobody gets them who will have
 * his number. Waits up to 15 s for his processes to end. 0, or JOIN_UNFINISHED, or another exit code.
 */
int join_user_remove(struct join_state *state, char *error, size_t error_size);

#endif
