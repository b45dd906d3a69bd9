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

#endif
