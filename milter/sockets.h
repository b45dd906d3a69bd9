/*
 * The sockets on which Postfix finds the milter, made as root so that they can lie in Postfix's
 * queue directory, where its processes reach them with and without chroot.
 */
#ifndef SOCKETS_H
#define SOCKETS_H

#include <stddef.h>

#include "milter_conf.h"

/*
 * Opens libmilter's socket (libmilter keeps it) and, if policy_listen is set, the policy socket
 * (*policy_fd_out, else -1). As root, makes directories that are missing (of the sockets, of the
 * control socket, and state_directory) and gives all of it to `user` and `socket_group`. The sockets
 * have mode 0660. 0, or -1 with error.
 */
int sockets_open(const struct milter_conf *conf, int *policy_fd_out, char *error, size_t error_size);

#endif
