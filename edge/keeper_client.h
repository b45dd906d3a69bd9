/*
 * The worker's side of the keeper (keeper.h). All functions may be called by any thread; one
 * question is under way at a time, and each waits for its answer.
 *
 * A keeper that has died, or does not answer for half a minute, is gone for good: every question
 * then fails at once, and keeper_client_fd() reports EPOLLHUP.
 */
#ifndef KEEPER_CLIENT_H
#define KEEPER_CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "keeper_protocol.h"
#include "sasl_login.h"
#include "tenant.h"
#include "tunnel/authorized_clients.h"
#include "tunnel/noise.h"

struct keeper_client;

/*
 * INVITED: no client, but the holder of an invite, used or not (tunnel/invite.h); the answer to
 * authorize and is_authorized alone. UNKNOWN: the list is in a socketmap, whose server cannot be asked now; of questions about a key.
 */
enum keeper_word { KEEPER_YES, KEEPER_NO, KEEPER_UNKNOWN, KEEPER_INVITED, KEEPER_GONE };

/*
 * Waits for the keeper's greeting on fd (owned from now on, also after an error). pid: the child
 * process, or 0 if it is none. list_path: the allow-list's file, which is looked at,
 * not read. NULL with the keeper's own sentence in error, and EINVAL in errno; another errno if it ended without one, or out of memory.
 */
struct keeper_client *keeper_client_create(int fd, pid_t pid, const char *list_path, char *error, size_t error_size);
/* Closes the socket, which ends the keeper, and waits for that. */
void keeper_client_destroy(struct keeper_client *client);

/* The edge's public keys, as the greeting named them. */
struct keeper_keys keeper_client_keys(const struct keeper_client *client);
/* One of them, as a handshake wants it; as long as `key` and the client live. */
struct keeper_client_key {
	struct keeper_client *client;
	uint8_t public_key[NOISE_DHLEN];
};
struct noise_static_key keeper_client_static_key(struct keeper_client_key *key);
/*
 * May this key shake hands? Only after its first message verified, since the answer brings its
 * preshared key: wipe client_out->psk. Of an INVITED one the key and the name are filled in.
 */
enum keeper_word keeper_client_authorize(struct keeper_client *client,
					 const uint8_t public_key[NOISE_DHLEN],
					 struct authorized_client *client_out,
					 struct tenant_terms *terms_out);
/* The last yes to one key. All zero: there was none. One thread at a time has it. */
struct keeper_admission {
	bool is_kept;
	struct stat list;
	char sender_domain[SMTP_DOMAIN_MAX + 1];
	struct tenant_terms terms;
};
/*
 * May it deliver this, and on what terms? sender_domain: "" for the null reverse-path. *admission is that of this key: it
 * spares the question while the file that the answer came from is the same.
 */
enum keeper_word keeper_client_admit(struct keeper_client *client,
				     const uint8_t public_key[NOISE_DHLEN],
				     const char *sender_domain, struct keeper_admission *admission,
				     struct tenant_terms *terms_out);
/* May it still deliver? */
enum keeper_word keeper_client_is_authorized(struct keeper_client *client,
					     const uint8_t public_key[NOISE_DHLEN]);
/*
 * Of the allow-list: clients in it (0 if it is in a socketmap), and a number that grows with each new list; and the edge's
 * keys, which may have changed. 0 or -1.
 */
int keeper_client_list(struct keeper_client *client, size_t *count_out, uint64_t *generation_out,
		       struct keeper_keys *keys_out);
/*
 * The login for a relay (a relay_destination's next_hop): wipe it. NO: there is none. The generation
 * grows with each new file of passwords.
 */
enum keeper_word keeper_client_login(struct keeper_client *client, const char *next_hop,
				     struct sasl_login *login_out, uint64_t *generation_out);
/*
 * Puts client_key in the place of the invite, or says why not in `reason` (KEEPER_ERROR_MAX bytes). A
 * keeper that is gone: ENROLMENT_REFUSED.
 */
enum enrolment_result keeper_client_enrol(struct keeper_client *client, const uint8_t invite_key[NOISE_DHLEN],
					  const uint8_t client_key[NOISE_DHLEN], char *reason, size_t reason_size);
/* A text_file_open_fn: opens a file that this process may not open itself. */
int keeper_client_open(void *client, const char *path);

/* For epoll(7), without EPOLLIN: it hangs up when the keeper is gone. */
int keeper_client_fd(const struct keeper_client *client);
/* How the keeper ended, for the log. After EPOLLHUP. */
void keeper_client_bury(struct keeper_client *client, char *text, size_t size);

#endif
