/*
 * Everything is made of copies, taken under the lock of the table that they come from, and one table
 * after the other.
 */
#include "status_report.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "destination_report.h"
#include "lib/deadline.h"
#include "tenant_report.h"

json_t *status_report_edge(struct edge *edge)
{
	struct edge_setup *setup = edge_acquire_setup(edge);
	json_t *head = json_pack("{s:s, s:s, s:I, s:I}", "name", setup->conf.ehlo_name, "version", PACKAGE_VERSION,
				 "time", (json_int_t)time(NULL), "uptime_s",
				 (json_int_t)((deadline_now_ms() - edge->started_ms) / 1000));

	edge_setup_release(setup);
	return head;
}

static json_t *make_numbers(const char *const *names, const uint32_t *numbers, size_t count)
{
	json_t *object = json_object();

	for (size_t i = 0; i < count; i++)
		if (json_object_set_new(object, names[i], json_integer(numbers[i])) < 0) {
			json_decref(object);
			return NULL;
		}
	return object;
}

static json_t *make_day(const struct tally *tally)
{
	struct tally_counts sum = tally_sum(tally, time(NULL));

	return json_pack("{s:I, s:I, s:I, s:o, s:o}", "sent", (json_int_t)sum.sent, "deferred",
			 (json_int_t)sum.deferred, "bounced", (json_int_t)sum.bounced, "tls",
			 make_numbers(tally_tls_names, sum.tls, TALLY_TLS_KINDS), "reasons",
			 make_numbers(tally_reason_names, sum.reasons, TALLY_REASONS));
}

static json_t *make_refusals(const struct tenant_count *count)
{
	json_t *object = json_object();

	for (int i = 0; i < TENANT_REFUSALS; i++)
		if (count->refused[i] > 0 && json_object_set_new(object, tenant_report_refusal_names[i],
								 json_integer((json_int_t)count->refused[i])) < 0) {
			json_decref(object);
			return NULL;
		}
	return object;
}

static int set_time(json_t *object, const char *name, int64_t seconds)
{
	return seconds > 0 ? json_object_set_new(object, name, json_integer(seconds)) : 0;
}

json_t *status_report_client(struct edge *edge, const char *client)
{
	struct tenant_count count = { .active = 0 };
	struct tally tally;
	json_t *report;

	tenant_table_find(&edge->tenants, client, deadline_now_ms(), &count, &tally);
	report = json_pack("{s:s, s:I, s:I, s:I, s:{s:I, s:I, s:I}, s:o, s:o}", "client", client, "tunnels",
			   (json_int_t)session_table_count(&edge->sessions, client, NULL), "active",
			   (json_int_t)count.active, "messages", (json_int_t)count.transactions, "recipients", "sent",
			   (json_int_t)count.relayed, "deferred", (json_int_t)count.delayed, "bounced",
			   (json_int_t)count.failed, "refused", make_refusals(&count), "day", make_day(&tally));
	if (report != NULL && set_time(report, "last_use", count.last_use) == 0 &&
	    set_time(report, "last_delivery", tally.last_sent_s) == 0)
		return report;
	json_decref(report);
	return NULL;
}

/* ---- destinations ---- */

static int describe_place(json_t *object, const struct destination_report *report)
{
	if (report->places < report->limit &&
	    (json_object_set_new(object, "places", json_integer((json_int_t)report->places)) < 0 ||
	     json_object_set_new(object, "limit", json_integer((json_int_t)report->limit)) < 0))
		return -1;
	if (report->closed_for_ms == 0)
		return 0;
	return json_object_set_new(object, "closed_for_ms", json_integer(report->closed_for_ms));
}

static json_t *make_outcome(const struct outcome_entry *outcome)
{
	char code[ENHANCED_STATUS_TEXT_MAX];

	return json_pack("{s:I, s:s, s:s, s:s}", "time", (json_int_t)outcome->time_s, "status",
			 delivery_action_word(outcome->action), "dsn",
			 enhanced_status_print(outcome->status, code, sizeof(code)), "text", outcome->text);
}

/* `outcome` may be NULL. */
static int append(json_t *array, const struct destination_report *report, const struct outcome_entry *outcome)
{
	json_t *object = json_pack("{s:s, s:s, s:I, s:I}", "client", report->client, "domain", report->domain, "active",
				   (json_int_t)report->active, "waiting", (json_int_t)report->waiting);

	if (object != NULL && describe_place(object, report) == 0 &&
	    (outcome == NULL || json_object_set_new(object, "last", make_outcome(outcome)) == 0))
		return json_array_append_new(array, object);
	json_decref(object);
	return -1;
}

struct seen {
	struct destination_report *reports;
	size_t report_count;
	struct outcome_entry *outcomes;
	size_t outcome_count;
};

/* Where there is something now, the last outcome may be an old one, not among those of `seen`. */
static int append_present(json_t *array, struct edge *edge, const struct seen *seen)
{
	for (size_t i = 0; i < seen->report_count; i++) {
		const struct destination_report *report = &seen->reports[i];
		struct outcome_entry outcome;
		bool is_known = outcome_table_find(&edge->outcomes, report->client, report->domain, &outcome);

		if (append(array, report, is_known ? &outcome : NULL) < 0)
			return -1;
	}
	return 0;
}

static bool is_present(const struct seen *seen, const struct outcome_entry *outcome)
{
	for (size_t i = 0; i < seen->report_count; i++)
		if (strcmp(seen->reports[i].domain, outcome->domain) == 0 &&
		    strcmp(seen->reports[i].client, outcome->client) == 0)
			return true;
	return false;
}

static int append_others(json_t *array, struct edge *edge, const struct seen *seen, size_t max)
{
	for (size_t i = 0; i < seen->outcome_count && json_array_size(array) < max; i++) {
		const struct outcome_entry *outcome = &seen->outcomes[i];
		struct destination_report report = { .active = 0 };

		if (is_present(seen, outcome))
			continue;
		memcpy(report.client, outcome->client, sizeof(outcome->client));
		memcpy(report.domain, outcome->domain, sizeof(outcome->domain));
		destination_report_look_up(&edge->destinations, &report);
		if (append(array, &report, outcome) < 0)
			return -1;
	}
	return 0;
}

json_t *status_report_destinations(struct edge *edge, const char *client, size_t max)
{
	json_t *array = json_array();
	struct seen seen;
	int result;

	seen.reports = destination_report_copy(&edge->destinations, client, max, &seen.report_count);
	seen.outcomes = outcome_table_copy(&edge->outcomes, client, max, &seen.outcome_count);
	result = array != NULL ? append_present(array, edge, &seen) : -1;
	if (result == 0)
		result = append_others(array, edge, &seen, max);
	free(seen.reports);
	free(seen.outcomes);
	if (result == 0)
		return array;
	json_decref(array);
	return NULL;
}
