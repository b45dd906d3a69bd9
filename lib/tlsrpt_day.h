/*
 * The TLS statistics of one day (UTC), in memory, bounded: which domains ask for reports, and the
 * rows. When there are too many rows, further failures are merged into rows that name no host and
 * say so; successes lose the text of the policy only.
 */
#ifndef TLSRPT_DAY_H
#define TLSRPT_DAY_H

#include <stdbool.h>
#include <time.h>

#include "tlsrpt_row.h"

#define TLSRPT_DOMAINS_MAX 1000
#define TLSRPT_ROWS_MAX 10000
#define TLSRPT_ROWS_BYTES_MAX (8 * 1024 * 1024)
/* Rows of the merged kind, which may come on top. */
#define TLSRPT_MERGED_MAX 2000
#define TLSRPT_MERGED_REASON \
	"further failures of this day, not listed one by one: there were too many"

#define TLSRPT_DAY_UNKNOWN (-1)
#define TLSRPT_DATE_SIZE 11 /* "2026-11-20" */

struct tlsrpt_domain {
	char *name;
	char *rua; /* tlsrpt_record.h */
	uint64_t hash;
};

/* An object of one thread. */
struct tlsrpt_day {
	long number; /* days since 1970-01-01, or UNKNOWN */
	struct tlsrpt_domain *domains;
	size_t domain_count;
	struct tlsrpt_row **rows;
	size_t row_count, row_capacity;
	size_t bytes; /* of the rows */
	bool has_merged;
};

enum tlsrpt_counted { TLSRPT_COUNTED, TLSRPT_MERGED, TLSRPT_LOST };

void tlsrpt_day_init(struct tlsrpt_day *day, long number);
void tlsrpt_day_wipe(struct tlsrpt_day *day);

/* NULL: not known. */
const struct tlsrpt_domain *tlsrpt_day_find(const struct tlsrpt_day *day, const char *domain);
/* The domain asks for reports, to these URIs. -1: too many domains, or no memory. */
int tlsrpt_day_add_domain(struct tlsrpt_day *day, const char *domain, const char *rua);
/* Takes the row over: it is added to the one that is the same, or is kept. */
enum tlsrpt_counted tlsrpt_day_count(struct tlsrpt_day *day, struct tlsrpt_row *row);

/* By domain, then by policy, then by result. */
void tlsrpt_day_sort(struct tlsrpt_day *day);

long tlsrpt_day_number(time_t seconds);
/* "2026-11-20"; exactly so, a day that exists. -1 otherwise. */
int tlsrpt_date_parse(const char *text, long *number_out);
char *tlsrpt_date_print(long number, char out[TLSRPT_DATE_SIZE]);

#endif
