/*
 * What is known of the MTA-STS policies of many domains: a bounded sorted table. No locks, no
 * threads, no clock of its own: `now` is time(2), so that policies outlive the process; deadlines
 * are for what does not.
 */
#ifndef STS_TABLE_H
#define STS_TABLE_H

#include "sts_lookup.h"

#define STS_ENTRIES_MAX 10000
/* mx lines of all entries together: memory, whatever the policies are like. */
#define STS_TABLE_MX_MAX 100000
#define STS_REASON_MAX 200
/* A policy counts this long even if its max_age is shorter: who waited for it gets it. */
#define STS_KEPT_AT_LEAST_S 5

struct sts_entry {
	char domain[SMTP_DOMAIN_MAX + 1];
	enum sts_finding finding;
	char reason[STS_REASON_MAX]; /* why there is none; FOUND: why it was not refreshed, or "" */
	/* FOUND */
	char id[STS_ID_MAX + 1];
	struct sts_policy policy;
	int64_t fetched_at, used_at;
	struct deadline refetch; /* when the text is fetched again though the id is the same */
	struct deadline look;	 /* when the TXT record may be looked at again */
	unsigned failures;	 /* of looking and fetching since the last success */
	bool is_wanted;		 /* looking is due, and somebody uses the policy */
	/* otherwise */
	struct deadline forget;
	/* Somebody asks for it right now: the entry stays, whatever the bounds. */
	bool is_busy;
};

struct sts_table {
	struct sts_entry **entries; /* sorted by domain */
	size_t count, room;
	size_t mx_count; /* of all policies */
};

void sts_table_wipe(struct sts_table *table);
struct sts_entry *sts_table_find(const struct sts_table *table, const char *domain);
/* A new entry, ABSENT and forgotten already; the domain must not be there. NULL without memory. */
struct sts_entry *sts_table_add(struct sts_table *table, const char *domain);
void sts_table_remove(struct sts_table *table, struct sts_entry *entry);
/*
 * Forgets entries that are not busy until the bounds hold: first what does not count any more, then
 * negative ones, modes none, testing, enforce; of the same kind those that would end first. Returns
 * how many policies of mode enforce that were in force had to go.
 */
size_t sts_table_trim(struct sts_table *table, int64_t now);

/* Takes over *policy, which the entry holds from now on in the place of what it held. */
void sts_table_set_policy(struct sts_table *table, struct sts_entry *entry,
			  struct sts_policy *policy, const char *id, int64_t now);
void sts_table_set_absent(struct sts_table *table, struct sts_entry *entry,
			  enum sts_finding finding, struct deadline forget);

/*
 * Is the policy in force? One that was fetched in the future, by a clock that was wrong then, counts
 * as fetched now; while the clock is evidently not set, everything that is kept counts.
 */
bool sts_entry_is_in_force(struct sts_entry *entry, int64_t now);
/* The same for whatever the entry holds: need nobody be asked? */
bool sts_entry_is_known(struct sts_entry *entry, int64_t now);

#endif
