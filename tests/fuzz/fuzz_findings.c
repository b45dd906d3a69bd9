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

static size_t count_of(const char *page, const char *what)
{
	size_t count = 0;

	for (const char *at = page; (at = strstr(at, what)) != NULL; at++)
		count++;
	return count;
}

static char *page_of(const struct finding_list *list)
{
	struct report report = { .list = list, .host = "host", .time = 0 };
	size_t length;
	char *page = NULL;
	FILE *out = open_memstream(&page, &length);

	require(out != NULL);
	report_html_print(&report, out);
	fclose(out);
	return page;
}

/* Exactly the tags of an empty page, of so many tables and of so many rows, whatever stands in them. */
static void require_whole_page(const struct finding_list *list)
{
	const struct finding_list none = { .items = NULL, .is_incomplete = list->is_incomplete };
	char *empty = page_of(&none), *page = page_of(list);
	size_t mended = 0;

	for (size_t i = 0; i < list->count; i++)
		mended += list->items[i].result != FINDING_OK && list->items[i].mend[0] != '\0';
	require(count_of(page, "<tr><td class") == list->count);
	/* h2, table, tr, four th; tr, four td, code; pre: each with its end. */
	require(count_of(page, "<") ==
		count_of(empty, "<") + count_of(page, "<h2>") * 14 + list->count * 12 + mended * 2);
	free(empty);
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
