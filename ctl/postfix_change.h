/*
 * What postern changes in Postfix's files: as a list to be shown, and as the new texts of the files.
 * The editing is postconf(1)'s, in copies, so that nothing of Postfix is touched until both texts
 * are known to be good.
 */
#ifndef POSTFIX_CHANGE_H
#define POSTFIX_CHANGE_H

#include <stdbool.h>
#include <stddef.h>

#include "postfix.h"

#define POSTFIX_CHANGES_MAX 8

struct postfix_change {
	bool is_service; /* of master.cf; otherwise a parameter of main.cf */
	char *name;	 /* "postern/unix"; "default_transport" */
	char *old;	 /* NULL: it was not there */
	char *new;
};

/* main.cf and master.cf, in this order everywhere. */
#define POSTFIX_FILES 2
extern const char *const postfix_file_names[POSTFIX_FILES];

struct postfix_changes {
	struct postfix_change list[POSTFIX_CHANGES_MAX];
	size_t count;
	char *before[POSTFIX_FILES]; /* the texts of the files */
	char *after[POSTFIX_FILES];
};

/*
 * What is missing for all mail to the outside to go by postern; nothing if it does already. What the
 * administrator chose himself (limits, a service of his own form) stays. 0, or an exit code of
 * join_exit.h with `error`; wipe in both cases.
 */
int postfix_changes_plan(struct postfix_changes *changes, const struct postfix *postfix, char *error,
			 size_t error_size);
/*
 * The way back for files that were edited since: what is still as in `made` becomes what it was,
 * everything else stays, and is named in `kept` (of POSTFIX_CHANGES_MAX; the number in *kept_count).
 * Only the texts are filled in.
 */
int postfix_changes_undo(struct postfix_changes *undo, const struct postfix_changes *made,
			 const struct postfix *postfix, const char **kept, size_t *kept_count,
			 char *error, size_t error_size);
void postfix_changes_wipe(struct postfix_changes *changes);

/* As commands, with old and new values. */
void postfix_changes_print(const struct postfix_changes *changes, const struct postfix *postfix);

#endif
