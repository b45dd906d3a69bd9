/*
 * Reads a libconfig file against a table of settings.
 *
 * Three steps, and only the last one touches the caller's struct: conf_file.c looks the text
 * through, libconfig parses it, every setting is converted (conf_value.c) into a value of our own;
 * then all values move in at once. A setting that is absent from the file keeps what the struct
 * holds.
 *
 * Works with libconfig 1.5 (Debian 12) and later; uses nothing newer.
 */
#include "conf.h"

#include <errno.h>
#include <libconfig.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf_file.h"
#include "conf_value.h"
#include "log.h"

/* Longer names are printed cut and get no hint. */
#define NAME_MAX_PRINTED 64

struct pending {
	bool is_set;
	union conf_value value;
};

static size_t count_settings(const struct conf_setting *settings)
{
	size_t count = 0;

	while (settings[count].name != NULL)
		count++;
	return count;
}

static void *member(void *conf, const struct conf_setting *setting)
{
	return (char *)conf + setting->offset;
}

/* Levenshtein distance; both at most NAME_MAX_PRINTED characters. */
static size_t edit_distance(const char *a, const char *b)
{
	size_t row[NAME_MAX_PRINTED + 1], length = strlen(b);

	for (size_t j = 0; j <= length; j++)
		row[j] = j;
	for (size_t i = 0; a[i] != '\0'; i++) {
		size_t diagonal = row[0];

		row[0] = i + 1;
		for (size_t j = 0; j < length; j++) {
			size_t change = diagonal + (a[i] != b[j]);
			size_t shorter = (row[j] < row[j + 1] ? row[j] : row[j + 1]) + 1;

			diagonal = row[j + 1];
			row[j + 1] = change < shorter ? change : shorter;
		}
	}
	return row[length];
}

/*
 * The setting somebody may have meant: at most two changes, or one in three characters of a long
 * name.
 */
static const char *near_miss(const char *name, const struct conf_setting *settings)
{
	size_t length = strlen(name), least = length / 3 > 2 ? length / 3 : 2;
	const char *best = NULL;

	if (length > NAME_MAX_PRINTED)
		return NULL;
	for (; settings->name != NULL; settings++) {
		size_t distance;

		if (strlen(settings->name) > NAME_MAX_PRINTED)
			continue;
		distance = edit_distance(name, settings->name);
		if (distance < length && (best == NULL ? distance <= least : distance < least)) {
			best = settings->name;
			least = distance;
		}
	}
	return best;
}

static int unknown_setting(const char *name, const struct conf_setting *settings, char *reason,
			   size_t size)
{
	const char *meant = near_miss(name, settings);
	char printable[NAME_MAX_PRINTED + 1];

	log_printable(printable, sizeof(printable), name, strlen(name));
	if (meant != NULL)
		snprintf(reason, size, "unknown setting \"%s\"; did you mean \"%s\"?", printable,
			 meant);
	else
		snprintf(reason, size, "unknown setting \"%s\"", printable);
	return -1;
}

static const char *other_kind(const config_setting_t *found)
{
	switch (config_setting_type(found)) {
	case CONFIG_TYPE_GROUP:
		return "a group { }";
	case CONFIG_TYPE_FLOAT:
		return "a number with a point";
	default:
		return "a list of other things than texts";
	}
}

/*
 * The texts of ["a", "b"] or ("a", "b"), borrowed; NULL if there is anything else in it. Free the
 * array itself.
 */
static const char **list_strings(const config_setting_t *found, size_t *count_out)
{
	size_t count = (size_t)config_setting_length(found);
	const char **strings = calloc(count + 1, sizeof(*strings));

	for (size_t i = 0; strings != NULL && i < count; i++) {
		strings[i] = config_setting_get_string_elem(found, (int)i);
		if (strings[i] == NULL) {
			free(strings);
			return NULL;
		}
	}
	*count_out = count;
	return strings;
}

static int convert(union conf_value *value, const struct conf_setting *setting,
		   const config_setting_t *found, char *reason, size_t size)
{
	struct conf_literal literal = { .kind = CONF_LITERAL_OTHER, .string = other_kind(found) };
	const char **strings = NULL;
	int result;

	switch (config_setting_type(found)) {
	case CONFIG_TYPE_STRING:
		literal.kind = CONF_LITERAL_STRING;
		literal.string = config_setting_get_string(found);
		break;
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_INT64:
		literal.kind = CONF_LITERAL_INTEGER;
		literal.integer = config_setting_get_int64(found);
		break;
	case CONFIG_TYPE_BOOL:
		literal.kind = CONF_LITERAL_BOOLEAN;
		literal.boolean = config_setting_get_bool(found);
		break;
	case CONFIG_TYPE_ARRAY:
	case CONFIG_TYPE_LIST:
		strings = list_strings(found, &literal.count);
		if (strings != NULL)
			literal.kind = CONF_LITERAL_STRINGS;
		literal.strings = strings;
		break;
	}
	result = conf_value_convert(value, setting, &literal, reason, size);
	free(strings);
	return result;
}

static int take_setting(struct pending *pending, const struct conf_setting *settings,
			const config_setting_t *found, char *reason, size_t size)
{
	const char *name = config_setting_name(found);
	int used;

	for (size_t i = 0; settings[i].name != NULL; i++) {
		if (strcmp(settings[i].name, name) != 0)
			continue;
		used = snprintf(reason, size, "%s: ", name);
		if (used < 0 || (size_t)used >= size)
			used = 0;
		if (convert(&pending[i].value, &settings[i], found, reason + used,
			    size - (size_t)used) != 0)
			return -1;
		pending[i].is_set = true;
		return 0;
	}
	return unknown_setting(name, settings, reason, size);
}

static int take_all(struct pending *pending, const struct conf_setting *settings,
		    const config_t *config, const char *path, char *error, size_t error_size)
{
	const config_setting_t *root = config_root_setting(config);
	int count = config_setting_length(root);
	char reason[512];

	for (int i = 0; i < count; i++) {
		const config_setting_t *found = config_setting_get_elem(root, (unsigned int)i);

		if (take_setting(pending, settings, found, reason, sizeof(reason)) != 0) {
			snprintf(error, error_size, "%s:%d: %s", path,
				 (int)config_setting_source_line(found), reason);
			return -1;
		}
	}
	return 0;
}

static int parse(struct pending *pending, const struct conf_setting *settings, const char *path,
		 char *error, size_t error_size)
{
	struct text_file file;
	config_t config;
	int result = -1;

	if (conf_file_read(&file, path, error, error_size) != 0)
		return -1;
	config_init(&config);
	if (config_read_string(&config, file.text) == CONFIG_TRUE)
		result = take_all(pending, settings, &config, path, error, error_size);
	else
		snprintf(error, error_size, "%s:%d: %s; settings look like this: name = \"value\";",
			 path, config_error_line(&config), config_error_text(&config));
	config_destroy(&config);
	text_file_wipe(&file);
	return result;
}

static const char *first_text(const config_t *config, const char *name)
{
	const config_setting_t *setting = config_lookup(config, name);

	if (setting == NULL)
		return NULL;
	if (config_setting_is_list(setting) || config_setting_is_array(setting))
		return config_setting_get_string_elem(setting, 0);
	return config_setting_get_string(setting);
}

int conf_look_up(const char *path, const char *name, char **value_out, char *error, size_t error_size)
{
	struct text_file file;
	const char *found;
	config_t config;
	int result = -1;

	*value_out = NULL;
	if (conf_file_read(&file, path, error, error_size) != 0)
		return -1;
	config_init(&config);
	if (config_read_string(&config, file.text) != CONFIG_TRUE)
		snprintf(error, error_size, "%s:%d: %s", path, config_error_line(&config), config_error_text(&config));
	else if ((found = first_text(&config, name)) != NULL && (*value_out = strdup(found)) == NULL)
		snprintf(error, error_size, "%s: out of memory", path);
	else
		result = 0;
	config_destroy(&config);
	text_file_wipe(&file);
	return result;
}

static void put_member(void *conf, const struct conf_setting *setting,
		       const union conf_value *value)
{
	memcpy(member(conf, setting), value, conf_value_size(setting->type));
}

static void wipe_member(void *conf, const struct conf_setting *setting)
{
	union conf_value value = { .list = { NULL, 0 } };

	memcpy(&value, member(conf, setting), conf_value_size(setting->type));
	conf_value_wipe(&value, setting->type);
	put_member(conf, setting, &value);
}

int conf_read(void *conf, const struct conf_setting *settings, const char *path, char *error,
	      size_t error_size)
{
	size_t count = count_settings(settings);
	struct pending *pending = calloc(count + 1, sizeof(*pending));
	int result;

	if (pending == NULL) {
		snprintf(error, error_size, "%s: %s", path, strerror(ENOMEM));
		return -1;
	}
	result = parse(pending, settings, path, error, error_size);
	for (size_t i = 0; i < count; i++) {
		if (!pending[i].is_set)
			continue;
		if (result == 0) {
			wipe_member(conf, &settings[i]);
			put_member(conf, &settings[i], &pending[i].value);
		} else {
			conf_value_wipe(&pending[i].value, settings[i].type);
		}
	}
	free(pending);
	return result;
}

int conf_defaults(void *conf, const struct conf_setting *settings, char *error, size_t error_size)
{
	const union conf_value nothing = { .list = { NULL, 0 } };
	union conf_value value;
	char reason[512];

	for (const struct conf_setting *setting = settings; setting->name != NULL; setting++)
		put_member(conf, setting, &nothing);
	for (const struct conf_setting *setting = settings; setting->name != NULL; setting++) {
		struct conf_literal literal;

		if (setting->default_text == NULL && setting->default_items == NULL)
			continue;
		literal = conf_value_default(setting);
		if (conf_value_convert(&value, setting, &literal, reason, sizeof(reason)) != 0) {
			snprintf(error, error_size, "default of %s: %s", setting->name, reason);
			return -1;
		}
		put_member(conf, setting, &value);
	}
	return 0;
}

void conf_wipe(void *conf, const struct conf_setting *settings)
{
	for (; settings->name != NULL; settings++)
		wipe_member(conf, settings);
}
