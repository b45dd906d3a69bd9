/*
 * leave: the way back of join. What join found is put back; work of others that came after it stays.
 */
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include "command.h"
#include "join_exit.h"
#include "join_undo.h"
#include "join_user.h"

static int leave(const struct join_undo *undo, struct join_state *state)
{
	char error[JOIN_ERROR_MAX];
	int result = join_state_lock(error, sizeof(error));

	if (result == EX_OK)
		result = join_state_open(state, JOIN_STATE_DIRECTORY, error, sizeof(error));
	if (result != EX_OK)
		return command_fail(result, "%s", error);
	if (!state->exists) {
		join_state_forget(state);
		printf("not joined: `postern join' has changed nothing on this host\n");
		return EX_OK;
	}
	result = join_undo(undo, state, error, sizeof(error));
	if (result != EX_OK)
		return command_fail(result, "%s; run `postern leave' again when that has changed", error);
	printf("This mail host has left. Its mail goes as it did before.\n");
	if (access(JOIN_KEY_PATH, F_OK) == 0)
		printf("Its key stays in " JOIN_KEY_PATH " (--purge removes it); on the edge, `postern revoke' takes it off the list.\n");
	return EX_OK;
}

static int run_leave(const struct command *command, int argc, char **argv)
{
	struct join_undo undo = { .is_told = true };
	const struct command_option options[] = {
		{ "purge", NULL, &undo.is_purge },
		{ NULL, NULL, NULL },
	};
	struct command_arguments arguments;
	struct join_state state = { .exists = false };
	int result = command_parse(command, argc, argv, options, &arguments);

	if (result >= 0)
		return result;
	if (geteuid() != 0)
		return command_fail(JOIN_NOT_ROOT, "leave must be run by root (sudo postern leave); nothing was changed");
	result = leave(&undo, &state);
	join_state_wipe(&state);
	return result;
}

const struct command command_leave = {
	.name = "leave",
	.arguments = "[--purge]",
	.summary = "undo what join did on this mail host",
	.help = "Puts back what `postern join' found: Postfix's settings, postern's files, the user. Files that were edited since keep "
		"the edits:\n"
		"from them only what join wrote is taken out. Mail that waits in the queue goes as it did before.\n\n"
		"  --purge  the secret key and what the transport remembers go, too\n",
	.words_max = 0,
	.run = run_leave,
};
