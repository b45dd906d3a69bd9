/* The edge's allow-list: a file, which these commands edit, or a socketmap, which they cannot. */
#ifndef ALLOW_LIST_H
#define ALLOW_LIST_H

#include <stdbool.h>

#include "lib/table.h"

#define ALLOW_LIST_FILE POSTERN_SYSCONFDIR "/authorized_clients"

/*
 * EX_OK: `file`, which is ALLOW_LIST_FILE unless --file was given, may be the list. Otherwise the
 * exit code, and the user knows that it is in a socketmap: --file names one, or edge.conf does and
 * there was no --file. An edge.conf that cannot be read says nothing.
 */
int allow_list_check(const char *file);

/* Is it a line of the client with this name, which is the first word behind the key? */
bool allow_list_line_is_of(const struct table_line *line, const char *name);

#endif
