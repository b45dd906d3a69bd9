/* Gives up root for good: groups, gid, uid, verified, and no_new_privs. */
#ifndef PRIVDROP_H
#define PRIVDROP_H

#include <stddef.h>

/*
 * If we are root, becomes `user` (who must not be root); otherwise does nothing but set
 * no_new_privs, and `user` may be NULL. Call before threads start, after everything that needs
 * root. 0, or -1 with `error`: then exit, for privileges may be half dropped.
 */
int privdrop(const char *user, char *error, size_t error_size);
/*
 * For a program that somebody else started as the right user, but only by its effective ids
 * (Sendmail's F=S leaves the real user id root's, and the groups of a third user): makes real,
 * effective and saved ids the effective ones, and, if the real user is root, the groups that user's,
 * so that there is no way back. Does nothing where the ids are the same. Leaves no_new_privs, as
 * set-group-id programs may still be wanted. 0, or -1 with `error`: then exit.
 */
int privdrop_settle(char *error, size_t error_size);

#endif
