/*
 * Somebody has taken the edge's worker over: LD_PRELOAD=intruder.so postern-edge. Nothing happens
 *until SIGUSR1; then the main thread of the running, confined worker tries what the lines of
 *
 *	/var/lib/postern/edge/intruder		VERB ARGUMENT
 *
 * say, and writes what came of each to intruder.out beside it: "VERB ARGUMENT: ok" or the errno's
 *name. So it is the installed program that is tested, and no test code is in it. A signal handler,
 *as a thread of its own would be older than the sandbox; so nothing here may allocate memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "edge/keeper_protocol.h"

#define ORDERS "/var/lib/postern/edge/intruder"
#define RESULTS "/var/lib/postern/edge/intruder.out"
#define DESCRIPTORS 64

static char text[8192];

static int try_open(const char *path, int flags)
{
	char byte;
	int fd = open(path, flags | O_CLOEXEC, 0600), result = fd;

	if (fd >= 0 && (flags & O_ACCMODE) == O_RDONLY)
		result = (int)read(fd, &byte, 1);
	if (fd >= 0)
		close(fd);
	return result;
}

static int try_read(const char *path)
{
	return try_open(path, O_RDONLY);
}

static int try_write(const char *path)
{
	return try_open(path, O_WRONLY | O_CREAT);
}

static int try_list(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return fd;
}

static int try_mem(const char *pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%s/mem", pid);
	return try_read(path);
}

static int try_kill(const char *pid)
{
	return kill(atoi(pid), 0);
}

static int try_bind(const char *port)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons((uint16_t)atoi(port)) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int result = bind(fd, (struct sockaddr *)&address, sizeof(address)), saved_errno = errno;

	close(fd);
	errno = saved_errno;
	return result;
}

static int try_ptrace(const char *pid)
{
	return (int)ptrace(PTRACE_ATTACH, atoi(pid), NULL, NULL);
}

static int try_vm_read(const char *pid)
{
	char byte;
	struct iovec here = { &byte, 1 }, there = { (void *)0x1000, 1 };

	return (int)process_vm_readv(atoi(pid), &here, 1, &there, 1, 0);
}

/* A call that no program of ours makes, and that does nothing. */
static int try_unknown(const char *ignored)
{
	(void)ignored;
	return (int)syscall(SYS_mq_unlink, "no-such-queue");
}

/* The one socket of this kind that the worker has. */
static int keeper_socket(void)
{
	int type;
	socklen_t size = sizeof(type);

	for (int fd = 3; fd < DESCRIPTORS; fd++)
		if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 &&
		    type == SOCK_SEQPACKET)
			return fd;
	return -1;
}

static int try_keeper(const char *path)
{
	struct keeper_request request = { .question = KEEPER_OPEN, .number = 1 };
	struct keeper_answer answer;
	int fd = keeper_socket();

	snprintf(request.path, sizeof(request.path), "%s", path);
	/* A descriptor that comes along is dropped by the kernel: there is no room for it. */
	if (send(fd, &request, sizeof(request), 0) < 0 || recv(fd, &answer, sizeof(answer), 0) < 0)
		return -1;
	errno = answer.error;
	return answer.error == 0 ? 0 : -1;
}

static int try_nonsense(const char *nonsense)
{
	return (int)send(keeper_socket(), nonsense, strlen(nonsense), 0);
}

static const struct {
	const char *verb;
	int (*attempt)(const char *argument);
} verbs[] = {
	{ "read", try_read },	  { "write", try_write },	{ "list", try_list },
	{ "mem", try_mem },	  { "kill", try_kill },		{ "bind", try_bind },
	{ "ptrace", try_ptrace }, { "vm_read", try_vm_read },	{ "unknown", try_unknown },
	{ "keeper", try_keeper }, { "nonsense", try_nonsense },
};

static void attempt(int results, const char *verb, const char *argument)
{
	char line[400] = "";

	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(verbs[i].verb, verb) == 0)
			snprintf(line, sizeof(line), "%s %s: %s\n", verb, argument,
				 verbs[i].attempt(argument) >= 0 ? "ok" : strerrorname_np(errno));
	if (write(results, line, strlen(line)) < 0)
		_exit(1);
}

static void intrude(int signal_number)
{
	int orders = open(ORDERS, O_RDONLY | O_CLOEXEC), saved_errno = errno;
	int results = open(RESULTS ".new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ssize_t got = read(orders, text, sizeof(text) - 1);
	char *rest = NULL, *verb, *argument;

	(void)signal_number;
	text[got > 0 ? got : 0] = '\0';
	for (verb = strtok_r(text, " ", &rest); verb != NULL; verb = strtok_r(NULL, " ", &rest)) {
		argument = strtok_r(NULL, "\n", &rest);
		if (argument != NULL)
			attempt(results, verb, argument);
	}
	close(orders);
	close(results);
	rename(RESULTS ".new", RESULTS);
	errno = saved_errno;
}

static void __attribute__((constructor)) hide(void)
{
	signal(SIGUSR1, intrude);
}
