/* The edge's allow-list: a file, which these commands edit, or a socketmap, which they cannot. */
#ifndef ALLOW_LIST_H
#define ALLOW_LIST_H

#include <stdbool.h>

#include "lib/table.h"
#include "tunnel/enrolled_keys.h"

#define ALLOW_LIST_FILE POSTERN_SYSCONFDIR "/authorized_clients"

/*
 * EX_OK: `file`, which is ALLOW_LIST_FILE unless --file was given, may be the list. Otherwise the
 * exit code, and the user knows that it is in a socketmap: --file names one, or edge.conf does and
 * there was no --file. An edge.conf that cannot be read says nothing.
 */
int allow_list_check(const char *file);

/*
 * Where the keys are noted that have taken the place of an invite in `file`: `option`, if --enrolled was
 * given; what edge.conf says, if it is ALLOW_LIST_FILE; otherwise NULL. To be freed.
 */
char *allow_list_enrolled(const char *file, const char *option);

/* Is it this key's line, by the key in it or by the one that took the place of that? */
bool allow_list_line_has_key(const struct table_line *line, const char *key, const struct enrolled_keys *enrolled);

/* Is it a line of the client with this name, which is the first word behind the key? */
bool allow_list_line_is_of(const struct table_line *line, const char *name);

#endif
