/*
 * Is an edge up, and who tries it when? Pure: a record, an event and the time make the next record.
 * edge_watch.h keeps the records, in the shared edge state.
 *
 *   up    one failed attempt makes it down
 *   down  mail goes by other edges. When the next probe is due one process claims it and tries; a
 *         failure doubles the pause, an answer of any kind makes it up
 *
 * Times are milliseconds of the host's monotonic clock. One that lies further ahead than it can is
 * of an earlier boot, and long past.
 */
#ifndef EDGE_HEALTH_H
#define EDGE_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Between probes of an edge that is down while others take the mail: the first comes soon, as most
 * outages are a restart; at a minute a probe costs nothing, and an edge that is back is missed for
 * no longer. A quarter more or less by chance keeps mail hosts from probing together.
 */
#define EDGE_HEALTH_PAUSE_MS 1000
#define EDGE_HEALTH_PAUSE_MAX_MS 60000
/*
 * An attempt that another edge could take the place of: time for a lost SYN to be sent again (after
 * 1 s), or four times what the last tunnel took to open.
 */
#define EDGE_HEALTH_TRY_MS 2000
/*
 * An attempt at an edge that is up, when no other is left: time for a second SYN that is lost, or
 * eight times what the last tunnel took. Several processes may be at it at once and hold as many of
 * Postfix's deliveries, other tenants' too. All of connect_timeout is for an edge of which nothing is
 * known.
 */
#define EDGE_HEALTH_ONLY_MS 4000
/* When no edge is left the pause is as long as the last attempt took, at most this. */
#define EDGE_HEALTH_LAST_PAUSE_MS 1000

struct edge_health {
	bool is_down;
	int64_t since_ms;    /* up or down */
	int64_t next_ms;     /* down: the next probe is due */
	int64_t claimed_ms;  /* until then it is somebody's to try; 0: nobody's */
	int64_t failed_ms;   /* the last failure */
	int64_t answered_ms; /* the last tunnel; 0: never */
	uint32_t open_ms;    /* which took so long to open: three round trips; 0: not known */
	uint32_t cost_ms;    /* that the last failure took */
	uint32_t failures;   /* probes that failed, one after the other */
	uint32_t outages;
	uint64_t opened, failed; /* attempts */
};

enum edge_health_event {
	EDGE_HEALTH_OPENED, /* a tunnel */
	EDGE_HEALTH_BUSY,   /* it answered, and took no tunnel */
	EDGE_HEALTH_FAILED, /* no answer, or none that shows that it is the edge */
};

/* An attempt that ended now. */
struct edge_health_attempt {
	enum edge_health_event event;
	int64_t now_ms, took_ms;
	bool was_claimed; /* it was a probe: a failure doubles the pause */
	uint32_t chance;
};

void edge_health_note(struct edge_health *health, const struct edge_health_attempt *attempt);
/* It is ours to try, for this long. */
void edge_health_claim(struct edge_health *health, int64_t now_ms, int64_t for_ms);

bool edge_health_is_claimed(const struct edge_health *health, int64_t now_ms);
/* Is a probe due while other edges take the mail? */
bool edge_health_is_due(const struct edge_health *health, int64_t now_ms);
/* The same when no other edge is left. */
bool edge_health_is_due_at_last(const struct edge_health *health, int64_t now_ms);
/* Until the next probe; 0: it is due. */
int64_t edge_health_left_ms(const struct edge_health *health, int64_t now_ms);
/*
 * Is it down, and gives no answer at all? Then a tunnel from before may be one into the void. One
 * that refuses new tunnels may well keep the old ones.
 */
bool edge_health_is_silent(const struct edge_health *health);
/* How long an attempt may take. `has_others`: another edge would do. */
int64_t edge_health_try_ms(const struct edge_health *health, bool has_others,
			   int64_t connect_timeout_ms);
/* How long it is worth to wait for the end of another process's attempt. */
int64_t edge_health_wait_ms(const struct edge_health *health);

#endif
