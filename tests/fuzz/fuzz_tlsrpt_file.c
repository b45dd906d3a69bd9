/*
 * Any bytes as a day's TLS statistics: bounded, no crash, no leak; and what was understood of them
 * comes back when it is written and read again.
 *
 * feeds: a day's TLS statistics
 * covers: lib/tlsrpt_file_read.c lib/tlsrpt_row.c lib/tlsrpt_file_write.c:put_field, put_row,
 *     put_day
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/tlsrpt_file.h"
#include "lib/tlsrpt_record.h"

#define DIRECTORY_TEMPLATE "/tmp/fuzz_tlsrpt_file.XXXXXX"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void note(void *context, const char *message)
{
	++*(size_t *)context;
	require(strncmp(message, "F:", 2) == 0 && strchr(message, '\n') == NULL);
}

static struct tlsrpt_reading read_day(struct tlsrpt_day *day, FILE *in, size_t *complaints)
{
	struct tlsrpt_reading reading;
	char error[200];

	*complaints = 0;
	tlsrpt_day_init(day, TLSRPT_DAY_UNKNOWN);
	require(in != NULL);
	require(tlsrpt_file_read(day, in, "F", note, complaints, &reading, error, sizeof(error)) ==
		0);
	fclose(in);
	return reading;
}

static void check_row(const struct tlsrpt_row *row)
{
	require(row->sessions > 0 && tlsrpt_domain_is_valid(row->text[TLSRPT_TEXT_DOMAIN]));
	for (int i = 0; i < TLSRPT_TEXTS; i++)
		for (const char *at = row->text[i]; *at != '\0'; at++)
			require((*at >= ' ' && *at <= '~') || *at == '\n');
	require(strchr(row->text[TLSRPT_TEXT_REASON], '\n') == NULL);
}

static void check_again(const struct tlsrpt_day *day)
{
	char directory[] = DIRECTORY_TEMPLATE, path[64], error[200];
	struct tlsrpt_reading reading;
	struct tlsrpt_day again;
	size_t complaints;

	require(mkdtemp(directory) != NULL);
	snprintf(path, sizeof(path), "%s/day", directory);
	require(tlsrpt_file_write(day, path, error, sizeof(error)) == 0);
	reading = read_day(&again, fopen(path, "r"), &complaints);
	unlink(path);
	rmdir(directory);
	require(complaints == 0 && reading.is_whole && again.number == day->number);
	require(again.row_count == day->row_count && again.domain_count == day->domain_count);
	for (size_t i = 0; i < day->row_count; i++)
		require(tlsrpt_row_is_same(again.rows[i], day->rows[i]) &&
			again.rows[i]->sessions == day->rows[i]->sessions);
	tlsrpt_day_wipe(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	struct tlsrpt_reading reading;
	struct tlsrpt_day day;
	size_t complaints;

	if (length == 0)
		return 0;
	reading = read_day(&day, fmemopen((void *)(uintptr_t)bytes, length, "r"), &complaints);
	require((complaints == 0) == (reading.bad_lines == 0 && reading.is_whole));
	for (size_t i = 0; i < day.row_count; i++)
		check_row(day.rows[i]);
	for (size_t i = 0; i < day.domain_count; i++)
		require(tlsrpt_domain_is_valid(day.domains[i].name) &&
			tlsrpt_rua_is_valid(day.domains[i].rua));
	/* The sum of two lines may be more than a line may say. */
	for (size_t i = 0; i < day.row_count; i++)
		day.rows[i]->sessions = 1 + day.rows[i]->sessions % 1000;
	tlsrpt_day_sort(&day);
	if (day.number != TLSRPT_DAY_UNKNOWN)
		check_again(&day);
	tlsrpt_day_wipe(&day);
	return 0;
}
