/*
 * RFC 8460 4.4, member by member, in its order. What is not known is left out.
 */
#include "tls_report.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static const char *text_of(const struct tlsrpt_day *day, size_t row, enum tlsrpt_text which)
{
	return day->rows[row]->text[which];
}

size_t tls_report_row_count(const struct tlsrpt_day *day, size_t first)
{
	size_t count = 0;

	while (first + count < day->row_count &&
	       strcmp(text_of(day, first, TLSRPT_TEXT_DOMAIN),
		      text_of(day, first + count, TLSRPT_TEXT_DOMAIN)) == 0)
		count++;
	return count;
}

/* Rows of the same policy stand together in a sorted day. */
static bool has_same_policy(const struct tlsrpt_day *day, size_t a, size_t b)
{
	if (day->rows[a]->policy != day->rows[b]->policy)
		return false;
	for (int i = TLSRPT_TEXT_POLICY_DOMAIN; i <= TLSRPT_TEXT_MX_PATTERN; i++)
		if (strcmp(day->rows[a]->text[i], day->rows[b]->text[i]) != 0)
			return false;
	return true;
}

/* Functions of jansson take NULL for "no memory" and pass it on, so one check at the end is enough.
 */
static int set_text(json_t *object, const char *key, const char *text)
{
	return text[0] == '\0' ? 0 : json_object_set_new(object, key, json_string(text));
}

static int set_lines(json_t *object, const char *key, const char *text)
{
	json_t *lines = json_array();
	int failed = 0;

	if (text[0] == '\0') {
		json_decref(lines);
		return 0;
	}
	while (*text != '\0') {
		size_t length = strcspn(text, "\n");

		failed |= json_array_append_new(lines, json_stringn(text, length));
		text += length + (text[length] == '\n');
	}
	return json_object_set_new(object, key, lines) | failed;
}

static json_t *checked(json_t *value, int failed)
{
	if (failed == 0)
		return value;
	json_decref(value);
	return NULL;
}

static json_t *make_policy(const struct tlsrpt_row *row)
{
	json_t *policy = json_object();
	int failed = set_text(policy, "policy-type", tlsrpt_policy_name(row->policy));

	failed |= set_lines(policy, "policy-string", row->text[TLSRPT_TEXT_POLICY]);
	failed |= set_text(policy, "policy-domain", row->text[TLSRPT_TEXT_POLICY_DOMAIN]);
	failed |= set_lines(policy, "mx-host", row->text[TLSRPT_TEXT_MX_PATTERN]);
	return checked(policy, failed);
}

static json_t *make_failure(const struct tlsrpt_row *row)
{
	json_t *failure = json_object();
	int failed = set_text(failure, "result-type", tlsrpt_result_name(row->result));

	failed |= set_text(failure, "sending-mta-ip", row->text[TLSRPT_TEXT_SENDING_IP]);
	failed |= set_text(failure, "receiving-mx-hostname", row->text[TLSRPT_TEXT_MX_HOST]);
	failed |= set_text(failure, "receiving-ip", row->text[TLSRPT_TEXT_RECEIVING_IP]);
	failed |= json_object_set_new(failure, "failed-session-count",
				      json_integer((json_int_t)row->sessions));
	failed |= set_text(failure, "failure-reason-code", row->text[TLSRPT_TEXT_REASON]);
	return checked(failure, failed);
}

static json_t *make_summary(uint64_t successes, uint64_t failures)
{
	return json_pack("{s:I, s:I}", "total-successful-session-count", (json_int_t)successes,
			 "total-failure-session-count", (json_int_t)failures);
}

/* One member of "policies"; *next_out: the first row that is not in it. */
static json_t *make_policy_part(const struct tlsrpt_day *day, size_t first, size_t end,
				size_t *next_out)
{
	json_t *part = json_object(), *failures = json_array();
	uint64_t succeeded = 0, failed_sessions = 0;
	size_t at = first;
	int failed = 0;

	for (; at < end && has_same_policy(day, first, at); at++) {
		if (day->rows[at]->result == TLSRPT_SUCCESS) {
			succeeded += day->rows[at]->sessions;
			continue;
		}
		failed_sessions += day->rows[at]->sessions;
		failed |= json_array_append_new(failures, make_failure(day->rows[at]));
	}
	failed |= json_object_set_new(part, "policy", make_policy(day->rows[first]));
	failed |= json_object_set_new(part, "summary", make_summary(succeeded, failed_sessions));
	if (json_array_size(failures) > 0)
		failed |= json_object_set(part, "failure-details", failures);
	json_decref(failures);
	*next_out = at;
	return checked(part, failed);
}

static json_t *make_policies(const struct tlsrpt_day *day, size_t first, size_t count)
{
	json_t *policies = json_array();
	size_t at = first;
	int failed = 0;

	while (at < first + count)
		failed |= json_array_append_new(policies,
						make_policy_part(day, at, first + count, &at));
	return checked(policies, failed);
}

/* The checksum tells the reports of two edges of one organization from one another. */
static int make_id(struct tls_report *report, const struct tlsrpt_day *day, const json_t *policies,
		   const struct tls_report_sender *sender)
{
	char *text = json_dumps(policies, JSON_COMPACT), date[TLSRPT_DATE_SIZE];

	if (text == NULL)
		return -1;
	snprintf(report->id, sizeof(report->id), "%s.%s.%08lx@%s",
		 tlsrpt_date_print(day->number, date), report->domain,
		 crc32(0, (const Bytef *)text, (uInt)strlen(text)), sender->submitter);
	free(text);
	return 0;
}

/* RFC 3339; RFC 8460 4.1: the whole day. */
static json_t *make_date_range(const struct tlsrpt_day *day)
{
	char date[TLSRPT_DATE_SIZE], start[32], end[32];

	tlsrpt_date_print(day->number, date);
	snprintf(start, sizeof(start), "%sT00:00:00Z", date);
	snprintf(end, sizeof(end), "%sT23:59:59Z", date);
	return json_pack("{s:s, s:s}", "start-datetime", start, "end-datetime", end);
}

int tls_report_make(struct tls_report *report, const struct tlsrpt_day *day, size_t first,
		    size_t count, const struct tls_report_sender *sender, bool is_indented)
{
	json_t *policies = make_policies(day, first, count), *object = json_object();
	int failed;

	*report = (struct tls_report){ .domain = text_of(day, first, TLSRPT_TEXT_DOMAIN) };
	failed = make_id(report, day, policies, sender);
	failed |= set_text(object, "organization-name", sender->organization);
	failed |= json_object_set_new(object, "date-range", make_date_range(day));
	failed |= set_text(object, "contact-info", sender->contact);
	failed |= set_text(object, "report-id", report->id);
	failed |= json_object_set_new(object, "policies", policies);
	if (failed == 0)
		report->json = json_dumps(object, is_indented ? JSON_INDENT(2) : JSON_COMPACT);
	json_decref(object);
	return report->json != NULL ? 0 : -1;
}

void tls_report_wipe(struct tls_report *report)
{
	free(report->json);
	report->json = NULL;
}
