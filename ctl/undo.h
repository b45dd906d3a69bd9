/*
 * What a command has changed so far, so that a failure can take it back: newest first, as far as it can.
 * What is noted here was done already.
 */
#ifndef UNDO_H
#define UNDO_H

#include <stddef.h>
#include <sys/types.h>

#define UNDO_STEPS_MAX 16
#define UNDO_WORDS_MAX 5

enum undo_kind { UNDO_MADE, UNDO_OWNER, UNDO_COMMAND };

struct undo_step {
	enum undo_kind kind;
	char *path;			/* of a file, or of a directory that is taken away if it is empty */
	uid_t uid;
	gid_t gid;
	const char *command[UNDO_WORDS_MAX + 1];	/* the caller's; ends with NULL */
};

/* All zero: nothing was changed. */
struct undo {
	struct undo_step steps[UNDO_STEPS_MAX];
	size_t count;
};

void undo_note_made(struct undo *undo, const char *path);
void undo_note_owner(struct undo *undo, const char *path, uid_t uid, gid_t gid);
/* command: ends with NULL, UNDO_WORDS_MAX words at most; lives as long as *undo. */
void undo_note_command(struct undo *undo, const char *const *command);
/*
 * Takes back until so many steps are left; 0: everything. How many things could not be; standard error
 * says which.
 */
int undo_back_to(struct undo *undo, size_t count);
/* It stays as it is now. */
void undo_forget(struct undo *undo);

#endif
