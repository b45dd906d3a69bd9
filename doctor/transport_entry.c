/*
 *	command = ( "spawn" / "pipe" ) *( WSP attribute ) WSP "argv=" program *( WSP argument )
 */
#include "transport_entry.h"

#include <stdio.h>
#include <string.h>

#define NAME "postern-transport"

/* The next word; false at the end. */
static bool next_word(const char **text, char *word, size_t size)
{
	size_t length;

	*text += strspn(*text, " \t");
	length = strcspn(*text, " \t");
	snprintf(word, size, "%.*s", (int)length, *text);
	*text += length;
	return length > 0;
}

static bool is_transport(const char *program)
{
	const char *slash = strrchr(program, '/');

	return strcmp(slash != NULL ? slash + 1 : program, NAME) == 0;
}

/* Whatever follows argv= is the program's own. */
static void take_arguments(struct transport_entry *entry, const char *text)
{
	char word[PATH_MAX];

	while (next_word(&text, word, sizeof(word)) && strcmp(word, "--") != 0)
		if (strcmp(word, "-c") == 0)
			next_word(&text, entry->conf_path, sizeof(entry->conf_path));
}

static bool parse_command(struct transport_entry *entry, const struct postfix_service *service)
{
	const char *text = service->command;
	char word[PATH_MAX];

	while (next_word(&text, word, sizeof(word))) {
		if (strncmp(word, "user=", 5) == 0)
			snprintf(entry->user, sizeof(entry->user), "%.*s", (int)strcspn(word + 5, ":"), word + 5);
		if (strncmp(word, "argv=", 5) != 0)
			continue;
		if (!is_transport(word + 5))
			return false;
		snprintf(entry->program, sizeof(entry->program), "%s", word + 5);
		take_arguments(entry, text);
		return true;
	}
	return false;
}

void transport_entry_find(struct transport_entry *entry, const struct postfix_view *view)
{
	const struct transport_entry none = { .user = TRANSPORT_ENTRY_USER, .program = TRANSPORT_ENTRY_PROGRAM };

	for (size_t i = 0; i < view->service_count; i++) {
		const struct postfix_service *service = &view->services[i];
		bool is_pipe = strcmp(service->program, "pipe") == 0;

		*entry = none;
		if (!is_pipe && strcmp(service->program, "spawn") != 0)
			continue;
		if (parse_command(entry, service)) {
			entry->service = service;
			entry->is_pipe = is_pipe;
			return;
		}
	}
	*entry = none;
}
