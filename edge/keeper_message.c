/* See keeper_message.h. Receiving needs no memory of the kernel's. */
#include "keeper_message.h"

#include <errno.h>
#include <stdbool.h>
#include <unistd.h>

#include "lib/deadline.h"

#define PATIENCE_MS 10000
#define LOOK_US 1000

static bool is_short_of_memory(int error)
{
	return error == ENOBUFS || error == ENOMEM;
}

int keeper_message_send(int fd, const struct msghdr *message, size_t length)
{
	struct deadline deadline = deadline_in_ms(PATIENCE_MS);
	ssize_t sent;

	for (;;) {
		sent = sendmsg(fd, message, MSG_NOSIGNAL);
		if (sent >= 0)
			return sent == (ssize_t)length ? 0 : -1;
		if (is_short_of_memory(errno) && !deadline_has_passed(deadline))
			usleep(LOOK_US);
		else if (errno != EINTR)
			return -1;
	}
}
