/*
 * One value of a configuration: what was found in the file, what the table wants, and the
 * conversion between them.
 */
#ifndef CONF_VALUE_H
#define CONF_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf.h"

/* What a file says, before anybody asked whether it fits. Borrowed from the parser. */
enum conf_literal_kind {
	CONF_LITERAL_STRING,
	CONF_LITERAL_INTEGER,
	CONF_LITERAL_BOOLEAN,
	CONF_LITERAL_STRINGS,
	CONF_LITERAL_OTHER,		/* a float, a group, a list of numbers: never right */
};

struct conf_literal {
	enum conf_literal_kind kind;
	const char *string;		/* the text; of CONF_LITERAL_OTHER what it is ("a group") */
	int64_t integer;
	bool boolean;
	const char *const *strings;
	size_t count;
};

/* The member of the caller's struct; which one says conf_setting.type. */
union conf_value {
	char *string;			/* heap */
	int64_t number;
	bool boolean;
	int choice;
	struct conf_list list;		/* heap */
};

/* The member's size in the caller's struct. */
size_t conf_value_size(enum conf_type type);

/* 0, or -1 with a reason in `error` (without file, line and name) and nothing to free. */
int conf_value_convert(union conf_value *value, const struct conf_setting *setting,
		       const struct conf_literal *literal, char *error, size_t error_size);

/*
 * The literal that conf_setting.default_text or default_items stands for; `setting` has one. Borrows from *setting.
 */
struct conf_literal conf_value_default(const struct conf_setting *setting);

/* Frees what a value of this type holds, and clears it. */
void conf_value_wipe(union conf_value *value, enum conf_type type);

#endif
