/*
 * Reads a libconfig file against a table of settings. Unknown, doubled, out-of-range and wrong-type
 * keys are errors with file:line and, for a near miss, a hint (unknown setting "ehlo_nam"; did you
 * mean "ehlo_name"?). Nothing is changed unless the whole file is good.
 *
 * There is no @include and there are no groups: one program, one flat file of at most 1 MiB.
 */
#ifndef CONF_H
#define CONF_H

#include <stddef.h>
#include <stdint.h>

enum conf_type {
	CONF_STRING,		/* char *, heap */
	CONF_INTEGER,		/* int64_t, minimum..maximum */
	CONF_BOOLEAN,		/* bool: true, false, "yes", "no" */
	CONF_CHOICE,		/* int: index into choices */
	CONF_STRING_LIST,	/* struct conf_list: ["a", "b"] or a single "a"; no empty items */
	CONF_SIZE,		/* int64_t bytes: integer, or "64k", "25M", "1G" (powers of 1024) */
	CONF_DURATION,		/* int64_t milliseconds: integer seconds, or "200ms", "30s", "15m",
				   "1h", "5d", "1w" */
};

struct conf_list {
	char **items;
	size_t count;
};

/*
 * A check of one value after its type and range: 0, or -1 with a reason in `error`. `value` points
 * at the member.
 */
typedef int conf_check_fn(const void *value, char *error, size_t error_size);

struct conf_setting {
	const char *name;
	enum conf_type type;
	size_t offset;			/* offsetof(struct my_conf, member) */
	/*
	 * As written in a file, without quotes (30s, yes, 25M; of a list its only item). NULL: no
	 * default, that is NULL, an empty list, 0, false or the first choice.
	 */
	const char *default_text;
	/*
	 * Of CONF_INTEGER, CONF_SIZE (bytes) and CONF_DURATION (milliseconds); both 0: any number
	 * from 0 up. Of a string: minimum 1 = may not be empty, maximum > 0 = its longest length.
	 * Of a list: minimum 1 = not empty.
	 */
	int64_t minimum, maximum;
	const char *const *choices;	/* CONF_CHOICE, NULL-terminated */
	conf_check_fn *check;		/* or NULL */
	const char *help;		/* one line, for --check -v and the manual test */
	/* Of a list with more than one default item, NULL-terminated, in place of default_text. */
	const char *const *default_items;
};

/*
 * The table ends with a row whose name is NULL.
 *
 * Fills *conf, whose content is taken for garbage, with the defaults. -1 is a programming error in
 * the table (message in error); *conf is then safe to wipe.
 */
int conf_defaults(void *conf, const struct conf_setting *settings, char *error, size_t error_size);
/*
 * Reads `path`. 0: *conf (which must hold defaults) is filled in. -1: *conf is unchanged, `error`
 * says "PATH:LINE: what; what to do". A missing file is an error too.
 */
int conf_read(void *conf, const struct conf_setting *settings, const char *path, char *error,
	      size_t error_size);
/*
 * One text of a file that is another program's, of a list the first: for those who need to know where something is.
 * *value_out: heap; NULL if the setting is not there, or no text. 0, or -1 with error: the file cannot
 * be read.
 */
int conf_look_up(const char *path, const char *name, char **value_out, char *error, size_t error_size);
/* Frees strings and lists, and clears every member of the table. */
void conf_wipe(void *conf, const struct conf_setting *settings);

#endif
