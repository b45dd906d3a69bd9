/*
 * Lines are anybody's: whoever may send mail has a say in what stands in them. So nothing is read
 * but a time in a fixed form, and a queue id that was known before.
 */
#include "log_line.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* RFC 3164 has no year, and a line that seems to be of tomorrow is of last year. */
#define FUTURE_MAX_S 86400

static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

/* So many digits; -1: they are not there. */
static int digits(const char *text, int count)
{
	int number = 0;

	for (int i = 0; i < count; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -1;
		number = number * 10 + text[i] - '0';
	}
	return number;
}

/* "03:38:02" */
static bool take_clock(struct tm *time, const char *text)
{
	time->tm_hour = digits(text, 2);
	if (time->tm_hour < 0 || time->tm_hour > 23 || text[2] != ':')
		return false;
	time->tm_min = digits(text + 3, 2);
	if (time->tm_min < 0 || time->tm_min > 59 || text[5] != ':')
		return false;
	time->tm_sec = digits(text + 6, 2);
	return time->tm_sec >= 0 && time->tm_sec <= 60;
}

/* ---- "Nov 22 03:38:02 " ---- */

static int month_of(const char *text)
{
	for (int i = 0; i < 12; i++)
		if (strncmp(text, months + (ptrdiff_t)3 * i, 3) == 0)
			return i;
	return -1;
}

static bool is_rfc3164(const char *line, struct tm *time)
{
	if (strlen(line) < 16 || line[3] != ' ' || line[6] != ' ' || line[15] != ' ')
		return false;
	time->tm_mon = month_of(line);
	time->tm_mday = line[4] == ' ' ? digits(line + 5, 1) : digits(line + 4, 2);
	return time->tm_mon >= 0 && time->tm_mday >= 1 && time->tm_mday <= 31 && take_clock(time, line + 7);
}

static bool take_rfc3164(struct log_line *parsed, const char *line, int64_t now_s)
{
	time_t now = (time_t)now_s, then;
	struct tm time = { .tm_isdst = -1 }, copy, today;

	if (!is_rfc3164(line, &time) || localtime_r(&now, &today) == NULL)
		return false;
	time.tm_year = today.tm_year;
	copy = time;
	then = mktime(&copy);
	if (then > now + FUTURE_MAX_S) {
		time.tm_year--;
		then = mktime(&time);
	}
	parsed->time_ms = (int64_t)then * 1000;
	parsed->is_whole_second = true;
	parsed->rest = line + 16;
	return true;
}

/* ---- "2026-11-22T03:38:02.123456+01:00 " ---- */

static bool take_date(struct tm *time, const char *text)
{
	int year = digits(text, 4);

	time->tm_mon = text[4] == '-' ? digits(text + 5, 2) - 1 : -1;
	time->tm_mday = text[7] == '-' ? digits(text + 8, 2) : -1;
	time->tm_year = year - 1900;
	return year >= 1970 && time->tm_mon >= 0 && time->tm_mon <= 11 && time->tm_mday >= 1 && time->tm_mday <= 31 &&
	       text[10] == 'T';
}

/* Milliseconds of ".123456"; *at goes on behind it. */
static int take_fraction(const char **at)
{
	int ms = 0, weight = 100;

	if (**at != '.')
		return 0;
	for ((*at)++; **at >= '0' && **at <= '9'; (*at)++, weight /= 10)
		ms += (**at - '0') * weight;
	return ms;
}

/* Seconds east of Greenwich; false: no zone. */
static bool take_zone(const char **at, int *east_s)
{
	int sign = **at == '-' ? -1 : 1, hours, minutes;
	const char *text = *at;

	*east_s = 0;
	if (*text == 'Z') {
		*at = text + 1;
		return true;
	}
	if (*text != '+' && *text != '-')
		return false;
	hours = digits(text + 1, 2);
	if (hours < 0)
		return false;
	text += text[3] == ':' ? 4 : 3;
	minutes = digits(text, 2);
	if (minutes < 0)
		return false;
	*east_s = sign * (hours * 3600 + minutes * 60);
	*at = text + 2;
	return true;
}

static bool take_rfc5424(struct log_line *parsed, const char *line)
{
	struct tm time = { .tm_isdst = 0 };
	const char *at = line + 19;
	int ms, east_s;

	if (strlen(line) < 20 || !take_date(&time, line) || !take_clock(&time, line + 11))
		return false;
	parsed->is_whole_second = *at != '.';
	ms = take_fraction(&at);
	if (!take_zone(&at, &east_s) || *at != ' ')
		return false;
	parsed->time_ms = ((int64_t)timegm(&time) - east_s) * 1000 + ms;
	parsed->rest = at + 1;
	return true;
}

bool log_line_parse(struct log_line *parsed, const char *line, int64_t now_s)
{
	return take_rfc5424(parsed, line) || take_rfc3164(parsed, line, now_s);
}

bool log_line_names(const char *line, const char *queue_id)
{
	size_t length = strlen(queue_id);

	for (const char *at = strstr(line, queue_id); at != NULL; at = strstr(at + 1, queue_id))
		if ((at == line || !isalnum((unsigned char)at[-1])) && !isalnum((unsigned char)at[length]))
			return true;
	return false;
}

bool log_line_is_outcome(const char *line)
{
	size_t length = strlen(line);

	return strstr(line, ", status=") != NULL || strstr(line, "sender non-delivery notification: ") != NULL ||
	       (length > 9 && strcmp(line + length - 9, ": removed") == 0);
}
