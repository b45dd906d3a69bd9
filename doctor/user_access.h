/*
 * May that user do this with that file? The kernel is asked by a process that has become the user,
 * so that groups, ACLs and every directory on the way count.
 */
#ifndef USER_ACCESS_H
#define USER_ACCESS_H

#include <limits.h>
#include <stddef.h>

struct user_access {
	const char *path;
	int mode;	/* R_OK, W_OK, X_OK of access(2), or F_OK */
	/* the answer */
	int error;		/* 0: yes; or an errno */
	char where[PATH_MAX];	/* what of the path is in the way: "/var/lib/postern", or the path itself */
};

/* 0, or -1 with a reason in error: no such user, no process. */
int user_access_ask(const char *user, struct user_access *questions, size_t count, char *error, size_t error_size);

#endif
