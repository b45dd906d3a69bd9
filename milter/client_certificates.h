/*
 * The client certificates that Postfix's policy protocol has just told, until the milter protocol
 * asks for them: the milter protocol itself carries no fingerprint. Postfix asks the policy service
 * at each RCPT before it tells the milter of that recipient, so a fingerprint waits here for
 * milliseconds. It is given out once, to the transaction with the same client address, port and
 * sender, and forgotten after CLIENT_CERTIFICATES_LIFETIME_MS.
 */
#ifndef CLIENT_CERTIFICATES_H
#define CLIENT_CERTIFICATES_H

#include <stdbool.h>
#include <stddef.h>

#include "client.h"

#define CLIENT_CERTIFICATES_LIFETIME_MS 30000
/* A table's worth: at most so many recipients are between the two protocols at one time. */
#define CLIENT_CERTIFICATES_MAX 1024

struct client_certificates;

struct client_certificates *client_certificates_create(void);	/* NULL: no memory */
void client_certificates_destroy(struct client_certificates *certificates);

/*
 * `sender` without brackets; it is made printable before it is compared, as message->sender_text is.
 * Fingerprints are "" for a client without a certificate, which takes the place of what was told before.
 */
void client_certificates_put(struct client_certificates *certificates, const char *address, const char *port,
			     const char *sender, const char *certificate, const char *public_key);
/* Fills client->certificate and client->public_key, or makes them "". */
void client_certificates_take(struct client_certificates *certificates, const char *address, const char *port,
			      const char *sender, struct client *client);

#endif
