/*
 * An ordinary message by the ordinary way: whatever this host does to a program's mail (milters,
 * signatures, rewriting) is done to this one, too.
 */
#include "test_message.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

/* Between two looks whether sendmail has ended. */
#define WAIT_LOOK_MS 10

extern char **environ;

void test_message_init(struct test_message *message, const char *sender, const char *recipient)
{
	uint64_t number[2];

	if (getrandom(number, sizeof(number), 0) != (ssize_t)sizeof(number))
		number[0] = number[1] = (uint64_t)time(NULL) ^ (uint64_t)getpid();
	snprintf(message->token, sizeof(message->token), "%016llx%016llx", (unsigned long long)number[0],
		 (unsigned long long)number[1]);
	message->sender = sender;
	message->recipient = recipient;
}

/* From and Date are left to Postfix, which knows its own name. */
static void print(const struct test_message *message, FILE *out)
{
	char host[HOST_NAME_MAX + 1] = "localhost";

	gethostname(host, sizeof(host) - 1);
	fprintf(out,
		"To: <%s>\nSubject: postern test from %s\nMessage-ID: <postern-test.%s@%s>\n"
		"Auto-Submitted: auto-generated\nMIME-Version: 1.0\nContent-Type: text/plain; charset=us-ascii\n\n"
		"This message was sent by `postern test' on %s, to see whether mail gets here.\n"
		"Nobody needs to answer it.\n",
		message->recipient, host, message->token, host, host);
}

static int spawn(const struct test_message *message, const char *sendmail, int input, pid_t *child)
{
	const char *arguments[8] = { sendmail, "-i" };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	size_t count = 2;
	int failed;

	if (message->sender != NULL) {
		arguments[count++] = "-f";
		arguments[count++] = message->sender;
	}
	arguments[count++] = "--";
	arguments[count++] = message->recipient;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP); /* its own, with its helpers */
	failed = posix_spawn(child, sendmail, &actions, &attributes, (char **)arguments, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return failed;
}

static int wait_for(pid_t child, const char *sendmail, struct deadline deadline, char *error, size_t error_size)
{
	int status;
	pid_t gone;

	while ((gone = waitpid(child, &status, WNOHANG)) == 0 && !deadline_has_passed(deadline))
		poll(NULL, 0, WAIT_LOOK_MS);
	if (gone == 0) {
		kill(-child, SIGKILL);
		waitpid(child, &status, 0);
		snprintf(error, error_size, "%s did not end in time, and was killed; is there room in Postfix's queue?",
			 sendmail);
	} else if (gone < 0) {
		snprintf(error, error_size, "%s: nobody knows how it ended: %s", sendmail, strerror(errno));
	} else if (WIFSIGNALED(status)) {
		snprintf(error, error_size, "%s was ended by signal %d", sendmail, WTERMSIG(status));
	} else if (WEXITSTATUS(status) != EX_OK) {
		snprintf(error, error_size, "%s ended with exit status %d; Postfix did not take the message", sendmail,
			 WEXITSTATUS(status));
	} else {
		return 0;
	}
	return -1;
}

int test_message_send(const struct test_message *message, const char *sendmail, struct deadline deadline, char *error,
		      size_t error_size)
{
	int ends[2], failed;
	pid_t child;
	FILE *out;

	if (pipe2(ends, O_CLOEXEC) < 0) {
		snprintf(error, error_size, "no descriptors left: %s", strerror(errno));
		return -1;
	}
	failed = spawn(message, sendmail, ends[0], &child);
	close(ends[0]);
	if (failed != 0) {
		close(ends[1]);
		snprintf(error, error_size, "%s cannot be run: %s (sendmail in postern.conf names it)", sendmail,
			 strerror(failed));
		return -1;
	}
	/* One that ends without reading says why by its exit status. */
	signal(SIGPIPE, SIG_IGN);
	out = fdopen(ends[1], "w");
	if (out != NULL) {
		print(message, out);
		fclose(out);
	}
	return wait_for(child, sendmail, deadline, error, error_size);
}
