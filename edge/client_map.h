/*
 * The allow-list behind a socketmap_table(5) server, which several edges can share. It is used in
 * the keeper alone (keeper.h), by its one thread: not thread-safe.
 *
 *	question = the client's public key, base64
 *	answer   = name *( white-space option )	; as in authorized_clients.h
 *
 * NOTFOUND and an answer that makes no sense: not authorised. No answer, or the server's word that it
 * has none (TEMP, TIMEOUT, PERM): what it said last counts for CLIENT_CACHE_KEEP_MS, and a key that
 * it was never asked about is unknown.
 */
#ifndef CLIENT_MAP_H
#define CLIENT_MAP_H

#include <stddef.h>
#include <stdint.h>

#include "lib/endpoint.h"
#include "tunnel/authorized_clients.h"

/* Connecting, question and answer together: so long all other questions to the keeper wait. */
#define CLIENT_MAP_TIMEOUT_MS 1000

struct client_map;

enum client_word { CLIENT_AUTHORIZED, CLIENT_NOT_AUTHORIZED, CLIENT_UNKNOWN };

/* A setting "socketmap:...": 0, or -1 with what is wrong. The server's address is a number. */
int client_map_check(const char *setting, char *error, size_t error_size);
/*
 * The server need not be there yet. own_public_key: the edge's, never authorised. note_psk_file: see
 * authorized_clients.h. NULL with error.
 */
struct client_map *client_map_create(const char *setting, const uint8_t own_public_key[32],
				     authorized_client_psk_fn *note_psk_file, void *context, char *error,
				     size_t error_size);
void client_map_destroy(struct client_map *map);
const struct endpoint *client_map_endpoint(const struct client_map *map);

/*
 * *client_out is a copy, psk included: wipe it; what its options point to is the map's, and lives
 * until the next call. Lines with "disabled" are not authorised.
 */
enum client_word client_map_find(struct client_map *map, const uint8_t public_key[32],
				 struct authorized_client *client_out);
/* The same without asking the server, whatever the age of its answer; UNKNOWN: there is none. */
enum client_word client_map_recall(const struct client_map *map, const uint8_t public_key[32]);
/* Grows whenever a key turns out not to be authorised any more. Forgets what is too old, too. */
uint64_t client_map_generation(struct client_map *map);

/* Asks for this key, once, as --check-host does. With `error` unless the server answers. */
enum client_word client_map_probe(const char *setting, const uint8_t public_key[32], char *error, size_t error_size);

#endif
