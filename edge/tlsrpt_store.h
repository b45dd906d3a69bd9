/*
 * What is counted of the current day, its file, and which domains asked for reports today. An
 * object of one thread (tlsrpt.c); time comes from outside.
 */
#ifndef TLSRPT_STORE_H
#define TLSRPT_STORE_H

#include "dns/dns_lookup.h"
#include "lib/tlsrpt_day.h"

/* What was counted is in the file this much later. */
#define TLSRPT_WRITE_MS 60000
/* Files are kept for so many days. */
#define TLSRPT_KEEP_DAYS 10
/* Domains known not to ask for reports; when there are more, all are forgotten. */
#define TLSRPT_SILENT_MAX 10000
/* After a look-up that failed the domain is asked again, but not at once. */
#define TLSRPT_RETRY_MS (15 * 60 * 1000)

struct tlsrpt_silent {
	uint64_t hash;
	char *name;
	int64_t until_ms;
};

struct tlsrpt_store {
	char *directory;
	struct tlsrpt_day day;
	struct tlsrpt_silent *silent; /* TLSRPT_SILENT_MAX of them */
	size_t silent_count;
	int64_t write_at_ms; /* INT64_MAX: there is nothing to write */
	bool is_failing;     /* the last attempt to write failed, the log says so */
	bool has_told_merged;
};

/* Reads the day's file, removes old ones. -1: no memory. */
int tlsrpt_store_init(struct tlsrpt_store *store, const char *directory, long day);
/*
 * Counts the row, which it takes over, if its domain asks for reports. A new domain is looked up.
 * false: lost, for want of memory or because the bounds of a day are reached.
 */
bool tlsrpt_store_take(struct tlsrpt_store *store, struct dns_resolver *resolver,
		       struct deadline deadline, struct tlsrpt_row *row, long day);
/* Writes the file if it is time to; begins a new day. */
void tlsrpt_store_tend(struct tlsrpt_store *store, long day, int64_t now_ms);
/* Writes what is not written yet, frees. */
void tlsrpt_store_wipe(struct tlsrpt_store *store);

#endif
