/*
 * An invite: what an administrator carries from the edge to the mail host, once, in one line:
 *
 *	invite  = "postern-invite:1:" host ":" port ":" edge-key ":" secret ":" expires ":" check
 *	host    = host name / IPv4 address / "[" IPv6 address "]"
 *	port    = 1*5DIGIT			; 1..65535
 *	edge-key = 43 base64url			; the edge's public key, to be pinned (RFC 4648 5, no padding)
 *	secret  = 22 base64url			; 16 random bytes
 *	expires = 1*12DIGIT			; seconds since 1970, by the edge's clock
 *	check   = 7 base32			; the first 4 bytes of BLAKE2b-128 over all before the last colon
 *
 * Letters keep their case. The letters of the check are Crockford's, which no two look alike. White
 * space anywhere is skipped: what a mail program wraps stays an invite.
 *
 * Whoever has the line may have one key of his own put in the place of the invite (doc/PROTOCOL.md):
 * from the secret follows a static key pair, of which the edge keeps the public half alone.
 */
#ifndef INVITE_H
#define INVITE_H

#include <stddef.h>
#include <stdint.h>

#include "noise.h"

#define INVITE_PREFIX "postern-invite:"
#define INVITE_SECRET_SIZE 16
#define INVITE_HOST_MAX 255
/* With the NUL. */
#define INVITE_TEXT_MAX 384

struct invite {
	char host[INVITE_HOST_MAX + 1]; /* an IPv6 address without its brackets */
	uint16_t port;
	uint8_t edge_key[NOISE_DHLEN];
	uint8_t secret[INVITE_SECRET_SIZE]; /* wipe it: invite_wipe() */
	int64_t expires;
};

enum invite_fault {
	INVITE_GOOD,
	INVITE_NONE,		/* it does not begin as an invite does */
	INVITE_OTHER_VERSION,	/* an invite of a postern that is newer than this one */
	INVITE_CUT_OFF,		/* its end, or more, is missing */
	INVITE_DAMAGED,		/* a character is another one, missing or too many: the check does not fit */
};

/* 0, or -1: host or port cannot stand in an invite. */
int invite_print(const struct invite *invite, char out[INVITE_TEXT_MAX]);
/*
 * `reason` is a sentence for the user that says what is wrong and what to do, and quotes nothing of
 * the secret. Whether it has expired is for the edge to say, whose clock it is. *invite is filled in
 * only if it is good.
 */
enum invite_fault invite_parse(struct invite *invite, const char *text, char *reason, size_t reason_size);
void invite_wipe(struct invite *invite);

/* A new secret, such that the public key which follows from it does not look secret (noise.h). */
void invite_make_secret(uint8_t secret[INVITE_SECRET_SIZE]);
/*
 * The invite key: a static key pair of whoever holds the secret. It may shake hands with the edge and
 * ask to be enrolled, nothing else. Wipe it: noise_keypair_wipe().
 */
void invite_derive(struct noise_keypair *keypair, const uint8_t secret[INVITE_SECRET_SIZE]);

#endif
