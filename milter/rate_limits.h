/*
 * Rates and sizes: the table `limits` (postern-limits(5)) and the buckets that count against it.
 *
 *	key   = "login:" (NAME / "*") / "local" / "client:" (network / "*") / "domain:" (name / "*")
 *	value = "unlimited" / 1*(option "=" number)
 *	option = "messages" / "recipients"		; N "/" duration: beyond it 4xx
 *	       / "messages_max" / "recipients_max"	; likewise: beyond it 5xx, attempts counted
 *	       / "size"					; bytes of one message: beyond it 5xx
 *
 * Each is a token bucket that holds N and refills over the duration. The line of a name goes before
 * that of "*"; the longest network wins; what comes from sendmail(1) is "local" and no client. A
 * bucket belongs to one login, one address (IPv6: one /64, or the network of the line if that is
 * smaller) or one envelope sender domain, never to a line. All lines that apply are asked.
 *
 * The state is written RATE_LIMITS_WRITE_MS after the first change at the latest, so kill -9 or a
 * power cut forgets what was counted in that time, and when the milter ends. A disk that is full is
 * one warning. Of more than RATE_LIMITS_BUCKETS_MAX buckets that are not full the ones longest unused
 * are forgotten, which the log says: their owners start afresh.
 *
 * Every function is thread-safe.
 */
#ifndef RATE_LIMITS_H
#define RATE_LIMITS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "client.h"

#define RATE_LIMITS_WRITE_MS 5000
#define RATE_LIMITS_BUCKETS_MAX 100000

struct rate_limits;

enum rate_verdict { RATE_OK, RATE_TEMPFAIL, RATE_REJECT };

struct rate_subject {
	const struct client *client;
	const char *sender_domain;	/* of the envelope sender, lower case; "" for the null reverse-path */
};

/*
 * Reads the table (a file that does not exist has no lines) and the state file (what is damaged in
 * it is skipped and logged). NULL with "PATH:LINE: ..." in error: a limit that is not understood is
 * no limit, so the table is taken whole or not at all. Starts the thread that writes the state.
 */
struct rate_limits *rate_limits_create(const char *table_path, const char *state_path, char *error, size_t error_size);
/*
 * For the end of a process, once: writes the state a last time. Other threads may go on asking; what they count from now on is
 * forgotten.
 */
void rate_limits_stop(struct rate_limits *limits);
/* The same, where nobody asks any more; not after rate_limits_stop(). */
void rate_limits_destroy(struct rate_limits *limits);
/*
 * Reads the table again if it has changed; one with a mistake, or one that is gone, leaves the lines
 * as they were, which the log says. Called by those below.
 */
void rate_limits_refresh(struct rate_limits *limits);

/*
 * Counts a message (once) or one more recipient of it. All buckets that apply are asked first; only
 * if none refuses are they charged (those of *_max always are). `reason`, printable, says which one
 * and how much: "login:alice may send 60 messages in 1m; try again in 12s". Without memory for a
 * bucket the verdict is RATE_TEMPFAIL.
 */
enum rate_verdict rate_limits_message(struct rate_limits *limits, const struct rate_subject *subject, char *reason,
				      size_t reason_size);
enum rate_verdict rate_limits_recipient(struct rate_limits *limits, const struct rate_subject *subject, char *reason,
					size_t reason_size);
/* The smallest size= that applies, or 0. `where` (PATH:LINE) is filled in if it is not 0. */
uint64_t rate_limits_size(struct rate_limits *limits, const struct rate_subject *subject, char *where,
			  size_t where_size);
/* Does any line have size=? Only then is the content asked for. */
int rate_limits_has_sizes(struct rate_limits *limits);

/*
 * One line per bucket that is not full, sorted: "login:alice messages=60/1m: 3 left, full again in
 * 57s". 0, or -1: no memory.
 */
int rate_limits_show(struct rate_limits *limits, FILE *out);
/*
 * Fills all buckets of "login:alice", "client:192.0.2.1", "domain:example.com", "local" or "*" (all).
 * Returns how many were not full, or -1 with a reason that quotes `who`.
 */
long rate_limits_reset(struct rate_limits *limits, const char *who, char *reason, size_t reason_size);

#endif
