/*
 * Starts sendmail(1), writes the message, and waits for success, all before one deadline; at the
 * deadline it is ended, with its helpers: postdrop(1) for one, where it is not set-group-id
 * (no_new_privs), would go on for ever. Standard
 * input, output and error of this process are Postfix's LMTP connection (spawn(8)), so the child
 * gets pipes of its own and nothing else; what it says is kept for the log. The end of its output
 * tells that it and its helpers are gone.
 */
#include "submission.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/stream.h"

#define SAID_MAX 200

struct child {
	pid_t pid;
	int input;  /* we write */
	int output; /* we read: its standard output and error */
};

/*
 * The child's ends become 0, 1, 2 and everything above is closed. The environment says which
 * Postfix instance (MAIL_CONFIG).
 */
static int spawn_with(struct child *child, const char *sendmail, int child_input, int child_output)
{
	char *const argv[] = { "sendmail", "-i", "-t", "-f", "<>", NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t defaults, none;
	int result;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, child_input, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, child_output, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, child_output, STDERR_FILENO);
	posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
	sigfillset(&defaults);
	sigemptyset(&none);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigdefault(&attributes, &defaults);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK |
						      POSIX_SPAWN_SETPGROUP); /* its own */
	result = posix_spawn(&child->pid, sendmail, &actions, &attributes, argv, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return result;
}

/*
 * Descriptors 0 to 2 may be free: a pipe's end there would be overwritten in the child before it is
 * used.
 */
static int move_up(int fd)
{
	int moved = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);

	close(fd);
	return moved;
}

static int make_pipe(int ends[2])
{
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	ends[0] = move_up(ends[0]);
	ends[1] = move_up(ends[1]);
	return ends[0] < 0 || ends[1] < 0 ? -1 : 0;
}

static int start(struct child *child, const char *sendmail, char *error, size_t error_size)
{
	int input[2] = { -1, -1 }, output[2] = { -1, -1 };
	int result = make_pipe(input) < 0 || make_pipe(output) < 0 ? errno : 0;

	if (result == 0)
		result = spawn_with(child, sendmail, input[0], output[1]);
	child->input = input[1];
	child->output = output[0];
	if (input[0] >= 0)
		close(input[0]);
	if (output[1] >= 0)
		close(output[1]);
	if (result == 0)
		return 0;
	if (child->input >= 0)
		close(child->input);
	if (child->output >= 0)
		close(child->output);
	snprintf(error, error_size, "cannot run %s: %s", sendmail, strerror(result));
	return -1;
}

static void write_message(struct child *child, const struct buffer *message,
			  struct deadline deadline)
{
	struct stream stream;

	stream_init(&stream, child->input, child->input);
	/* A failure shows in the exit status. */
	stream_write_full(&stream, buffer_data(message), buffer_length(message), deadline);
	stream_wipe(&stream);
}

/* Reads what it says until it and its helpers are gone; false at the deadline. */
static bool read_words(struct child *child, char *said, size_t size, struct deadline deadline)
{
	enum stream_result result;
	struct stream stream;
	char bytes[256];
	size_t got, used = 0;

	stream_init(&stream, child->output, child->output);
	while ((result = stream_read_some(&stream, bytes, sizeof(bytes), &got, deadline)) ==
	       STREAM_OK) {
		size_t kept = got < size - 1 - used ? got : size - 1 - used;

		memcpy(said + used, bytes, kept);
		used += kept;
	}
	said[used] = '\0';
	stream_wipe(&stream);
	return result == STREAM_EOF;
}

static int wait_for(pid_t pid, struct deadline deadline)
{
	int status;
	pid_t gone;

	while ((gone = waitpid(pid, &status, WNOHANG)) == 0 && !deadline_has_passed(deadline))
		poll(NULL, 0, 10);
	if (gone == 0) {
		kill(-pid, SIGKILL);
		waitpid(pid, &status, 0);
		return -1;
	}
	return gone == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int submission_run(const char *sendmail, const struct buffer *message, struct deadline deadline,
		   char *error, size_t error_size)
{
	char said[SAID_MAX], printable[SAID_MAX];
	struct child child;
	bool ended;
	int status;

	if (start(&child, sendmail, error, error_size) < 0)
		return -1;
	write_message(&child, message, deadline);
	ended = read_words(&child, said, sizeof(said), deadline);
	status = wait_for(child.pid, ended ? deadline : (struct deadline){ 0 });
	if (status == 0)
		return 0;
	log_printable(printable, sizeof(printable), said, strlen(said));
	snprintf(error, error_size, "%s %s%s%s", sendmail, ended ? "failed" : "did not end in time",
		 printable[0] != '\0' ? ": " : "", printable);
	return -1;
}
