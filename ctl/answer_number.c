/* The clamp is here, once, and not where numbers are added up. */
#include "answer_number.h"

int64_t answer_number(const json_t *object, const char *name)
{
	json_int_t value = json_integer_value(json_object_get(object, name));

	if (value > ANSWER_NUMBER_MAX)
		return ANSWER_NUMBER_MAX;
	return value < -ANSWER_NUMBER_MAX ? -ANSWER_NUMBER_MAX : value;
}
