/* A deadline that moves on whenever somebody is told that it has passed. */
#include "reminder.h"

#define PERIOD_MS 60000

bool reminder_is_due(struct reminder *reminder)
{
	if (!deadline_has_passed(reminder->next))
		return false;
	reminder->next = deadline_in_ms(PERIOD_MS);
	return true;
}

void reminder_reset(struct reminder *reminder)
{
	*reminder = (struct reminder){ 0 };
}
