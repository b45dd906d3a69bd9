/* Arrays of findings and edits, bounded; what there is no memory for makes the message fail closed. */
#include "finding.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/log.h"

static bool is_worse(const struct finding *a, const struct finding *b)
{
	return a->action != b->action ? a->action > b->action : a->rule < b->rule;
}

/* The place for a new one: a free one, or that of the mildest if the new one is worse. */
static struct finding *find_place(struct findings *findings, const struct finding *finding)
{
	struct finding *mildest = findings->items;

	if (findings->items == NULL) {
		findings->items = calloc(FINDINGS_MAX, sizeof(*findings->items));
		if (findings->items == NULL)
			return NULL;
	}
	if (findings->count < FINDINGS_MAX)
		return &findings->items[findings->count++];
	for (size_t i = 1; i < findings->count; i++)
		if (is_worse(mildest, &findings->items[i]))
			mildest = &findings->items[i];
	return is_worse(finding, mildest) ? mildest : NULL;
}

void findings_add(struct findings *findings, enum rule rule, enum rule_action action, const char *format, ...)
{
	struct finding finding = { .rule = rule, .action = action };
	char text[FINDING_TEXT_MAX];
	struct finding *place;
	va_list arguments;

	if (action == RULE_OFF)
		return;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	log_printable(finding.text, sizeof(finding.text), text, strlen(text));
	place = find_place(findings, &finding);
	if (place != NULL)
		*place = finding;
	else if (findings->items == NULL)
		findings->has_failed = 1;
}

/* The edit that this field has already, or NULL; an ADD has no field. */
static struct field_edit *find_edit(const struct findings *findings, const char *name, size_t index)
{
	for (size_t i = findings->edit_count; i > 0; i--) {
		struct field_edit *edit = &findings->edits[i - 1];

		if (edit->index < index || edit->kind == FIELD_EDIT_ADD)
			return NULL;
		if (edit->index == index && strcasecmp(edit->name, name) == 0)
			return edit;
	}
	return NULL;
}

static void merge_edit(struct field_edit *edit, enum field_edit_kind kind)
{
	if (kind != FIELD_EDIT_DELETE)
		return;
	edit->kind = FIELD_EDIT_DELETE;
	free(edit->value);
	edit->value = NULL;
}

/* Behind the last one with an index that is not larger; there is room. */
static void insert_edit(struct findings *findings, const struct field_edit *edit)
{
	size_t place = findings->edit_count;

	while (place > 0 && findings->edits[place - 1].index > edit->index)
		place--;
	memmove(&findings->edits[place + 1], &findings->edits[place],
		(findings->edit_count - place) * sizeof(*findings->edits));
	findings->edits[place] = *edit;
	findings->edit_count++;
}

void findings_edit(struct findings *findings, enum field_edit_kind kind, const char *name, size_t index,
		   const char *value)
{
	struct field_edit *known = kind == FIELD_EDIT_ADD ? NULL : find_edit(findings, name, index), *edits;
	struct field_edit edit = { .kind = kind, .index = index };

	if (known != NULL) {
		merge_edit(known, kind);
		return;
	}
	edit.name = strdup(name);
	edit.value = value != NULL ? strdup(value) : NULL;
	edits = realloc(findings->edits, (findings->edit_count + 1) * sizeof(*edits));
	if (edits != NULL)
		findings->edits = edits;
	if (edits == NULL || edit.name == NULL || (value != NULL && edit.value == NULL)) {
		free(edit.name);
		free(edit.value);
		findings->has_failed = 1;
		return;
	}
	insert_edit(findings, &edit);
}

const struct finding *findings_worst(const struct findings *findings)
{
	const struct finding *worst = findings->count > 0 ? &findings->items[0] : NULL;

	for (size_t i = 1; i < findings->count; i++)
		if (is_worse(&findings->items[i], worst))
			worst = &findings->items[i];
	return worst;
}

void findings_wipe(struct findings *findings)
{
	for (size_t i = 0; i < findings->edit_count; i++) {
		free(findings->edits[i].name);
		free(findings->edits[i].value);
	}
	free(findings->edits);
	free(findings->items);
	memset(findings, 0, sizeof(*findings));
}
