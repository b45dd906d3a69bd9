/*
 * See finding_selection.h. A misspelt word is an error: a cron job that looks at nothing would be
 * content for ever.
 */
#include "finding_selection.h"

#include <stdio.h>
#include <string.h>

#include "finding_id.h"
#include "lib/log.h"

#define WORD_MAX 64

/* The table's own copy of the word; NULL: no id and no group is called so. */
static const char *find_word(const char *word)
{
	const struct finding_id *id = finding_id_find(word);
	const struct finding_group *group = finding_group_find(word);

	if (id != NULL)
		return id->id;
	return group != NULL ? group->group : NULL;
}

static int add_word(struct finding_selection *selection, const char *text, size_t length, char *error,
		    size_t error_size)
{
	char word[WORD_MAX + 1];
	const char *found;

	log_printable(word, sizeof(word), text, length);
	found = length <= WORD_MAX ? find_word(word) : NULL;
	if (found == NULL) {
		snprintf(error, error_size, "there is no check \"%s\"; postern-doctor(1) lists them", word);
		return -1;
	}
	if (selection->count == FINDING_SELECTION_WORDS_MAX) {
		snprintf(error, error_size, "more than %d checks; name their groups",
			 FINDING_SELECTION_WORDS_MAX);
		return -1;
	}
	selection->words[selection->count++] = found;
	return 0;
}

int finding_selection_parse(struct finding_selection *selection, const char *text, char *error,
			    size_t error_size)
{
	size_t length;

	selection->count = 0;
	do {
		length = strcspn(text, ",");
		if (add_word(selection, text, length, error, error_size) < 0)
			return -1;
		text += length;
	} while (*text++ == ',');
	return 0;
}

bool finding_selection_has(const struct finding_selection *selection, const char *id)
{
	const struct finding_id *row = finding_id_find(id);

	if (selection == NULL || selection->count == 0)
		return true;
	for (size_t i = 0; row != NULL && i < selection->count; i++)
		if (strcmp(selection->words[i], row->id) == 0 || strcmp(selection->words[i], row->group) == 0)
			return true;
	return false;
}

bool finding_selection_touches(const struct finding_selection *selection, const char *id_or_group)
{
	if (finding_selection_has(selection, id_or_group))
		return true;
	for (size_t i = 0; i < finding_id_count; i++)
		if (strcmp(finding_ids[i].group, id_or_group) == 0 &&
		    finding_selection_has(selection, finding_ids[i].id))
			return true;
	return false;
}
