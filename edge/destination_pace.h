/*
 * What a destination has taught us: how many deliveries it takes at a time, and for how long it is not to be tried at all. Pure; the
 * holder has the clock and the lock.
 *
 * Places: one more for each window of successes, half as many after a sign that it is too much (as TCP's congestion avoidance, RFC 5681
 * 3.1), never under one. Deliveries that were under way together when it said so cut once.
 *
 * Closed: after a delivery that reached no host the next ones are answered at once for 1 s, doubling up to 60 s. Then one delivery
 * finds out for all (the holder sees to that).
 */
#ifndef DESTINATION_PACE_H
#define DESTINATION_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DESTINATION_CLOSED_FIRST_MS 1000
#define DESTINATION_CLOSED_MAX_MS 60000

enum destination_news {
	DESTINATION_NEWS_NONE,		/* nothing that matters here, such as a recipient that is unknown */
	DESTINATION_NEWS_GOOD,		/* it took mail */
	DESTINATION_NEWS_SLOW,		/* it asks for less: 421, a rate limit, no answer where an answer was due */
	DESTINATION_NEWS_PAUSE,		/* it is to be left alone for a while (reply_rules) */
	DESTINATION_NEWS_UNREACHABLE,	/* no host took a connection */
};

struct destination_pace {
	uint32_t places_256;		/* in 1/256 */
	int64_t cut_ms;			/* when they were halved last */
	int64_t closed_ms;		/* when it was closed last */
	int64_t closed_until_ms;	/* 0: open */
	unsigned failures;		/* unreachable, one after the other */
};

void destination_pace_init(struct destination_pace *pace, size_t limit);
/* The limit has changed: who had all places has all of them again. */
void destination_pace_change_limit(struct destination_pace *pace, size_t before, size_t limit);
/* 1..limit. */
size_t destination_pace_places(const struct destination_pace *pace, size_t limit);
/* Of a delivery that began at began_ms; pause_ms counts for PAUSE only. */
void destination_pace_learn(struct destination_pace *pace, size_t limit, enum destination_news news, int64_t pause_ms,
			    int64_t began_ms, int64_t now_ms);
/* 0: open. */
int64_t destination_pace_closed_for_ms(const struct destination_pace *pace, int64_t now_ms);
/* Nothing is known that a destination seen for the first time would not have. */
bool destination_pace_is_fresh(const struct destination_pace *pace, size_t limit);

#endif
