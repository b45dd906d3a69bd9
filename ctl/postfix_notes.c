/*
 * How mail goes past default_transport: postconf(5) has the order in which Postfix asks. transport(5)
 * and sender_dependent_default_transport_maps come before it, relayhost and
 * sender_dependent_relayhost_maps lose against one that names its next hop, as ours does.
 */
#include "postfix_notes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "join_exit.h"
#include "lib/endpoint.h"

#define MILTER_MS 2000

struct note {
	const char *parameter;
	const char *meaning;
};

static const struct note notes[] = {
	{ "transport_maps", "what is listed there goes as it says, and not by postern" },
	{ "sender_dependent_default_transport_maps",
	  "the mail of senders listed there goes as it says, and not by postern" },
	{ "relayhost", "used no more, as default_transport names its own next hop" },
	{ "sender_dependent_relayhost_maps",
	  "used no more, as default_transport names its own next hop" },
	{ "relay_domains",
	  "mail to these domains goes by relay_transport, and not by postern" },
	{ "defer_transports", "a transport named there delivers only when it is told to" },
};

#define NOTES (sizeof(notes) / sizeof(notes[0]))

void postfix_notes_print(const struct postfix *postfix)
{
	for (size_t i = 0; i < NOTES; i++) {
		char *setting = postfix_setting(postfix->directory, notes[i].parameter);
		char *value = setting != NULL ? postfix_value(postfix->directory, notes[i].parameter) :
						NULL;

		if (value != NULL)
			printf("Note: %s = %s: %s\n", notes[i].parameter, setting, notes[i].meaning);
		free(setting);
		free(value);
	}
}

/* A filter that was stopped by force leaves its socket behind. */
static bool is_listening(const char *path)
{
	char text[PATH_MAX * 2 + sizeof("unix:")], error[JOIN_ERROR_MAX];
	struct endpoint endpoint;
	int fd = -1;

	snprintf(text, sizeof(text), "unix:%s", path);
	if (endpoint_parse(&endpoint, text, NULL, error, sizeof(error)) == 0)
		fd = endpoint_connect(&endpoint, deadline_in_ms(MILTER_MS), error, sizeof(error));
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* Postfix's smtpd is mostly chrooted to its queue: a name without "/" begins there. */
static int check_milter(const struct postfix *postfix, const char *parameter, const char *milter,
			char *error, size_t error_size)
{
	const char *socket = milter + strlen("unix:");
	char path[PATH_MAX * 2];

	if (strncmp(milter, "unix:", strlen("unix:")) != 0 || strstr(milter, "postern") == NULL)
		return 0;
	snprintf(path, sizeof(path), "%s%s%s", socket[0] == '/' ? "" : postfix->queue,
		 socket[0] == '/' ? "" : "/", socket);
	if (is_listening(path))
		return 0;
	snprintf(error, error_size, "%s names postern-milter's socket, %s, %s: all mail would "
		 "wait for it. Start the filter (systemctl start postern-milter), or take it out of %s",
		 parameter, path, access(path, F_OK) == 0 ? "where nobody listens" : "which does not exist", parameter);
	return JOIN_NO_MILTER;
}

static int check_list(const struct postfix *postfix, const char *parameter, char *error,
		      size_t error_size)
{
	char *list = postfix_value(postfix->directory, parameter), *save = NULL;
	int result = 0;

	if (list == NULL)
		return 0;
	for (char *milter = strtok_r(list, ", \t\n{}", &save); milter != NULL && result == 0;
	     milter = strtok_r(NULL, ", \t\n{}", &save))
		result = check_milter(postfix, parameter, milter, error, error_size);
	free(list);
	return result;
}

int postfix_notes_check_milters(const struct postfix *postfix, char *error, size_t error_size)
{
	int result = check_list(postfix, "smtpd_milters", error, error_size);

	return result != 0 ? result :
			     check_list(postfix, "non_smtpd_milters", error, error_size);
}
