/* Looking costs a stat(2), reading a bad file again and again a lot more: so only that is bounded. */
#include "table_watch.h"

#include "log.h"
#include "table.h"

#define RETRY_MS 1000

bool table_watch_is_due(const struct table_watch *watch, const char *path)
{
	return deadline_has_passed(watch->retry) && table_has_changed(path, &watch->status);
}

void table_watch_take(struct table_watch *watch, const struct stat *status)
{
	watch->status = *status;
	reminder_reset(&watch->reminder);
}

void table_watch_refuse(struct table_watch *watch, const char *error, const char *consequence)
{
	watch->retry = deadline_in_ms(RETRY_MS);
	if (reminder_is_due(&watch->reminder))
		log_error("%s; %s", error, consequence);
}
