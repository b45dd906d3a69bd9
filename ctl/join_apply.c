/*
 * The steps of join on this host. Each text that is written is noted before, with what was there
 * (join_state.h), so that a failure, a power cut and `postern leave' all find the way back. Postfix
 * comes last: until it is reloaded no mail goes another way than before.
 *
 * A host that has joined before, and gets one more edge, keeps the notes of the first time. What is
 * written in addition is put back here if a later step fails.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "doctor/program.h"
#include "join_exit.h"
#include "join_host.h"
#include "join_undo.h"
#include "join_user.h"
#include "transport/transport_conf.h"

#define CHECK_MS 60000
#define WRITTEN_MAX 4
#define CONF_TEXT "# postern-transport on this mail host. Every setting has a default: postern.conf(5).\n"

/* What this run has written, to be put back. */
struct written {
	const struct kept_file *file; /* NULL: there are no copies to keep up with it */
	const char *path, *before, *after;
};

struct steps {
	struct join_host *host;
	bool is_first; /* nothing is noted yet */
	size_t edges_before; /* that are noted */
	char paths[POSTFIX_FILES][PATH_MAX + 16];
	struct written written[WRITTEN_MAX];
	size_t written_count;
};

/* The copies, too: leave shall see a file that is as join left it. */
static int put_back(const struct written *one, const char *copies)
{
	char error[JOIN_ERROR_MAX];
	int result;

	if (one->file != NULL)
		result = kept_file_replace(one->file, copies, one->after, one->before, error, sizeof(error));
	else
		result = kept_file_write(one->path, one->after, one->before, error, sizeof(error));
	if (result != 0)
		fprintf(stderr, "postern: %s; put it back by hand\n", error);
	return result;
}

/* Notes it, then writes it. */
static int write_text(struct steps *steps, const char *name, const char *path, const char *before,
		      const char *after, char *error, size_t error_size)
{
	struct join_state *state = &steps->host->state;
	const struct kept_file *file = join_state_find_file(state, name);
	enum kept_file_state look = KEPT_FILE_AS_BEFORE;
	int result = 0;

	if (file != NULL && strcmp(file->path, path) != 0) {
		snprintf(error, error_size, "%s is to be changed, and an earlier `postern join' changed %s; `postern leave' takes "
			 "that back, then run this again", path, file->path);
		return JOIN_CONFIG;
	}
	if (file == NULL) {
		file = join_state_add_file(state, name, path, error, error_size);
		if (file == NULL || join_state_save(state, error, error_size) != 0)
			return JOIN_NOT_WRITABLE;
	} else if (kept_file_look(file, state->directory, &look, error, error_size) != 0) {
		return JOIN_CONFIG;
	}
	/* Somebody's work that came after the notes must not be taken for ours. */
	if (look == KEPT_FILE_CHANGED)
		result = kept_file_write(path, before, after, error, error_size);
	else
		result = kept_file_replace(file, state->directory, before, after, error, error_size);
	if (result != 0)
		return JOIN_NOT_WRITABLE;
	steps->written[steps->written_count++] =
		(struct written){ look == KEPT_FILE_CHANGED ? NULL : file, path, before, after };
	return 0;
}

static int make_directory(struct join_host *host, char *error, size_t error_size)
{
	int result = 0;

	if (access(POSTERN_SYSCONFDIR, F_OK) != 0 && errno == ENOENT) {
		host->state.made_configuration_directory = true;
		result = join_state_save(&host->state, error, error_size);
	}
	if (result != 0 || mkdir(POSTERN_SYSCONFDIR, 0755) == 0 || errno == EEXIST)
		return result;
	snprintf(error, error_size, "%s: %s", POSTERN_SYSCONFDIR, strerror(errno));
	return JOIN_NOT_WRITABLE;
}

static int write_tables(struct steps *steps, char *error, size_t error_size)
{
	struct join_host *host = steps->host;
	int result = make_directory(host, error, error_size);

	if (result == 0 && !host->has_conf)
		result = write_text(steps, "postern.conf", TRANSPORT_CONF_PATH, NULL, CONF_TEXT, error,
				    error_size);
	if (result != 0 || host->edges_after == NULL)
		return result;
	result = join_state_add_edge(&host->state, host->name, error, error_size);
	if (result == 0)
		result = write_text(steps, "edges", host->edges_path, host->edges_before,
				    host->edges_after, error, error_size);
	return result;
}

/* As the transport's own user: rights are looked at, too. */
static int try_transport(char *error, size_t error_size)
{
	const char *const argv[] = { POSTERN_LIBEXECDIR "/postern-transport", "--check", NULL };
	struct program_output output;
	int result;

	if (program_run(&output, argv, JOIN_USER, PROGRAM_STDERR_TOO, CHECK_MS, error, error_size) != 0)
		return JOIN_CONFIG;
	result = output.exit_code == 0 ? 0 : JOIN_CONFIG;
	if (result != 0)
		snprintf(error, error_size, "postern-transport --check: %.*s",
			 (int)strcspn(output.text, "\n"), output.text);
	program_output_wipe(&output);
	return result;
}

/* master.cf first: whoever reads main.cf then finds the service that it names. */
static int write_postfix(struct steps *steps, char *error, size_t error_size)
{
	struct join_host *host = steps->host;
	int result;

	if (host->changes.count == 0)
		return 0;
	if (join_state_add_changes(&host->state, &host->postfix, &host->changes) != 0) {
		snprintf(error, error_size, "out of memory");
		return JOIN_SYSTEM;
	}
	result = join_state_save(&host->state, error, error_size);
	for (size_t i = POSTFIX_FILES; i-- > 0 && result == 0;) {
		snprintf(steps->paths[i], sizeof(steps->paths[i]), "%s/%s", host->postfix.directory,
			 postfix_file_names[i]);
		if (strcmp(host->changes.before[i], host->changes.after[i]) != 0)
			result = write_text(steps, postfix_file_names[i], steps->paths[i],
					    host->changes.before[i], host->changes.after[i], error,
					    error_size);
	}
	if (result == 0 && (postfix_check(host->postfix.directory, error, error_size) != 0 ||
			    postfix_reload(&host->postfix, error, error_size) != 0))
		result = JOIN_POSTFIX;
	return result;
}

static int go(struct steps *steps, char *error, size_t error_size)
{
	int result = join_state_save(&steps->host->state, error, error_size);

	if (result == 0)
		result = join_user_make(&steps->host->state, error, error_size);
	if (result == 0)
		result = write_tables(steps, error, error_size);
	if (result == 0)
		result = try_transport(error, error_size);
	if (result == 0)
		result = write_postfix(steps, error, error_size);
	if (result == 0) {
		steps->host->state.is_complete = true;
		result = join_state_save(&steps->host->state, error, error_size);
	}
	return result;
}

/* What this run has added to an earlier one's work. 0, or an exit code with `error`. */
static int go_back_a_step(struct steps *steps, char *error, size_t error_size)
{
	struct join_state *state = &steps->host->state;
	int result = 0;

	for (size_t i = steps->written_count; i-- > 0;)
		if (put_back(&steps->written[i], state->directory) != 0)
			result = JOIN_NOT_WRITABLE;
	if (result != 0) {
		snprintf(error, error_size, "not all of this run could be put back");
		return result;
	}
	state->edge_count = steps->edges_before;
	result = join_state_save(state, error, error_size);
	if (result == 0 && postfix_reload(&steps->host->postfix, error, error_size) != 0)
		result = JOIN_POSTFIX;
	return result;
}

/* Is it as before? */
static bool go_back(struct steps *steps)
{
	const struct join_undo quietly = { .is_told = false };
	char error[JOIN_ERROR_MAX];
	int result;

	if (steps->is_first)
		result = join_undo(&quietly, &steps->host->state, error, sizeof(error));
	else
		result = go_back_a_step(steps, error, sizeof(error));
	if (result != 0)
		fprintf(stderr, "postern: %s\n", error);
	return result == 0;
}

int join_host_apply(struct join_host *host, bool *is_undone, char *error, size_t error_size)
{
	struct steps steps = { .host = host, .is_first = !host->state.exists,
			       .edges_before = host->state.edge_count };
	sigset_t signals, before;
	int result;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &signals, &before);
	result = go(&steps, error, error_size);
	*is_undone = result != 0 && go_back(&steps);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return result;
}
