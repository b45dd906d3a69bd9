/* Each step stands for itself: one that fails keeps none of the others from being taken back. */
#include "undo.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "doctor/program.h"

#define COMMAND_MS 90000

static struct undo_step *add(struct undo *undo, enum undo_kind kind, const char *path)
{
	struct undo_step *step = &undo->steps[undo->count];

	assert(undo->count < UNDO_STEPS_MAX);
	undo->count++;
	*step = (struct undo_step){ .kind = kind, .path = path != NULL ? strdup(path) : NULL };
	return step;
}

void undo_note_made(struct undo *undo, const char *path)
{
	add(undo, UNDO_MADE, path);
}

void undo_note_owner(struct undo *undo, const char *path, uid_t uid, gid_t gid)
{
	struct undo_step *step = add(undo, UNDO_OWNER, path);

	step->uid = uid;
	step->gid = gid;
}

void undo_note_command(struct undo *undo, const char *const *command)
{
	struct undo_step *step = add(undo, UNDO_COMMAND, NULL);

	for (size_t i = 0; i < UNDO_WORDS_MAX && command[i] != NULL; i++)
		step->command[i] = command[i];
}

static bool run(const char *const *command)
{
	struct program_output output;
	char error[512];
	bool is_good;

	if (program_run(&output, command, NULL, PROGRAM_STDERR_DROPPED, COMMAND_MS, error,
			sizeof(error)) < 0) {
		command_fail(0, "cannot be taken back: %s", error);
		return false;
	}
	is_good = output.exit_code == 0;
	if (!is_good)
		command_fail(0, "cannot be taken back: %s %s %s ended with status %d", command[0],
			     command[1] != NULL ? command[1] : "",
			     command[1] != NULL && command[2] != NULL ? command[2] : "",
			     output.exit_code);
	program_output_wipe(&output);
	return is_good;
}

static bool take_back(const struct undo_step *step)
{
	if (step->kind == UNDO_COMMAND)
		return run(step->command);
	if (step->path == NULL)
		return false;
	if (step->kind == UNDO_OWNER
		    ? chown(step->path, step->uid, step->gid) == 0
		    : unlink(step->path) == 0 || (errno == EISDIR && rmdir(step->path) == 0) ||
			      errno == ENOENT)
		return true;
	command_fail(0, "cannot be taken back: %s: %s", step->path, strerror(errno));
	return false;
}

int undo_back_to(struct undo *undo, size_t count)
{
	int failures = 0;

	while (undo->count > count) {
		struct undo_step *step = &undo->steps[--undo->count];

		failures += !take_back(step);
		free(step->path);
	}
	return failures;
}

void undo_forget(struct undo *undo)
{
	while (undo->count > 0)
		free(undo->steps[--undo->count].path);
}
