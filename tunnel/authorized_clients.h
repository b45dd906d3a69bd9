/*
 * The edge's allow-list: `base64-key name [option=value ...]`, # comments. A bad line is reported
 * and skipped, the others stay valid. Of several lines with the same key all but the first are bad;
 * two keys under one name are not (key rotation), if their options are the same. Options: psk=FILE,
 * the preshared key, and those of client_options.h.
 *
 * A line with invite= has the public key of an invite (invite.h). It is nobody's line until a key was
 * enrolled for it (enrolled_keys.h), and from then on the line of that key, with all of its options.
 */
#ifndef AUTHORIZED_CLIENTS_H
#define AUTHORIZED_CLIENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "client_options.h"

#define CLIENT_NAME_MAX 63

struct authorized_client {
	uint8_t public_key[32];
	char name[CLIENT_NAME_MAX + 1];	/* letters, digits, "-_." */
	uint8_t psk[32];		/* from psk=FILE; all zero = none */
	struct client_options options;	/* the list's */
	size_t line;
	bool is_pending;		/* an invite that was not used: public_key is invite_key */
	uint8_t invite_key[32];		/* if options.invite_expires is not 0 */
	int64_t enrolled;		/* when the invite was used */
};

struct authorized_clients {
	struct authorized_client *clients;	/* sorted by key, not by line */
	size_t count;
	size_t bad_lines;
	char **psk_files;			/* every file that a psk= names, of bad lines too */
	size_t psk_file_count;
	struct authorized_client **invites;	/* those with an invite_key, sorted by it */
	size_t invite_count;
	size_t pending_count;			/* of the clients */
	struct stat status;			/* of the file as read */
	struct stat enrolled_status;		/* of the other one; it is not looked at if there are no invites */
};

/*
 * What follows the key in a line, cut up in place. Calls note_psk_file (returns -1: no memory) with
 * each file that psk= names, before it is read. Key and line are left as they are. 0, or -1 with
 * what is wrong in reason; the client is to be wiped in any case.
 */
typedef int authorized_client_psk_fn(void *context, const char *path);
int authorized_client_parse(struct authorized_client *client, char *value,
			    authorized_client_psk_fn *note_psk_file, void *context, char *reason,
			    size_t reason_size);
void authorized_client_wipe(struct authorized_client *client);

/* Called for every bad line: "PATH:LINE: reason". */
typedef void authorized_clients_complain_fn(void *context, const char *message);

/*
 * enrolled_path: the file of enrolled keys; NULL: none, all invites are pending. If it is there and
 * cannot be read, that is an error. `own_public_key` (may be NULL) in the list is a bad line, and so is what looks like a private key
 * (noise.h). `complain` may be NULL. 0, or -1 with error when the file cannot be read at all (then
 * *list is empty: nobody is authorised).
 */
int authorized_clients_read(struct authorized_clients *list, const char *path, const char *enrolled_path,
			    const uint8_t *own_public_key, authorized_clients_complain_fn *complain,
			    void *context, char *error, size_t error_size);
void authorized_clients_wipe(struct authorized_clients *list);
/*
 * NULL if the key is not in the list. A binary search: public keys are no secrets, and whoever asks
 * has proved that it holds the private half of the one it asks for. The key of an invite is in
 * no list: it may not deliver.
 */
const struct authorized_client *authorized_clients_find(const struct authorized_clients *list,
							const uint8_t public_key[32]);
/* The line with this invite, used or not; NULL: there is none. */
const struct authorized_client *authorized_clients_find_invite(const struct authorized_clients *list,
							       const uint8_t invite_key[32]);

#endif
