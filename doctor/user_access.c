/* A child becomes the user, looks, and sends its answers through a pipe. */
#include "user_access.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "program.h"

/* Each directory from the root on must let us pass. */
static void look(struct user_access *question)
{
	const char *slash = question->path;

	while ((slash = strchr(slash + 1, '/')) != NULL) {
		snprintf(question->where, sizeof(question->where), "%.*s", (int)(slash - question->path),
			 question->path);
		if (access(question->where, X_OK) != 0) {
			question->error = errno;
			return;
		}
	}
	snprintf(question->where, sizeof(question->where), "%s", question->path);
	question->error = access(question->path, question->mode) == 0 ? 0 : errno;
}

/* More than a pipe takes at once. */
static int write_all(int fd, const void *bytes, size_t length)
{
	const char *next = bytes;

	while (length > 0) {
		ssize_t written = write(fd, next, length);

		if (written <= 0)
			return -1;
		next += written;
		length -= (size_t)written;
	}
	return 0;
}

static int read_all(int fd, void *bytes, size_t length)
{
	char *next = bytes;

	while (length > 0) {
		ssize_t got = read(fd, next, length);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return -1;
		next += got;
		length -= (size_t)got;
	}
	return 0;
}

static void __attribute__((noreturn)) answer(const char *user, struct user_access *questions, size_t count, int fd)
{
	int trouble = program_become(user) < 0 ? errno : 0;

	if (write_all(fd, &trouble, sizeof(trouble)) < 0 || trouble != 0)
		_exit(1);
	for (size_t i = 0; i < count; i++) {
		look(&questions[i]);
		if (write_all(fd, &questions[i].error, sizeof(questions[i].error)) < 0 ||
		    write_all(fd, questions[i].where, sizeof(questions[i].where)) < 0)
			_exit(1);
	}
	_exit(0);
}

static int read_answers(int fd, struct user_access *questions, size_t count, int *trouble)
{
	*trouble = EIO;
	if (read_all(fd, trouble, sizeof(*trouble)) < 0 || *trouble != 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		if (read_all(fd, &questions[i].error, sizeof(questions[i].error)) < 0 ||
		    read_all(fd, questions[i].where, sizeof(questions[i].where)) < 0) {
			*trouble = EIO;
			return -1;
		}
	return 0;
}

int user_access_ask(const char *user, struct user_access *questions, size_t count, char *error, size_t error_size)
{
	int ends[2] = { -1, -1 }, result, trouble;
	pid_t pid;

	if (pipe(ends) < 0 || (pid = fork()) < 0) {
		snprintf(error, error_size, "cannot start a process: %s", strerror(errno));
		if (ends[0] >= 0) {
			close(ends[0]);
			close(ends[1]);
		}
		return -1;
	}
	if (pid == 0) {
		close(ends[0]);
		answer(user, questions, count, ends[1]);
	}
	close(ends[1]);
	result = read_answers(ends[0], questions, count, &trouble);
	close(ends[0]);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (result < 0 && trouble == ENOENT)
		snprintf(error, error_size, "there is no user \"%s\"", user);
	else if (result < 0)
		snprintf(error, error_size, "cannot become user \"%s\": %s", user, strerror(trouble));
	return result;
}
