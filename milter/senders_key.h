/*
 * Who is looked up in `senders`: the left-hand side of a line, and what a client is asked for as.
 * Pure.
 *
 *	key = NAME / "login:" NAME / "login:*" / "@" domain / "local" / ["cert:"] fingerprint
 *	    / address / address "/" length
 *
 * A login that reads like another kind of key is only ever "login:NAME".
 */
#ifndef SENDERS_KEY_H
#define SENDERS_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client.h"
#include "lib/smtp_limits.h"

enum senders_key_kind {
	SENDERS_KEY_LOGIN,
	SENDERS_KEY_EVERY_LOGIN,
	SENDERS_KEY_DOMAIN,
	SENDERS_KEY_CERTIFICATE,
	SENDERS_KEY_LOCAL,
	SENDERS_KEY_NETWORK
};

#define SENDERS_KEY_TEXT_MAX 256	/* the longest login, domain, fingerprint; with NUL */
#define SENDERS_KEY_SPELLING_MAX (SENDERS_KEY_TEXT_MAX + 8)

struct senders_key {
	enum senders_key_kind kind;
	char text[SENDERS_KEY_TEXT_MAX];	/* lower case, without prefix; "" where there is nothing to say */
	/* networks only; IPv4-mapped addresses are IPv4 */
	uint8_t address[16];
	unsigned octets;			/* 4 or 16 */
	unsigned prefix;			/* bits; the others are 0 */
};

/* What stands in a table. -1 with "what is wrong; what to do". */
int senders_key_parse(struct senders_key *key, const char *text, char *reason, size_t reason_size);

/* False if it is none that could ever have a line: control characters, white space, bad UTF-8, too long. */
bool senders_key_from_login(struct senders_key *key, const char *login);
/* False if the login is not an address. */
bool senders_key_from_login_domain(struct senders_key *key, const char *login);
/* As Postfix prints it. False if it is none. */
bool senders_key_from_fingerprint(struct senders_key *key, const char *fingerprint);
/* False if it is neither IPv4 nor IPv6. */
bool senders_key_from_address(struct senders_key *key, const struct sockaddr_storage *address);
/* The network of that prefix around it, which is not longer than its own. */
void senders_key_widen(struct senders_key *key, unsigned prefix);

/*
 * The `index`-th way (from 0) in which tables that know only strings may have it: without its
 * prefix, with it; an address as access(5) truncates it. False after the last.
 */
bool senders_key_spelling(const struct senders_key *key, size_t index, char out[SENDERS_KEY_SPELLING_MAX]);
/* For people: "login:alice", "cert:AB:CD...", "192.0.2.0/24", "192.0.2.1". */
char *senders_key_print(const struct senders_key *key, char *out, size_t size);

#endif
