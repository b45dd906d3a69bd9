/*
 * Reads and writes findings as JSON (RFC 8259) with jansson. What is read comes from another
 * machine: its number of rows is bounded, and its text is cleaned like any other.
 */
#include "finding_json.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/log.h"

json_t *finding_json_make(const struct finding_list *list)
{
	json_t *array = json_array();

	for (size_t i = 0; array != NULL && i < list->count; i++) {
		const struct finding *finding = &list->items[i];
		json_t *row = json_pack("{s:s, s:s, s:s, s:s, s:s}", "id", finding->id, "subject", finding->subject,
					"result", finding_result_name(finding->result), "seen", finding->seen, "mend",
					finding->mend);

		if (json_array_append_new(array, row) < 0) {
			json_decref(array);
			array = NULL;
		}
	}
	return array;
}

char *finding_json_print(const struct finding_list *list)
{
	json_t *array = finding_json_make(list);
	char *text = array != NULL ? json_dumps(array, JSON_COMPACT) : NULL;

	json_decref(array);
	return text;
}

static int take_row(struct finding_list *list, json_t *row, char *error, size_t error_size)
{
	const char *id, *subject, *result_name, *seen, *mend;
	enum finding_result result;
	json_error_t reason;

	if (json_unpack_ex(row, &reason, 0, "{s:s, s:s, s:s, s:s, s:s}", "id", &id, "subject", &subject, "result",
			   &result_name, "seen", &seen, "mend", &mend) < 0) {
		snprintf(error, error_size, "a finding is not as it should be: %s", reason.text);
		return -1;
	}
	if (finding_result_parse(result_name, &result) < 0) {
		char name[40];

		log_printable(name, sizeof(name), result_name, json_string_length(json_object_get(row, "result")));
		snprintf(error, error_size, "a finding has the unknown result \"%s\"", name);
		return -1;
	}
	if (finding_list_add_foreign(list, id, subject, result, seen, mend) == 0)
		return 0;
	snprintf(error, error_size, "too many findings, or out of memory");
	return -1;
}

int finding_json_take(struct finding_list *list, const json_t *array, char *error, size_t error_size)
{
	struct finding_list rows = { .items = NULL };
	int result = 0;
	size_t i;
	json_t *row;

	if (!json_is_array(array)) {
		snprintf(error, error_size, "this is no JSON array of findings");
		return -1;
	}
	json_array_foreach(array, i, row) {
		result = take_row(&rows, row, error, error_size);
		if (result < 0)
			break;
	}
	if (result == 0)
		finding_list_take(list, &rows, NULL);
	finding_list_wipe(&rows);
	return result;
}

int finding_json_parse(struct finding_list *list, const char *text, size_t length, char *error,
		       size_t error_size)
{
	json_error_t reason;
	json_t *array = json_loadb(text, length, JSON_REJECT_DUPLICATES, &reason);
	int result = -1;

	if (array == NULL)
		snprintf(error, error_size, "this is no JSON: %s", reason.text);
	else
		result = finding_json_take(list, array, error, error_size);
	json_decref(array);
	return result;
}
