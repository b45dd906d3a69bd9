/*
 * pidfd_open(2) for a valgrind that does not know it (before 3.21): preloaded, it gives a pipe that becomes readable
 * when the child has ended, which is all that is asked of it here. The child is left for its parent to wait for.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct watch {
	pid_t pid;
	int end;
};

static void *watch(void *argument)
{
	const struct timespec pause = { .tv_nsec = 10000000 };
	struct watch *watched = argument;
	siginfo_t info = { 0 };

	while (waitid(P_PID, (id_t)watched->pid, &info, WEXITED | WNOWAIT | WNOHANG) == 0 && info.si_pid == 0)
		nanosleep(&pause, NULL);
	close(watched->end);
	free(watched);
	return NULL;
}

int pidfd_open(pid_t pid, unsigned int flags)
{
	struct watch *watched = malloc(sizeof(*watched));
	pthread_attr_t attributes;
	pthread_t thread;
	int ends[2];

	(void)flags;
	if (watched == NULL || pipe2(ends, O_CLOEXEC) != 0) {
		free(watched);
		return -1;
	}
	*watched = (struct watch){ pid, ends[1] };
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	if (pthread_create(&thread, &attributes, watch, watched) != 0)
		abort();
	pthread_attr_destroy(&attributes);
	return ends[0];
}
