/* From which address would the kernel send to the internet? */
#ifndef OWN_ADDRESS_H
#define OWN_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

/*
 * family: AF_INET or AF_INET6. 0, or -1: there is none. Nothing is sent. The port is 0.
 */
int own_address_find(int family, struct sockaddr_storage *out);
/* Is it one that the internet does not route (RFC 1918, 6598, 4193, link-local): does somebody translate it on the way? */
bool own_address_is_private(const struct sockaddr_storage *address);

#endif
