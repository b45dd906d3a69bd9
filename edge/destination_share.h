/*
 * Fairness: how much of a mail host one destination may keep busy. Each delivery that is active or in line holds one of the slots in which
 * the mail host delivers, and Postfix does not know which of its mail goes to a destination that is slow. Pure.
 *
 * The rule: a destination that has not shown that it is quick gets no more than half of the slots that are free at that moment; one that has
 * shown that it is slow, no more than half of what is free beyond a quarter of all. So slow ones leave room for others, however many
 * they are; and a quick one, which gives its slots back at once, is bounded by its own places alone.
 *
 * A line may be as long as is served within 30 s. When the mail host has hardly a slot left, what stands in line beyond the share
 * must be served within 15 s, counted as if the last one were served as slowly as the ones before it; within 6 s while others are known
 * to be slow: one of many tarpits is found out the sooner. And not at all where the destination is silent: connections were made
 * DESTINATION_SILENT_MS ago, and none of its hosts has greeted. Quick ones greet sooner, so a burst to one of them does not feel this; nor
 * does a burst to a server that lets everybody wait for its greeting, when the mail host has no mail for anybody else that could profit.
 */
#ifndef DESTINATION_SHARE_H
#define DESTINATION_SHARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A destination whose deliveries take longer is slow. */
#define DESTINATION_SLOW_MS 5000
#define DESTINATION_CROWDED_WAIT_MAX_MS 15000
#define DESTINATION_BESIEGED_WAIT_MAX_MS 6000
/* Twice: to take a connection, and to greet. A round trip to anywhere on earth, and time for the host to look up who we are. */
#define DESTINATION_SILENT_MS 750
/* A mail host that had mail for others so recently has more of it. */
#define DESTINATION_OTHERS_MS 60000
/* When slots are scarce, a mail host waits no longer than this for an outcome (see wait_limit). */
#define DESTINATION_CROWDED_PATIENCE_MS 20000
/* Slots that any mail host is taken to have; more are known when it uses them. */
#define DESTINATION_SLOTS_MIN 20
/* Deliveries that a destination of which nothing is known may have in any case. */
#define DESTINATION_UNKNOWN_MIN 2

enum destination_speed { DESTINATION_UNKNOWN, DESTINATION_QUICK, DESTINATION_SLOW };

/* average_ms: of the deliveries that have ended, 0 = none; inside_ms: mean age of those that have not. */
enum destination_speed destination_share_speed(int64_t average_ms, int64_t inside_ms);

/* Are seven eighths of them busy? */
bool destination_share_is_crowded(size_t slots, size_t busy);

/* One client, one destination, now. */
struct destination_share {
	enum destination_speed speed;
	bool is_silent;		/* its hosts have been, for DESTINATION_SILENT_MS, and there is mail for others */
	size_t slots;		/* of the client */
	size_t busy;		/* of them, with anything */
	size_t not_quick;	/* of them, with destinations that are not quick, this one included; active and in line */
	size_t slow;		/* of them, with other destinations that are slow */
	size_t active, held;	/* of them, with this destination; held: active and in line */
};

/* May one more become active? */
bool destination_share_allows(const struct destination_share *share);
/* How long the last in line may be expected to wait, and whether that includes one more service time. */
int64_t destination_share_wait_max_ms(const struct destination_share *share, int64_t wait_max_ms, bool *counts_itself_out);

#endif
