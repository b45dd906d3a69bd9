/* What the printers share. */
#include "report.h"

#include <string.h>

#include "finding_id.h"

int report_exit_status(const struct finding_list *list)
{
	if (finding_list_count(list, FINDING_FAIL) > 0)
		return 1;
	return finding_list_count(list, FINDING_UNKNOWN) > 0 || list->is_incomplete ? 2 : 0;
}

static bool is_in_group(const struct finding *finding, const char *group)
{
	const struct finding_id *id = finding_id_find(finding->id);

	if (id == NULL || group == NULL)
		return id == NULL && group == NULL;
	return strcmp(id->group, group) == 0;
}

const struct finding *report_next(const struct report *report, const char *group, size_t *position)
{
	while (*position < report->list->count) {
		const struct finding *finding = &report->list->items[(*position)++];

		if (is_in_group(finding, group) && !(report->is_quiet && finding->result == FINDING_OK))
			return finding;
	}
	return NULL;
}
