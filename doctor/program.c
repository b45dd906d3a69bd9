/*
 * A child with a pipe for its output. It runs in a process group of its own, so that what it has
 * started in turn ends with it when its time is over.
 */
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/buffer.h"
#include "lib/deadline.h"

#define PATH_OF_ROOT "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

bool program_is_installed(const char *name)
{
	char directories[] = PATH_OF_ROOT, path[300], *directory, *save = NULL;

	for (directory = strtok_r(directories, ":", &save); directory != NULL; directory = strtok_r(NULL, ":", &save)) {
		snprintf(path, sizeof(path), "%s/%s", directory, name);
		if (access(path, X_OK) == 0)
			return true;
	}
	return false;
}

int program_become(const char *user)
{
	struct passwd *entry;

	if (geteuid() != 0)
		return 0;
	errno = 0;
	entry = getpwnam(user);
	if (entry == NULL) {
		errno = errno != 0 ? errno : ENOENT;
		return -1;
	}
	return initgroups(user, entry->pw_gid) == 0 && setresgid(entry->pw_gid, entry->pw_gid, entry->pw_gid) == 0 &&
	       setresuid(entry->pw_uid, entry->pw_uid, entry->pw_uid) == 0 ? 0 : -1;
}

/* In the child. What goes wrong is said through the second pipe, which exec closes. */
static void __attribute__((noreturn)) become_program(const char *const *arguments, const char *user,
						     enum program_stderr standard_error, int out, int trouble)
{
	int empty = open("/dev/null", O_RDWR | O_CLOEXEC), reason;

	setpgid(0, 0);
	signal(SIGPIPE, SIG_DFL);
	if (empty >= 0 && dup2(empty, STDIN_FILENO) == 0 && dup2(out, STDOUT_FILENO) == STDOUT_FILENO &&
	    dup2(standard_error != PROGRAM_STDERR_DROPPED ? out : empty, STDERR_FILENO) == STDERR_FILENO &&
	    (user == NULL || program_become(user) == 0) && setenv("LC_ALL", "C", 1) == 0 &&
	    setenv("PATH", PATH_OF_ROOT, 1) == 0)
		execvp(arguments[0], (char *const *)arguments);
	reason = errno;
	if (write(trouble, &reason, sizeof(reason)) < 0)
		_exit(126);
	_exit(127);
}

/* To the end of the output, or of the time. 0, or -1 with errno. */
static int collect(struct program_output *output, int fd, struct deadline deadline)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	struct buffer buffer;
	char piece[8192];
	ssize_t got = 1;

	buffer_init(&buffer, PROGRAM_OUTPUT_MAX + 1);
	while (got > 0) {
		int polled = poll(&ready, 1, deadline_poll_ms(deadline));

		if (polled < 0 && errno == EINTR)
			continue;
		if (polled == 0)
			errno = ETIMEDOUT;
		got = polled > 0 ? read(fd, piece, sizeof(piece)) : -1;
		/* Of a terminal that nobody has open any more. */
		if (got < 0 && polled > 0 && errno == EIO)
			got = 0;
		if (got > 0 && buffer_length(&buffer) + (size_t)got <= PROGRAM_OUTPUT_MAX)
			output->is_cut |= buffer_put(&buffer, piece, (size_t)got) < 0;
		else if (got > 0)
			output->is_cut = true;
	}
	if (got == 0 && buffer_put_u8(&buffer, 0) < 0)
		got = -1;
	if (got < 0) {
		int reason = errno;

		buffer_wipe(&buffer);
		errno = reason;
		return -1;
	}
	output->text = (char *)buffer.bytes;
	output->length = buffer_length(&buffer) - 1;
	return 0;
}

static int end_child(pid_t pid, bool is_too_slow)
{
	int status;

	if (is_too_slow) {
		kill(-pid, SIGKILL);
		kill(pid, SIGKILL);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int run_in_pipes(struct program_output *output, const char *const *arguments, const char *user,
			enum program_stderr standard_error, struct deadline deadline, int out[2], int trouble[2])
{
	pid_t pid = fork();
	int reason = 0, result;

	if (pid < 0)
		return -1;
	if (pid == 0)
		become_program(arguments, user, standard_error, out[1], trouble[1]);
	close(out[1]);
	close(trouble[1]);
	out[1] = trouble[1] = -1;
	if (read(trouble[0], &reason, sizeof(reason)) != (ssize_t)sizeof(reason))
		reason = 0;
	result = reason == 0 ? collect(output, out[0], deadline) : -1;
	if (reason == 0 && result < 0)
		reason = errno;
	output->exit_code = end_child(pid, result < 0);
	errno = reason;
	return result;
}

/* Our end and the program's. 0, or -1. */
static int open_terminal(int ends[2])
{
	char name[64];

	ends[0] = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (ends[0] < 0 || grantpt(ends[0]) != 0 || unlockpt(ends[0]) != 0 || ptsname_r(ends[0], name, sizeof(name)) != 0)
		return -1;
	ends[1] = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	return ends[1] < 0 ? -1 : 0;
}

static void close_pipe(int ends[2])
{
	for (int i = 0; i < 2; i++)
		if (ends[i] >= 0)
			close(ends[i]);
}

int program_run(struct program_output *output, const char *const *arguments, const char *user,
		enum program_stderr standard_error, int time_limit_ms, char *error, size_t error_size)
{
	int out[2] = { -1, -1 }, trouble[2] = { -1, -1 }, result = -1;

	*output = (struct program_output){ .exit_code = -1 };
	if ((standard_error == PROGRAM_STDERR_TERMINAL ? open_terminal(out) : pipe2(out, O_CLOEXEC)) == 0 && pipe2(trouble, O_CLOEXEC) == 0)
		result = run_in_pipes(output, arguments, user, standard_error, deadline_in_ms(time_limit_ms), out,
				      trouble);
	if (result < 0 && errno == ETIMEDOUT)
		snprintf(error, error_size, "%s: no answer within %d s", arguments[0], time_limit_ms / 1000);
	else if (result < 0)
		snprintf(error, error_size, "%s: %s", arguments[0], strerror(errno));
	close_pipe(out);
	close_pipe(trouble);
	return result;
}

const char *program_last_sentence(struct program_output *output)
{
	char *end = output->text + strlen(output->text), *line;
	size_t name;

	while (end > output->text && end[-1] == '\n')
		*--end = '\0';
	line = strrchr(output->text, '\n');
	line = line != NULL ? line + 1 : output->text;
	if (line[0] == '<' && strchr(line, '>') != NULL)
		line = strchr(line, '>') + 1;
	name = strcspn(line, " ");
	return strncmp(line, "postern", 7) == 0 && line[name] == ' ' && line[name - 1] == ':' ? line + name + 1 : line;
}

void program_output_wipe(struct program_output *output)
{
	free(output->text);
	output->text = NULL;
}
