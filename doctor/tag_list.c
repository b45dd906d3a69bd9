/* tag=value lists: cut up in a copy. */
#include "tag_list.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLANKS " \t\r\n"

static char *trim(char *text)
{
	char *end;

	text += strspn(text, BLANKS);
	end = text + strlen(text);
	while (end > text && strchr(BLANKS, end[-1]) != NULL)
		end--;
	*end = '\0';
	return text;
}

/* tag-name = ALPHA *( ALPHA / DIGIT / "_" ) */
static bool is_name(const char *name)
{
	if (!isalpha((unsigned char)*name))
		return false;
	while (isalnum((unsigned char)*name) || *name == '_')
		name++;
	return *name == '\0';
}

static int add(struct tag_list *list, char *spec, char *error, size_t error_size)
{
	char *equals = strchr(spec, '=');

	if (equals == NULL) {
		snprintf(error, error_size, "\"%.60s\" is no tag: there is no \"=\"", spec);
		return -1;
	}
	*equals = '\0';
	spec = trim(spec);
	if (!is_name(spec) || list->count == TAG_LIST_MAX) {
		snprintf(error, error_size, "\"%.60s\" is not the name of a tag", spec);
		return -1;
	}
	if (tag_list_find(list, spec) != NULL) {
		snprintf(error, error_size, "the tag \"%.60s\" is there twice", spec);
		return -1;
	}
	list->tags[list->count].name = spec;
	list->tags[list->count++].value = trim(equals + 1);
	return 0;
}

int tag_list_parse(struct tag_list *list, const char *text, char *error, size_t error_size)
{
	char *next;

	memset(list, 0, sizeof(*list));
	list->text = next = strdup(text);
	if (list->text == NULL) {
		snprintf(error, error_size, "out of memory");
		return -1;
	}
	while (next != NULL) {
		char *spec = trim(strsep(&next, ";"));

		if (*spec == '\0' && next == NULL)
			break;
		if (add(list, spec, error, error_size) != 0) {
			tag_list_wipe(list);
			return -1;
		}
	}
	return 0;
}

const char *tag_list_find(const struct tag_list *list, const char *name)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->tags[i].name, name) == 0)
			return list->tags[i].value;
	return NULL;
}

void tag_list_wipe(struct tag_list *list)
{
	free(list->text);
	memset(list, 0, sizeof(*list));
}
