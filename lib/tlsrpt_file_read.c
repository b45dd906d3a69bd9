/*
 * Reads a day's file (tlsrpt_file.h). Every line is made a row in the way the edge makes one, and
 * if that changes any of its texts, it is not what the edge wrote: a damaged line.
 */
#include "tlsrpt_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ascii.h"
#include "log.h"
#include "tlsrpt_record.h"

#define FIELDS_MAX 12
#define SESSIONS_MAX UINT64_C(1000000000000)

struct reader {
	struct tlsrpt_day *day;
	const char *name;
	tlsrpt_complain_fn *complain;
	void *context;
	struct tlsrpt_reading *reading;
	bool is_of_other_day;
};

/* Of the current line. */
static void complain(struct reader *reader, const char *why)
{
	char message[512];

	if (++reader->reading->bad_lines > TLSRPT_COMPLAINTS_MAX)
		return;
	snprintf(message, sizeof(message), "%.300s:%zu: %s", reader->name, reader->reading->lines,
		 why);
	reader->complain(reader->context, message);
}

static void sum_up(struct reader *reader)
{
	char message[512];

	if (reader->reading->lines > 0 && !reader->reading->is_whole) {
		snprintf(message, sizeof(message),
			 "%.300s: its last line is not there: it is cut off, or damaged",
			 reader->name);
		reader->complain(reader->context, message);
	}
	/* Whole perhaps, but not what was asked for. */
	reader->reading->is_whole = reader->reading->is_whole && !reader->is_of_other_day;
	if (reader->reading->bad_lines <= TLSRPT_COMPLAINTS_MAX)
		return;
	snprintf(message, sizeof(message), "%.300s: %zu more damaged lines", reader->name,
		 reader->reading->bad_lines - TLSRPT_COMPLAINTS_MAX);
	reader->complain(reader->context, message);
}

/* In place; false if the encoding is broken or not needed, which the writer would not have done. */
static bool decode(char *field)
{
	char *out = field;

	for (; *field != '\0'; field++) {
		int c = (unsigned char)*field, high, low;

		if (c == '%') {
			high = ascii_hex_value(field[1]);
			low = high < 0 ? -1 : ascii_hex_value(field[2]);
			c = high * 16 + low;
			if (low < 0 || (c != '%' && c != '\n'))
				return false;
			field += 2;
		}
		*out++ = (char)c;
	}
	*out = '\0';
	return true;
}

/* Cuts the line at its tabs. The number of fields; 0: too many, or a broken encoding. */
static size_t split(char *line, char *fields[FIELDS_MAX])
{
	size_t count = 0;

	do {
		char *tab = strchr(line, '\t');

		if (count == FIELDS_MAX)
			return 0;
		if (tab != NULL)
			*tab++ = '\0';
		if (!decode(line))
			return 0;
		fields[count++] = line;
		line = tab;
	} while (line != NULL);
	return count;
}

static bool read_number(const char *text, uint64_t maximum, uint64_t *out)
{
	size_t digits = strspn(text, "0123456789");

	if (digits == 0 || digits > 15 || text[digits] != '\0')
		return false;
	*out = strtoull(text, NULL, 10);
	return *out <= maximum;
}

static void take_header(struct reader *reader, char *const *fields)
{
	long number;

	if (strcmp(fields[1], "1") != 0)
		complain(reader, "written by another version of postern");
	else if (tlsrpt_date_parse(fields[2], &number) != 0)
		complain(reader, "no date");
	else if (reader->day->number == TLSRPT_DAY_UNKNOWN)
		reader->day->number = number;
	else if (reader->day->number != number)
		reader->is_of_other_day = true;
	if (reader->is_of_other_day)
		complain(reader, "the statistics of another day than expected");
}

static void take_domain(struct reader *reader, char *const *fields)
{
	if (!tlsrpt_domain_is_valid(fields[1]) || !tlsrpt_rua_is_valid(fields[2]))
		complain(reader, "damaged: no domain, or no mailto: or https: address");
	else if (tlsrpt_day_add_domain(reader->day, fields[1], fields[2]) != 0)
		complain(reader, "too many domains");
}

static void take_sessions(struct reader *reader, char *const *fields)
{
	const char *text[TLSRPT_TEXTS];
	int policy = tlsrpt_policy_find(fields[2]), result = tlsrpt_result_find(fields[3]);
	struct tlsrpt_row *row = NULL;
	uint64_t sessions;
	bool is_good;

	for (int i = 0; i < TLSRPT_TEXTS; i++)
		text[i] = fields[4 + i];
	is_good = policy >= 0 && result >= 0 && read_number(fields[1], SESSIONS_MAX, &sessions) &&
		  sessions > 0;
	if (is_good)
		row = tlsrpt_row_create((enum tlsrpt_policy)policy, (enum tlsrpt_result)result,
					text);
	for (int i = 0; i < TLSRPT_TEXTS && row != NULL; i++)
		is_good = is_good && strcmp(row->text[i], text[i]) == 0;
	if (row == NULL || !is_good) {
		free(row);
		complain(reader, "damaged: this is no count of sessions");
		return;
	}
	row->sessions = sessions;
	if (tlsrpt_day_count(reader->day, row) == TLSRPT_LOST)
		complain(reader, "too many rows");
}

static void take_end(struct reader *reader, char *const *fields)
{
	uint64_t lines;

	reader->reading->is_whole =
		read_number(fields[1], UINT64_MAX, &lines) && lines == reader->reading->lines;
	if (!reader->reading->is_whole)
		complain(reader, "lines are missing before this one, or there are too many");
}

static void take_line(struct reader *reader, char *line, size_t length)
{
	char *fields[FIELDS_MAX];
	size_t count = strlen(line) == length ? split(line, fields) : 0;

	reader->reading->lines++;
	reader->reading->is_whole = false;
	if (count == 3 && strcmp(fields[0], "postern-tlsrpt") == 0)
		take_header(reader, fields);
	else if (count == 3 && strcmp(fields[0], "domain") == 0)
		take_domain(reader, fields);
	else if (count == 4 + TLSRPT_TEXTS && strcmp(fields[0], "sessions") == 0)
		take_sessions(reader, fields);
	else if (count == 2 && strcmp(fields[0], "end") == 0)
		take_end(reader, fields);
	else
		complain(reader, "damaged: not a line of TLS statistics");
}

/*
 * One line without its LF; false at the end. `length` may be more than what is kept: such a line is
 * not one of ours either.
 */
static bool next_line(FILE *in, char line[TLSRPT_LINE_MAX + 1], size_t *length, size_t *total)
{
	int c;

	*length = 0;
	while (*total < TLSRPT_FILE_MAX && (c = getc(in)) != EOF && c != '\n') {
		if (*length < TLSRPT_LINE_MAX)
			line[*length] = (char)c;
		++*length;
		++*total;
	}
	line[*length < TLSRPT_LINE_MAX ? *length : TLSRPT_LINE_MAX] = '\0';
	++*total;
	return *length > 0 || !(feof(in) || ferror(in) || *total > TLSRPT_FILE_MAX);
}

int tlsrpt_file_read(struct tlsrpt_day *day, FILE *in, const char *name,
		     tlsrpt_complain_fn *complain_fn, void *context, struct tlsrpt_reading *reading,
		     char *error, size_t error_size)
{
	struct reader reader = { day, name, complain_fn, context, reading, false };
	char *line = malloc(TLSRPT_LINE_MAX + 1);
	size_t length, total = 0;
	int result = 0;

	*reading = (struct tlsrpt_reading){ 0 };
	if (line == NULL) {
		snprintf(error, error_size, "%s: out of memory", name);
		return -1;
	}
	errno = 0;
	while (next_line(in, line, &length, &total))
		take_line(&reader, line, length);
	sum_up(&reader);
	if (ferror(in) || total > TLSRPT_FILE_MAX) {
		snprintf(error, error_size, "%s: %s", name,
			 ferror(in) ? strerror(errno) : "is too big");
		result = -1;
	}
	free(line);
	return result;
}
