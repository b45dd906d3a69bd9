/*
 * The list of findings. Their text is partly that of strangers (DNS records, replies, names), so it
 * is cleaned here, once, for whoever prints it: well-formed UTF-8, without control characters and
 * without those that turn the direction of writing.
 */
#include "finding.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "finding_id.h"
#include "lib/log.h"
#include "lib/utf8.h"

static const char *const result_names[FINDING_RESULTS] = {
	[FINDING_OK] = "ok", [FINDING_FAIL] = "FAIL", [FINDING_WARN] = "warn", [FINDING_UNKNOWN] = "unknown",
};

const char *finding_result_name(enum finding_result result)
{
	return result_names[result];
}

int finding_result_parse(const char *name, enum finding_result *result_out)
{
	for (int i = 0; i < FINDING_RESULTS; i++)
		if (strcmp(name, result_names[i]) == 0) {
			*result_out = (enum finding_result)i;
			return 0;
		}
	return -1;
}

/* ---- text ---- */

/* Unicode Bidi_Control, line and paragraph separators, the byte-order mark; C0 and C1. */
static bool is_harmless(uint32_t code, bool may_have_lines)
{
	if (code == '\n')
		return may_have_lines;
	return code >= 0x20 && (code < 0x7f || code > 0x9f) && code != 0x61c && (code < 0x200e || code > 0x200f) &&
	       (code < 0x2028 || code > 0x202e) && (code < 0x2066 || code > 0x2069) && code != 0xfeff;
}

/* A copy that is fit for a terminal; NULL: no memory. */
static char *clean_copy(const char *text, bool may_have_lines)
{
	size_t length = strlen(text), used = 0, octets;
	char *copy;
	uint32_t code;

	if (length > FINDING_TEXT_MAX)
		length = FINDING_TEXT_MAX;
	copy = malloc(length + 1);
	for (size_t i = 0; copy != NULL && i < length; i += octets > 0 ? octets : 1) {
		octets = utf8_read(&code, text + i, length - i);
		if (octets > 0 && is_harmless(code, may_have_lines)) {
			memcpy(copy + used, text + i, octets);
			used += octets;
		} else {
			copy[used++] = '?';
		}
	}
	if (copy != NULL)
		copy[used] = '\0';
	return copy;
}

/* ---- one finding ---- */

static void wipe_finding(struct finding *finding)
{
	free(finding->id);
	free(finding->subject);
	free(finding->seen);
	free(finding->mend);
}

static int grow(struct finding_list *list)
{
	size_t capacity = list->capacity > 0 ? list->capacity * 2 : 32;
	struct finding *items;

	if (list->count >= FINDINGS_MAX)
		return -1;
	if (list->count < list->capacity)
		return 0;
	items = realloc(list->items, capacity * sizeof(*items));
	if (items == NULL)
		return -1;
	list->items = items;
	list->capacity = capacity;
	return 0;
}

/* Takes the four texts over, in any case. */
static struct finding *append(struct finding_list *list, const struct finding *finding)
{
	if (finding->id == NULL || finding->subject == NULL || finding->seen == NULL || finding->mend == NULL ||
	    grow(list) < 0) {
		struct finding lost = *finding;

		wipe_finding(&lost);
		list->is_incomplete = true;
		return NULL;
	}
	list->items[list->count] = *finding;
	return &list->items[list->count++];
}

struct finding *finding_add(struct finding_list *list, const char *id, const char *subject,
			    enum finding_result result, const char *seen_format, ...)
{
	char seen[FINDING_TEXT_MAX + 1];
	va_list arguments;

	if (finding_id_find(id) == NULL)
		log_panic("a finding has an id that is in no table: %s", id);
	if (!finding_selection_has(list->selection, id))
		return NULL;
	va_start(arguments, seen_format);
	vsnprintf(seen, sizeof(seen), seen_format, arguments);
	va_end(arguments);
	return append(list, &(struct finding){
			.id = strdup(id), .subject = clean_copy(subject, false), .result = result,
			.seen = clean_copy(seen, false), .mend = strdup(""),
		});
}

void finding_mend(struct finding *finding, const char *format, ...)
{
	char mend[FINDING_TEXT_MAX + 1], *copy;
	va_list arguments;

	if (finding == NULL)
		return;
	va_start(arguments, format);
	vsnprintf(mend, sizeof(mend), format, arguments);
	va_end(arguments);
	copy = clean_copy(mend, true);
	if (copy == NULL)
		return;
	free(finding->mend);
	finding->mend = copy;
}

/* ---- the list ---- */

bool finding_is_wanted(const struct finding_list *list, const char *id_or_group)
{
	return finding_selection_touches(list->selection, id_or_group);
}

/* 0, or -1: no memory; the finding is as it was. */
static int put_before(struct finding *finding, const char *prefix)
{
	size_t size = strlen(prefix) + strlen(finding->subject) + 1;
	char *subject = malloc(size);

	if (subject == NULL)
		return -1;
	snprintf(subject, size, "%s%s", prefix, finding->subject);
	free(finding->subject);
	finding->subject = subject;
	return 0;
}

void finding_list_take(struct finding_list *to, struct finding_list *from, const char *prefix)
{
	to->is_incomplete |= from->is_incomplete;
	for (size_t i = 0; i < from->count; i++) {
		struct finding *finding = &from->items[i];

		if (!finding_selection_has(to->selection, finding->id)) {
			wipe_finding(finding);
			continue;
		}
		if (prefix != NULL && put_before(finding, prefix) < 0)
			to->is_incomplete = true;
		append(to, finding);
	}
	from->count = 0;
	finding_list_wipe(from);
}

size_t finding_list_count(const struct finding_list *list, enum finding_result result)
{
	size_t count = 0;

	for (size_t i = 0; i < list->count; i++)
		count += list->items[i].result == result;
	return count;
}

void finding_list_wipe(struct finding_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		wipe_finding(&list->items[i]);
	free(list->items);
	*list = (struct finding_list){ .selection = list->selection };
}

int finding_list_add_foreign(struct finding_list *list, const char *id, const char *subject,
				enum finding_result result, const char *seen, const char *mend)
{
	size_t before = list->count;

	append(list, &(struct finding){
			.id = clean_copy(id, false), .subject = clean_copy(subject, false), .result = result,
			.seen = clean_copy(seen, false), .mend = clean_copy(mend, true),
		});
	return list->count > before ? 0 : -1;
}
