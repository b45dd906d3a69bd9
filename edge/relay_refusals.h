/*
 * Relays that have refused our login. The same login is not tried there again for a while: whoever
 * tries a wrong password once for each message of a queue is locked out.
 */
#ifndef RELAY_REFUSALS_H
#define RELAY_REFUSALS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* Five tries in five minutes are what nobody minds. */
#define RELAY_REFUSAL_HOLD_MS 60000

struct relay_refusal;
struct relay_refusals {
	pthread_mutex_t lock;	/* protects the table and what is in it */
	struct relay_refusal *by_next_hop;
};

void relay_refusals_init(struct relay_refusals *refusals);
void relay_refusals_wipe(struct relay_refusals *refusals);

/* `generation`: of the passwords that the login was one of; a newer one may be tried at once. */
void relay_refusals_note(struct relay_refusals *refusals, const char *next_hop, uint64_t generation,
			 int64_t hold_ms);
bool relay_refusals_hold(struct relay_refusals *refusals, const char *next_hop, uint64_t generation);

#endif
