/*
 * Rates and sizes: the table `limits` (postern-limits(5)) and the buckets that count against it.
 *
 *	key   = "login:" (NAME / "*") / "local" / "client:" (network / "*") / "domain:" (name / "*")
 *	value = *(option "=" number)
 *	option = "messages" / "recipients"		; N "/" duration: beyond it 4xx
 *	       / "messages_max" / "recipients_max"	; likewise: beyond it 5xx, attempts counted
 *	       / "size"					; bytes of one message: beyond it 5xx
 *
 * Each is a token bucket that holds N and refills over the duration. The line of a name goes before
 * that of "*"; the longest network wins; a bucket belongs to one login, one address (IPv6: one /64)
 * or one envelope sender domain, never to a line. All lines that apply are asked.
 */
#ifndef RATE_LIMITS_H
#define RATE_LIMITS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "client.h"

struct rate_limits;

enum rate_verdict { RATE_OK, RATE_TEMPFAIL, RATE_REJECT };

struct rate_subject {
	const struct client *client;
	const char *sender_domain;	/* of the envelope sender, lower case; "" for the null reverse-path */
};

/*
 * Reads the table (a file that does not exist has no lines) and the state file (damaged lines are
 * skipped and logged). NULL with "PATH:LINE: ..." in error: a limit that is not understood is no
 * limit, so the table is taken whole or not at all. Starts a thread that writes the state when it
 * has changed, every few seconds.
 */
struct rate_limits *rate_limits_create(const char *table_path, const char *state_path, char *error, size_t error_size);
/* Writes the state a last time. */
void rate_limits_destroy(struct rate_limits *limits);
/*
 * Reads the table again if it has changed; one with a mistake leaves the lines as they were, which
 * the log says. Called by the others; thread-safe like all of them.
 */
void rate_limits_refresh(struct rate_limits *limits);

/*
 * Counts a message (once) or one more recipient of it. All buckets that apply are asked first; only
 * if none refuses are they charged (those of *_max always are). `reason` says which line and how
 * much: "login:alice may send 60 messages in 1m; try again in 12s".
 */
enum rate_verdict rate_limits_message(struct rate_limits *limits, const struct rate_subject *subject, char *reason,
				      size_t reason_size);
enum rate_verdict rate_limits_recipient(struct rate_limits *limits, const struct rate_subject *subject, char *reason,
					size_t reason_size);
/* The smallest size= that applies, or 0. `where` (PATH:LINE) is filled in if it is not 0. */
uint64_t rate_limits_size(struct rate_limits *limits, const struct rate_subject *subject, char *where, size_t where_size);
/* Does any line have size=? Only then is the content asked for. */
int rate_limits_has_sizes(struct rate_limits *limits);

/* One line per bucket that is not full: "login:alice messages 3/60 in 1m, full again in 57s". */
void rate_limits_show(struct rate_limits *limits, FILE *out);
/* Fills all buckets of "login:alice", "client:192.0.2.1", "domain:example.com", "local" or "*" (all). Returns how many. */
size_t rate_limits_reset(struct rate_limits *limits, const char *who);

#endif
