/*
 * Any bytes as the findings that an edge answers with, and as the list of the queue, in which strangers wrote the reasons. What is
 * taken is bounded, fit for a terminal, printed and read again the same, and cannot end an element of the page.
 *
 * feeds: findings and queue listings
 * covers: doctor/finding_json.c doctor/finding.c:clean_copy, is_harmless, finding_list_add_foreign doctor/queue_summary.c doctor/report_html.c:escape
 */
#include <stdio.h>

#include "doctor/finding_json.h"
#include "doctor/queue_summary.h"
#include "doctor/report.h"
#include "fuzz_target.h"

static void require_clean(const char *text, bool may_have_lines)
{
	require(strlen(text) <= FINDING_TEXT_MAX);
	for (; *text != '\0'; text++) {
		require((unsigned char)*text >= 0x20 || (may_have_lines && *text == '\n'));
		require(*text != 0x7f);
	}
}

/* As many tags as our own page has of so many rows, whatever stands in them. */
static void require_whole_page(const struct finding_list *list)
{
	struct report report = { .list = list, .host = "host", .time = 0 };
	size_t length, tags = 0, rows = 0;
	char *page = NULL;
	FILE *out = open_memstream(&page, &length);

	require(out != NULL);
	report_html_print(&report, out);
	fclose(out);
	for (const char *at = page; (at = strchr(at, '<')) != NULL; at++) {
		tags++;
		rows += strncmp(at, "<tr><td class", 13) == 0;
	}
	require(rows == list->count);
	/* tr, td, td, code, td, td and their ends; a pre where there is something to mend; 40 for the rest of the page. */
	require(tags <= list->count * 14 + 60);
	free(page);
}

static void try_findings(const char *text, size_t length)
{
	struct finding_list list = { .items = NULL }, again = { .items = NULL };
	char error[300] = "", *first, *second;

	if (finding_json_parse(&list, text, length, error, sizeof(error)) < 0) {
		require(error[0] != '\0' && list.count == 0);
		finding_list_wipe(&list);
		return;
	}
	require(list.count <= FINDINGS_MAX);
	for (size_t i = 0; i < list.count; i++) {
		require_clean(list.items[i].id, false);
		require_clean(list.items[i].subject, false);
		require_clean(list.items[i].seen, false);
		require_clean(list.items[i].mend, true);
	}
	first = finding_json_print(&list);
	require(first != NULL);
	require(finding_json_parse(&again, first, strlen(first), error, sizeof(error)) == 0);
	second = finding_json_print(&again);
	require(strcmp(first, second) == 0);
	require_whole_page(&list);
	free(first);
	free(second);
	finding_list_wipe(&list);
	finding_list_wipe(&again);
}

static void try_queue(const char *text, size_t length)
{
	static struct queue_summary summary;
	char *copy = malloc(length + 1);

	require(copy != NULL);
	memcpy(copy, text, length);
	copy[length] = '\0';
	queue_summary_read(&summary, copy);
	free(copy);
	require(summary.deferred + summary.held <= summary.messages);
	require(summary.reason_count <= QUEUE_REASONS_MAX);
	require_clean(summary.oldest_id, false);
	for (size_t i = 0; i < summary.reason_count; i++) {
		require_clean(summary.reasons[i].text, false);
		require(i == 0 || summary.reasons[i].recipients <= summary.reasons[i - 1].recipients);
		queue_summary_is_local(summary.reasons[i].text);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	if (length == 0)
		return 0;
	if (bytes[0] == '[')
		try_findings((const char *)bytes, length);
	else
		try_queue((const char *)bytes, length);
	return 0;
}
