/*
 * The allow-list as the running edge sees it: re-read whenever the file changes, looked up by every
 * handshake and before every transaction, so that authorize and revoke take effect at once. It is
 * used in the keeper alone (keeper.h).
 */
#ifndef CLIENT_LIST_H
#define CLIENT_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "tunnel/authorized_clients.h"

struct client_list;

/*
 * Reads the file for the first time; NULL with error when it cannot be read. enrolled_path: the file
 * of enrolled keys, or NULL. own_public_key: the edge's.
 */
struct client_list *client_list_create(const char *path, const char *enrolled_path,
				       const uint8_t own_public_key[32], char *error, size_t error_size);
void client_list_destroy(struct client_list *list);

/*
 * Is this key authorised now? Re-reads a changed file first. A file that has gone authorises
 * nobody; one that cannot be read for another reason leaves the list as it was, says so in the log
 * (once a minute), and is tried again every second. client_out may be NULL; *client_out is a copy,
 * psk included: wipe it; what its
 * options point to is the list's, and lives until the next call.
 */
bool client_list_find(struct client_list *list, const uint8_t public_key[32],
		      struct authorized_client *client_out);
/* The same for an invite, used or not. Not disabled ones: they are as if they were not there. */
bool client_list_find_invite(struct client_list *list, const uint8_t invite_key[32],
			     struct authorized_client *client_out);
/* Invites that nobody used are not counted. */
size_t client_list_count(struct client_list *list);
/* Grows by one whenever another list comes into force; of the list that counts now, see above. */
uint64_t client_list_generation(struct client_list *list);
/* Of the file that the list in force came from, for table_has_changed(). */
struct stat client_list_status(struct client_list *list);
/* The files with preshared keys that the list in force names, one call for each. */
typedef void client_list_psk_file_fn(void *context, const char *path);
void client_list_each_psk_file(struct client_list *list, client_list_psk_file_fn *each,
			       void *context);

#endif
