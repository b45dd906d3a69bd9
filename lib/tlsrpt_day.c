/*
 * One day's TLS statistics. Rows are found by comparing hashes one after the other: ten thousand of
 * them take some microseconds, and only a background thread waits for it.
 */
#include "tlsrpt_day.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY_S 86400

void tlsrpt_day_init(struct tlsrpt_day *day, long number)
{
	*day = (struct tlsrpt_day){ .number = number };
}

void tlsrpt_day_wipe(struct tlsrpt_day *day)
{
	for (size_t i = 0; i < day->domain_count; i++) {
		free(day->domains[i].name);
		free(day->domains[i].rua);
	}
	for (size_t i = 0; i < day->row_count; i++)
		free(day->rows[i]);
	free(day->domains);
	free(day->rows);
	tlsrpt_day_init(day, TLSRPT_DAY_UNKNOWN);
}

const struct tlsrpt_domain *tlsrpt_day_find(const struct tlsrpt_day *day, const char *domain)
{
	uint64_t hash = tlsrpt_hash(domain);

	for (size_t i = 0; i < day->domain_count; i++)
		if (day->domains[i].hash == hash && strcmp(day->domains[i].name, domain) == 0)
			return &day->domains[i];
	return NULL;
}

int tlsrpt_day_add_domain(struct tlsrpt_day *day, const char *domain, const char *rua)
{
	struct tlsrpt_domain *fresh;

	if (tlsrpt_day_find(day, domain) != NULL)
		return 0;
	if (day->domains == NULL)
		day->domains = calloc(TLSRPT_DOMAINS_MAX, sizeof(*day->domains));
	if (day->domains == NULL || day->domain_count == TLSRPT_DOMAINS_MAX)
		return -1;
	fresh = &day->domains[day->domain_count];
	fresh->name = strdup(domain);
	fresh->rua = strdup(rua);
	fresh->hash = tlsrpt_hash(domain);
	if (fresh->name == NULL || fresh->rua == NULL) {
		free(fresh->name);
		free(fresh->rua);
		return -1;
	}
	day->domain_count++;
	return 0;
}

static bool add_to_same(struct tlsrpt_day *day, const struct tlsrpt_row *row)
{
	for (size_t i = 0; i < day->row_count; i++)
		if (tlsrpt_row_is_same(day->rows[i], row)) {
			day->rows[i]->sessions += row->sessions;
			return true;
		}
	return false;
}

static int append(struct tlsrpt_day *day, struct tlsrpt_row *row)
{
	if (day->row_count == day->row_capacity) {
		size_t larger = day->row_capacity > 0 ? day->row_capacity * 2 : 64;
		struct tlsrpt_row **rows = realloc(day->rows, larger * sizeof(*rows));

		if (rows == NULL)
			return -1;
		day->rows = rows;
		day->row_capacity = larger;
	}
	day->rows[day->row_count++] = row;
	day->bytes += row->bytes;
	return 0;
}

/* The same without what there may be endlessly much of. */
static struct tlsrpt_row *merged(const struct tlsrpt_row *row)
{
	const char *text[TLSRPT_TEXTS] = {
		[TLSRPT_TEXT_DOMAIN] = row->text[TLSRPT_TEXT_DOMAIN],
		[TLSRPT_TEXT_REASON] = TLSRPT_MERGED_REASON,
	};
	struct tlsrpt_row *result = tlsrpt_row_create(row->policy, row->result, text);

	if (result != NULL)
		result->sessions = row->sessions;
	return result;
}

static enum tlsrpt_counted count_merged(struct tlsrpt_day *day, const struct tlsrpt_row *row)
{
	struct tlsrpt_row *instead = merged(row);

	if (instead == NULL)
		return TLSRPT_LOST;
	day->has_merged = true;
	if (add_to_same(day, instead)) {
		free(instead);
		return TLSRPT_MERGED;
	}
	if (day->row_count < TLSRPT_ROWS_MAX + TLSRPT_MERGED_MAX && append(day, instead) == 0)
		return TLSRPT_MERGED;
	free(instead);
	return TLSRPT_LOST;
}

enum tlsrpt_counted tlsrpt_day_count(struct tlsrpt_day *day, struct tlsrpt_row *row)
{
	enum tlsrpt_counted result = TLSRPT_COUNTED;

	if (!add_to_same(day, row)) {
		if (day->row_count < TLSRPT_ROWS_MAX &&
		    day->bytes + row->bytes <= TLSRPT_ROWS_BYTES_MAX && append(day, row) == 0)
			return TLSRPT_COUNTED;
		result = count_merged(day, row);
	}
	free(row);
	return result;
}

static int compare(const void *left, const void *right)
{
	const struct tlsrpt_row *a = *(struct tlsrpt_row *const *)left;
	const struct tlsrpt_row *b = *(struct tlsrpt_row *const *)right;
	int order = strcmp(a->text[TLSRPT_TEXT_DOMAIN], b->text[TLSRPT_TEXT_DOMAIN]);

	if (order == 0)
		order = (int)a->policy - (int)b->policy;
	/* Up to the mx patterns the texts tell which policy it is. */
	for (int i = TLSRPT_TEXT_POLICY_DOMAIN; i <= TLSRPT_TEXT_MX_PATTERN && order == 0; i++)
		order = strcmp(a->text[i], b->text[i]);
	if (order == 0)
		order = (int)a->result - (int)b->result;
	for (int i = TLSRPT_TEXT_MX_HOST; i < TLSRPT_TEXTS && order == 0; i++)
		order = strcmp(a->text[i], b->text[i]);
	return order;
}

void tlsrpt_day_sort(struct tlsrpt_day *day)
{
	if (day->row_count > 0)
		qsort(day->rows, day->row_count, sizeof(*day->rows), compare);
}

long tlsrpt_day_number(time_t seconds)
{
	return (long)(seconds / DAY_S);
}

char *tlsrpt_date_print(long number, char out[TLSRPT_DATE_SIZE])
{
	time_t seconds = (time_t)number * DAY_S;
	struct tm tm = { 0 };

	gmtime_r(&seconds, &tm);
	if (strftime(out, TLSRPT_DATE_SIZE, "%Y-%m-%d", &tm) == 0)
		out[0] = '\0';
	return out;
}

int tlsrpt_date_parse(const char *text, long *number_out)
{
	char again[TLSRPT_DATE_SIZE];
	struct tm tm = { 0 };
	int end = 0;

	if (sscanf(text, "%4d-%2d-%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &end) != 3 ||
	    text[end] != '\0' || tm.tm_year < 1970)
		return -1;
	tm.tm_year -= 1900;
	tm.tm_mon--;
	*number_out = tlsrpt_day_number(timegm(&tm));
	/* "2026-02-30" would come back as another day, "2026-1-2" with more zeros. */
	return strcmp(tlsrpt_date_print(*number_out, again), text) == 0 ? 0 : -1;
}
