/*
 * Three questions to postconf(1): all settings (-x expands them), all services (-M), what the
 * services set for themselves (-Px).
 */
#include "postfix_view.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "program.h"

#define TIME_LIMIT_MS 20000

/* Takes the next word of a line; "" at its end. */
static char *take_word(char **line)
{
	char *word = *line + strspn(*line, " \t");

	*line = word + strcspn(word, " \t");
	if (**line != '\0')
		*(*line)++ = '\0';
	return word;
}

/* ---- "name = value" ---- */

static int compare_settings(const void *a, const void *b)
{
	return strcmp(((const struct postfix_setting *)a)->name, ((const struct postfix_setting *)b)->name);
}

static size_t count_lines(const char *text)
{
	size_t count = 1;

	for (; *text != '\0'; text++)
		count += *text == '\n';
	return count;
}

/* Cuts the text up in place. 0, or -1: no memory. */
static int parse_settings(char *text, struct postfix_setting **settings, size_t *count)
{
	char *line, *save = NULL, *equal;

	*count = 0;
	*settings = calloc(count_lines(text), sizeof(**settings));
	if (*settings == NULL)
		return -1;
	for (line = strtok_r(text, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
		equal = strstr(line, " =");
		if (equal == NULL)
			continue;
		*equal = '\0';
		equal += 2;
		(*settings)[(*count)++] = (struct postfix_setting){ line, equal + strspn(equal, " ") };
	}
	qsort(*settings, *count, sizeof(**settings), compare_settings);
	return 0;
}

static const char *find_setting(const struct postfix_setting *settings, size_t count, const char *name)
{
	/* bsearch(3) does not change it. */
	const struct postfix_setting key = { (char *)(uintptr_t)name, NULL };
	const struct postfix_setting *found =
		count > 0 ? bsearch(&key, settings, count, sizeof(*settings), compare_settings) : NULL;

	return found != NULL ? found->value : NULL;
}

/* ---- master.cf ---- */

static int parse_services(struct postfix_view *view, char *text)
{
	char *line, *save = NULL;

	view->services = calloc(count_lines(text), sizeof(*view->services));
	if (view->services == NULL)
		return -1;
	for (line = strtok_r(text, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
		struct postfix_service *service = &view->services[view->service_count];
		char **const columns[] = { &service->name, &service->type, &service->privileged,
					   &service->unprivileged, &service->chroot, &service->wakeup,
					   &service->limit };

		for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
			*columns[i] = take_word(&line);
		service->command = line + strspn(line, " \t");
		service->program = strndup(service->command, strcspn(service->command, " \t"));
		if (service->program == NULL)
			return -1;
		view->service_count += service->command[0] != '\0';
		if (service->command[0] == '\0')
			free(service->program);
	}
	return 0;
}

/* ---- postconf(1) ---- */

/* The text; NULL with an error. */
static char *ask(const char *option, char *error, size_t error_size)
{
	const char *const arguments[] = { "postconf", option, NULL };
	struct program_output output;

	if (program_run(&output, arguments, NULL, PROGRAM_STDERR_DROPPED, TIME_LIMIT_MS, error,
			error_size) < 0)
		return NULL;
	if (output.exit_code == 0 && !output.is_cut)
		return output.text;
	snprintf(error, error_size, "postconf %s: exit status %d; run it to see why", option,
		 output.exit_code);
	program_output_wipe(&output);
	return NULL;
}

void postfix_view_parse(struct postfix_view *view, char *settings, char *overrides, char *services)
{
	memset(view, 0, sizeof(*view));
	view->texts[0] = settings;
	view->texts[1] = overrides;
	view->texts[2] = services;
	view->is_there = settings != NULL && overrides != NULL && services != NULL &&
			 parse_settings(settings, &view->settings, &view->setting_count) == 0 &&
			 parse_settings(overrides, &view->overrides, &view->override_count) == 0 &&
			 parse_services(view, services) == 0;
	if (!view->is_there)
		snprintf(view->error, sizeof(view->error), "out of memory");
}

void postfix_view_read(struct postfix_view *view)
{
	static const char *const options[] = { "-x", "-Px", "-M" };
	char *texts[3] = { NULL }, error[sizeof(view->error)] = "";
	size_t count = 0;

	while (count < 3 && (texts[count] = ask(options[count], error, sizeof(error))) != NULL)
		count++;
	postfix_view_parse(view, texts[0], texts[1], texts[2]);
	if (error[0] != '\0')
		memcpy(view->error, error, sizeof(error));
}

void postfix_view_wipe(struct postfix_view *view)
{
	for (size_t i = 0; i < view->service_count; i++)
		free(view->services[i].program);
	free(view->services);
	free(view->settings);
	free(view->overrides);
	for (size_t i = 0; i < 3; i++)
		free(view->texts[i]);
	memset(view, 0, sizeof(*view));
}

const char *postfix_view_get(const struct postfix_view *view, const char *name)
{
	const char *value = find_setting(view->settings, view->setting_count, name);

	return value != NULL ? value : "";
}

const char *postfix_view_get_for(const struct postfix_view *view, const struct postfix_service *service,
				 const char *name)
{
	char path[300];
	const char *value;

	snprintf(path, sizeof(path), "%s/%s/%s", service->name, service->type, name);
	value = find_setting(view->overrides, view->override_count, path);
	return value != NULL ? value : postfix_view_get(view, name);
}

const struct postfix_service *postfix_view_find(const struct postfix_view *view, const char *name,
						const char *type)
{
	for (size_t i = 0; i < view->service_count; i++)
		if (strcmp(view->services[i].name, name) == 0 && strcmp(view->services[i].type, type) == 0)
			return &view->services[i];
	return NULL;
}

bool postfix_view_next_word(const char **value, const char *beside, char *word, size_t size)
{
	char between[16];
	size_t length;

	snprintf(between, sizeof(between), ", \t\n%s", beside);
	*value += strspn(*value, between);
	length = strcspn(*value, between);
	snprintf(word, size, "%.*s", (int)length, *value);
	*value += length;
	return length > 0;
}

long long postfix_view_seconds(const char *value, char bare_unit)
{
	static const char units[] = "smhdw";
	static const long long lengths[] = { 1, 60, 3600, 86400, 604800 };
	char *end, unit;
	long long number = strtoll(value, &end, 10);
	const char *found;

	if (!isdigit((unsigned char)value[0]))
		return -1;
	unit = *end != '\0' ? *end : bare_unit;
	found = strchr(units, tolower((unsigned char)unit));
	if (found == NULL || (*end != '\0' && end[1] != '\0') || number > 1000000000)
		return -1;
	return number * lengths[found - units];
}
