/*
 * What the tenants that use this edge have used of their limits, and what became of their mail, by
 * name, since the edge started. A row is made when a name is first used; of more names
 * than TENANT_ROWS_MAX the one goes that was used longest ago, and begins afresh when it comes back.
 */
#ifndef TENANT_TABLE_H
#define TENANT_TABLE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "lib/delivery_status.h"
#include "tally.h"
#include "tenant.h"

#define TENANT_ROWS_MAX 20000
/*
 * With domains=, the null reverse-path is the one sender that belongs to nobody: what a thief of the
 * key could still send is held down, unless bounces= says otherwise.
 */
#define TENANT_BOUND_BOUNCES ((struct token_rate){ 300, 3600000 })

enum tenant_refusal {
	TENANT_SENDER,		/* not among its domains */
	TENANT_RATE,
	TENANT_BOUNCES,		/* the rate of the null reverse-path */
	TENANT_CONCURRENCY,
	TENANT_SIZE,
	TENANT_RECIPIENTS,	/* counted per recipient, those before per transaction, those after per tunnel */
	TENANT_SESSIONS,	/* one more than sessions_per_client */
	TENANT_REVOKED,		/* ended, as its key was revoked or disabled */
	TENANT_REFUSALS,
	TENANT_ADMITTED = TENANT_REFUSALS
};

struct tenant_row;

struct tenant_table {
	pthread_mutex_t lock;		/* protects the rows, but for what is atomic in them */
	struct tenant_row *by_name;	/* uthash */
	struct tenant_row *by_use;	/* utlist; the one used longest ago first */
};

struct tenant_admission {
	enum tenant_refusal refusal;	/* or TENANT_ADMITTED */
	int64_t wait_ms;		/* RATE, BOUNCES: until there is room for one */
};

void tenant_table_init(struct tenant_table *table);
void tenant_table_wipe(struct tenant_table *table);

/*
 * A transaction begins; it counts against the rates only if it is admitted. The row stays until
 * tenant_row_leave(), whatever the admission. NULL: no memory.
 */
struct tenant_row *tenant_table_enter(struct tenant_table *table, const struct tenant_terms *terms,
				      bool is_null_sender, int64_t now_ms,
				      struct tenant_admission *admission);
/* NULL is fine. */
void tenant_row_leave(struct tenant_row *row, bool was_admitted);
/* Refused, though admitted; or recipients that were. */
void tenant_row_count_refusal(struct tenant_row *row, enum tenant_refusal refusal, size_t count);
void tenant_row_count_outcome(struct tenant_row *row, const struct delivery_status *status);
/* Recipients of a refused transaction, or refused ones: no outcome, but the day's tally knows of them. */
void tenant_row_tally(struct tenant_row *row, const struct delivery_status *status, size_t count);

/* The same for what comes before a transaction. Without memory for a new row nothing is counted. */
void tenant_table_count_refusal(struct tenant_table *table, const char *name, enum tenant_refusal refusal);

struct tenant_count {
	char name[CLIENT_NAME_MAX + 1];
	struct tenant_limits limits;	/* as its last transaction found them */
	int64_t left, bounces_left;	/* tokens now, of those of `limits` that are there */
	int64_t active;			/* transactions now */
	uint64_t transactions;		/* admitted */
	uint64_t relayed, delayed, failed;	/* recipients */
	uint64_t refused[TENANT_REFUSALS];
	int64_t last_use;		/* seconds since the epoch */
};

/* What is counted of one name, and its tally. false: nothing. */
bool tenant_table_find(struct tenant_table *table, const char *name, int64_t now_ms, struct tenant_count *count_out,
		       struct tally *tally_out);

/* A copy of all rows, the one used longest ago first. Heap; NULL: no memory, or none (*count 0). */
struct tenant_count *tenant_table_copy(struct tenant_table *table, int64_t now_ms, size_t *count);

#endif
