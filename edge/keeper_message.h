/* One datagram between the worker and the keeper. */
#ifndef KEEPER_MESSAGE_H
#define KEEPER_MESSAGE_H

#include <sys/socket.h>

/*
 * Sends it whole. A kernel that is short of memory for the moment is asked again, for some seconds:
 * neither process can do without the other. 0, or -1 with errno.
 */
int keeper_message_send(int fd, const struct msghdr *message, size_t length);

#endif
