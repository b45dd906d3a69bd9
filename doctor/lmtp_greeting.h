/* Does the transport answer where Postfix connects to it? */
#ifndef LMTP_GREETING_H
#define LMTP_GREETING_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Connects to "unix:/path" or "inet:host:port" and reads the greeting, which goes to `line`. 0; -1 with a
 * reason in `line`: nobody there, no answer in time.
 */
int lmtp_greeting_read(const char *endpoint, char *line, size_t size);
/* Is it postern-transport's, whether it serves (220) or says why not (421)? */
bool lmtp_greeting_is_postern(const char *line);

#endif
