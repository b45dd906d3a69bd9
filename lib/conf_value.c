/*
 * One value of a configuration. Sizes and durations are those of quantity.h; a bare integer as a
 * duration is seconds.
 *
 * A reason always says what was found and what is expected, the latter with an example. Nothing is
 * guessed: "30" is not a duration, 1 is not true, " 25M" is not a size.
 */
#include "conf_value.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "quantity.h"

struct type_row {
	size_t size;
	const char *expected;
	enum quantity quantity;		/* of numbers */
	int64_t integer_factor;		/* of a bare integer in the file */
};

static const struct type_row types[] = {
	[CONF_STRING] = { sizeof(char *), "a text in quotes, as \"example\"", 0, 0 },
	[CONF_INTEGER] = { sizeof(int64_t), "a whole number, as 25", QUANTITY_PLAIN, 1 },
	[CONF_BOOLEAN] = { sizeof(bool), "true or false", 0, 0 },
	[CONF_CHOICE] = { sizeof(int), "one of ", 0, 0 },
	[CONF_STRING_LIST] = { sizeof(struct conf_list), "a list of texts, as [\"one\", \"two\"]", 0, 0 },
	[CONF_SIZE] = { sizeof(int64_t), "a size, as \"25M\" or 65536", QUANTITY_SIZE, 1 },
	[CONF_DURATION] = { sizeof(int64_t), "a duration, as \"30s\", \"15m\" or 30 (seconds)", QUANTITY_DURATION,
			    1000 },
};

size_t conf_value_size(enum conf_type type)
{
	return types[type].size;
}

static void print_literal(char *out, size_t size, const struct conf_literal *literal)
{
	char text[64];

	switch (literal->kind) {
	case CONF_LITERAL_STRING:
		log_printable(text, sizeof(text), literal->string, strlen(literal->string));
		snprintf(out, size, "\"%s\"", text);
		return;
	case CONF_LITERAL_INTEGER:
		snprintf(out, size, "%" PRId64, literal->integer);
		return;
	case CONF_LITERAL_BOOLEAN:
		snprintf(out, size, "%s", literal->boolean ? "true" : "false");
		return;
	case CONF_LITERAL_STRINGS:
		snprintf(out, size, "a list of %zu texts", literal->count);
		return;
	case CONF_LITERAL_OTHER:
		snprintf(out, size, "%s", literal->string);
		return;
	}
}

static int unexpected(const struct conf_setting *setting, const struct conf_literal *literal,
		      char *error, size_t error_size)
{
	char found[80], choices[256] = "";
	size_t used = 0;

	print_literal(found, sizeof(found), literal);
	if (setting->type == CONF_CHOICE)
		for (size_t i = 0; setting->choices[i] != NULL && used < sizeof(choices); i++)
			used += (size_t)snprintf(choices + used, sizeof(choices) - used, "%s\"%s\"",
						 i > 0 ? ", " : "", setting->choices[i]);
	snprintf(error, error_size, "%s where %s%s is expected", found,
		 types[setting->type].expected, choices);
	return -1;
}

static int out_of_range(const struct conf_setting *setting, const struct conf_literal *literal,
			int64_t minimum, int64_t maximum, char *error, size_t error_size)
{
	enum quantity quantity = types[setting->type].quantity;
	char found[80], low[32], high[32];

	print_literal(found, sizeof(found), literal);
	quantity_print(quantity, low, sizeof(low), minimum);
	quantity_print(quantity, high, sizeof(high), maximum);
	snprintf(error, error_size, "%s is out of range %s..%s", found, low, high);
	return -1;
}

static int convert_number(union conf_value *value, const struct conf_setting *setting,
			  const struct conf_literal *literal, char *error, size_t error_size)
{
	const struct type_row *type = &types[setting->type];
	bool bounded = setting->minimum != 0 || setting->maximum != 0;
	int64_t minimum = setting->minimum, maximum = bounded ? setting->maximum : INT64_MAX;
	enum quantity_result result = QUANTITY_WRONG;

	if (literal->kind == CONF_LITERAL_INTEGER)
		result = __builtin_mul_overflow(literal->integer, type->integer_factor, &value->number) ? QUANTITY_TOO_BIG :
													 QUANTITY_OK;
	else if (literal->kind == CONF_LITERAL_STRING && setting->type != CONF_INTEGER)
		result = quantity_parse(type->quantity, literal->string, &value->number);
	if (result == QUANTITY_WRONG)
		return unexpected(setting, literal, error, error_size);
	if (result == QUANTITY_TOO_BIG || value->number < minimum || value->number > maximum)
		return out_of_range(setting, literal, minimum, maximum, error, error_size);
	return 0;
}

static int convert_boolean(union conf_value *value, const struct conf_setting *setting,
			   const struct conf_literal *literal, char *error, size_t error_size)
{
	if (literal->kind == CONF_LITERAL_BOOLEAN)
		value->boolean = literal->boolean;
	else if (literal->kind == CONF_LITERAL_STRING && strcmp(literal->string, "yes") == 0)
		value->boolean = true;
	else if (literal->kind == CONF_LITERAL_STRING && strcmp(literal->string, "no") == 0)
		value->boolean = false;
	else
		return unexpected(setting, literal, error, error_size);
	return 0;
}

static int convert_choice(union conf_value *value, const struct conf_setting *setting,
			  const struct conf_literal *literal, char *error, size_t error_size)
{
	for (int i = 0; literal->kind == CONF_LITERAL_STRING && setting->choices[i] != NULL; i++)
		if (strcmp(setting->choices[i], literal->string) == 0) {
			value->choice = i;
			return 0;
		}
	return unexpected(setting, literal, error, error_size);
}

static int no_memory(char *error, size_t error_size)
{
	snprintf(error, error_size, "%s", strerror(ENOMEM));
	return -1;
}

static int convert_string(union conf_value *value, const struct conf_setting *setting,
			  const struct conf_literal *literal, char *error, size_t error_size)
{
	if (literal->kind != CONF_LITERAL_STRING)
		return unexpected(setting, literal, error, error_size);
	if (setting->minimum > 0 && literal->string[0] == '\0') {
		snprintf(error, error_size, "may not be empty");
		return -1;
	}
	if (setting->maximum > 0 && strlen(literal->string) > (size_t)setting->maximum) {
		snprintf(error, error_size, "is longer than %" PRId64 " bytes", setting->maximum);
		return -1;
	}
	value->string = strdup(literal->string);
	return value->string != NULL ? 0 : no_memory(error, error_size);
}

static int convert_list(union conf_value *value, const struct conf_setting *setting,
			const struct conf_literal *literal, char *error, size_t error_size)
{
	const char *const *strings =
		literal->kind == CONF_LITERAL_STRING ? &literal->string : literal->strings;
	size_t count = literal->kind == CONF_LITERAL_STRING ? 1 : literal->count;

	if (literal->kind != CONF_LITERAL_STRING && literal->kind != CONF_LITERAL_STRINGS)
		return unexpected(setting, literal, error, error_size);
	if (count < (size_t)setting->minimum) {
		snprintf(error, error_size, "may not be empty");
		return -1;
	}
	value->list = (struct conf_list){ .items = calloc(count + 1, sizeof(char *)) };
	if (value->list.items == NULL)
		return no_memory(error, error_size);
	for (; value->list.count < count; value->list.count++) {
		const char *string = strings[value->list.count];
		char *item = string[0] != '\0' ? strdup(string) : NULL;

		if (item == NULL) {
			conf_value_wipe(value, CONF_STRING_LIST);
			snprintf(error, error_size, "%s",
				 string[0] == '\0' ? "an item may not be empty" : strerror(ENOMEM));
			return -1;
		}
		value->list.items[value->list.count] = item;
	}
	return 0;
}

static int convert(union conf_value *value, const struct conf_setting *setting,
		   const struct conf_literal *literal, char *error, size_t error_size)
{
	switch (setting->type) {
	case CONF_STRING:
		return convert_string(value, setting, literal, error, error_size);
	case CONF_BOOLEAN:
		return convert_boolean(value, setting, literal, error, error_size);
	case CONF_CHOICE:
		return convert_choice(value, setting, literal, error, error_size);
	case CONF_STRING_LIST:
		return convert_list(value, setting, literal, error, error_size);
	case CONF_INTEGER:
	case CONF_SIZE:
	case CONF_DURATION:
		return convert_number(value, setting, literal, error, error_size);
	}
	return -1;
}

int conf_value_convert(union conf_value *value, const struct conf_setting *setting,
		       const struct conf_literal *literal, char *error, size_t error_size)
{
	*value = (union conf_value){ .list = { NULL, 0 } };
	if (convert(value, setting, literal, error, error_size) != 0)
		return -1;
	if (setting->check != NULL && setting->check(value, error, error_size) != 0) {
		conf_value_wipe(value, setting->type);
		return -1;
	}
	return 0;
}

struct conf_literal conf_value_default(const struct conf_setting *setting)
{
	struct conf_literal literal = { .kind = CONF_LITERAL_STRING,
					.string = setting->default_text };
	char *end;

	if (setting->default_items != NULL) {
		literal.kind = CONF_LITERAL_STRINGS;
		literal.strings = setting->default_items;
		while (literal.strings[literal.count] != NULL)
			literal.count++;
	} else if (setting->type == CONF_INTEGER || setting->type == CONF_DURATION) {
		errno = 0;
		literal.integer = strtoll(setting->default_text, &end, 10);
		if (errno == 0 && end != setting->default_text && *end == '\0')
			literal.kind = CONF_LITERAL_INTEGER;
	} else if (setting->type == CONF_BOOLEAN) {
		literal.boolean = strcmp(setting->default_text, "true") == 0;
		if (literal.boolean || strcmp(setting->default_text, "false") == 0)
			literal.kind = CONF_LITERAL_BOOLEAN;
	}
	return literal;
}

void conf_value_wipe(union conf_value *value, enum conf_type type)
{
	if (type == CONF_STRING)
		free(value->string);
	for (size_t i = 0; type == CONF_STRING_LIST && i < value->list.count; i++)
		free(value->list.items[i]);
	if (type == CONF_STRING_LIST)
		free(value->list.items);
	*value = (union conf_value){ .list = { NULL, 0 } };
}
