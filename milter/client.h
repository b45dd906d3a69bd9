/*
 * What is known of who hands a message in, before `senders` is asked.
 */
#ifndef CLIENT_H
#define CLIENT_H

#include <stdbool.h>
#include <sys/socket.h>

#define CLIENT_LOGIN_MAX 255
#define CLIENT_FINGERPRINT_MAX 200	/* SHA-512 with colons is 191 */

struct client {
	char login[CLIENT_LOGIN_MAX + 1];		/* SASL user name; "" if not authenticated */
	/* of the TLS client certificate and of its public key, as Postfix prints them; "" if none */
	char certificate[CLIENT_FINGERPRINT_MAX + 1];
	char public_key[CLIENT_FINGERPRINT_MAX + 1];
	bool is_local;					/* sendmail(1), not SMTP */
	struct sockaddr_storage address;		/* ss_family AF_UNSPEC: unknown */
	char address_text[64];				/* for the log */
};

#endif
