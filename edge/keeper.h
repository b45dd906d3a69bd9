/*
 * The keeper: the one process that has the edge's secret key, the allow-list, the preshared keys and
 * the passwords for relays in its memory. It answers the worker, which talks to the world, and talks to nobody else but the
 * server of a socketmap, if the allow-list is in one (client_map.h): no DNS, no TLS.
 *
 * The worker is treated as if it had been taken over. It can have a Diffie-Hellman result, for that
 * is what it needs to shake hands, and the preshared key of a client whose public key it names, and
 * the login for a relay that it names, but never the secret key; and it gets no file that holds a
 * secret. It can have one key enrolled for an invite that is open (enrolment.h), which is what the invite's
 * holder can.
 */
#ifndef KEEPER_H
#define KEEPER_H

#include <stddef.h>

#include "client_list.h"
#include "client_map.h"
#include "enrolment.h"
#include "guarded_files.h"
#include "own_keys.h"
#include "relay_passwords.h"
#include "sandbox_grants.h"
#include "tunnel/noise.h"

struct keeper_settings {
	const char *key_file;
	const char *authorized_clients;	/* a file, or "socketmap:..." */
	const char *enrolled_clients;	/* NULL: nobody can be enrolled */
	bool is_trial;			/* nothing is written or made */
	const char *relay_passwords;	/* NULL: none */
	/*
	 * What the worker may read or write by itself: keeper_open() fails if one of the guarded
	 * files lies there. May be NULL.
	 */
	const struct sandbox_grants *worker;
};

struct keeper {
	struct own_keys keys;
	struct client_list *clients;	/* NULL: they are in the map */
	struct client_map *map;		/* NULL: they are in a file */
	struct enrolment enrolment;
	struct relay_passwords *passwords;	/* NULL: none */
	struct guarded_files guarded;
	const struct keeper_settings *settings;
	uint64_t checked_generation; /* the psk files of this list are guarded */
};

/*
 * Reads key and allow-list. 0, or -1 with a sentence for the administrator in error. keeper_close()
 * in either case. `settings` must live as long.
 */
int keeper_open(struct keeper *keeper, const struct keeper_settings *settings, char *error,
		size_t error_size);
void keeper_close(struct keeper *keeper);
/* The first answer: the public key, or `error` if it is not NULL. 0, or -1 with errno. */
int keeper_greet(const struct keeper *keeper, int fd, const char *error);
/*
 * Answers until the worker closes its end (0), or asks something that no worker asks (-1, and the
 * log says what).
 */
int keeper_serve(struct keeper *keeper, int fd);

#endif
