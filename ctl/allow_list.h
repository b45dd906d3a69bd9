/* Where the edge's allow-list is: a file, which these commands edit, or a socketmap, which they cannot. */
#ifndef ALLOW_LIST_H
#define ALLOW_LIST_H

#define ALLOW_LIST_FILE POSTERN_SYSCONFDIR "/authorized_clients"

/*
 * EX_OK: `file`, which is ALLOW_LIST_FILE unless --file was given, may be the list. Otherwise the
 * exit code, and the user knows that it is in a socketmap: --file names one, or edge.conf does and
 * there was no --file. An edge.conf that cannot be read says nothing.
 */
int allow_list_check(const char *file);

#endif
