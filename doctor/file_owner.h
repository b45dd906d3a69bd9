/* Who else could change a file, or put another one in its place? */
#ifndef FILE_OWNER_H
#define FILE_OWNER_H

#include <stddef.h>

/*
 * Looks at the file and at each directory above it: only root, and `user` (NULL: nobody else), may own them; others, and groups but
 * root's, may not write to them, except to directories with the sticky bit. NULL: all is so, or nothing can be seen; otherwise `where`, filled
 * with the path that is in other hands.
 */
const char *file_owner_stranger(const char *path, const char *user, char *where, size_t size);

#endif
