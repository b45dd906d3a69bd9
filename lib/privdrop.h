/* Gives up root for good: groups, gid, uid, verified, and no_new_privs. */
#ifndef PRIVDROP_H
#define PRIVDROP_H

#include <stddef.h>

/* If we are root, becomes `user`; otherwise does nothing but set no_new_privs. 0, or -1 with `error`. */
int privdrop(const char *user, char *error, size_t error_size);

#endif
