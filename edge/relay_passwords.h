/*
 * The file relay_passwords, in the format of Postfix's sasl_passwd:
 *
 *	[smtp.example.com]:587    user@example.com:password
 *	mail.example.net          user:password
 *
 * The left side is a relay as the table relay names it; a bare host name is that host at any port,
 * if no line names the port. It is the keeper's alone, is read again when it changes, and is taken
 * whole or not at all. A file that has gone counts as it was until the edge starts anew.
 */
#ifndef RELAY_PASSWORDS_H
#define RELAY_PASSWORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sasl_login.h"

struct relay_passwords;

/*
 * A file that does not exist is an empty one. NULL with "PATH: ..." or "PATH:LINE: ..." in error,
 * which never quotes what stands right of a relay. Only for files that nobody but their owner (root,
 * or whoever we are) can read or write.
 */
struct relay_passwords *relay_passwords_create(const char *path, char *error, size_t error_size);
void relay_passwords_destroy(struct relay_passwords *passwords);
size_t relay_passwords_count(const struct relay_passwords *passwords);
/* Grows with each file that was taken; of what relay_passwords_find() looked at last. */
uint64_t relay_passwords_generation(const struct relay_passwords *passwords);

/* For the next_hop of a relay_destination. false: there is none. Wipe *login. One thread's. */
bool relay_passwords_find(struct relay_passwords *passwords, const char *next_hop,
			  struct sasl_login *login);

#endif
