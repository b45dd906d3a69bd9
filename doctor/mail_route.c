/*
 * Follows transport(5) only as far as it takes to know whether mail comes to postern. A service that
 * is no LMTP client of our own socket is asked for its greeting before it is believed to be another.
 */
#include "mail_route.h"

#include <stdio.h>
#include <string.h>

#include "lmtp_greeting.h"
#include "program.h"

#define TIME_LIMIT_MS 10000
#define NAME_MAX_LENGTH 100

const struct postfix_service *mail_route_service(const struct mail_host *host, const char *value)
{
	char name[NAME_MAX_LENGTH];

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(value, ":"), value);
	return postfix_view_find(&host->postfix, name, "unix");
}

char *mail_route_endpoint(const struct mail_host *host, const char *text, char *out, size_t size)
{
	if (strncmp(text, "unix:", 5) == 0 && text[5] != '/')
		snprintf(out, size, "unix:%s/%s", postfix_view_get(&host->postfix, "queue_directory"), text + 5);
	else
		snprintf(out, size, "%s", text);
	return out;
}

/* Does an lmtp(8) with this next hop talk to the transport? */
static bool is_our_socket(const struct mail_host *host, const char *next_hop)
{
	const char *slash = strrchr(next_hop, '/');
	char endpoint[600], line[600];

	if (host->entry.service != NULL && strncmp(next_hop, "unix:", 5) == 0 && slash != NULL &&
	    strcmp(slash + 1, host->entry.service->name) == 0)
		return true;
	if (strncmp(next_hop, "unix:", 5) != 0 && strncmp(next_hop, "inet:", 5) != 0)
		return false;
	return lmtp_greeting_read(mail_route_endpoint(host, next_hop, endpoint, sizeof(endpoint)), line, sizeof(line)) == 0 &&
	       lmtp_greeting_is_postern(line);
}

enum mail_route mail_route_of(const struct mail_host *host, const char *value)
{
	const struct postfix_service *service;
	const char *next_hop = strchr(value, ':');

	if (value[0] == ':' || value[0] == '\0')
		value = postfix_view_get(&host->postfix, "default_transport");
	service = mail_route_service(host, value);
	next_hop = strchr(value, ':') != NULL ? strchr(value, ':') + 1 : "";
	if (service == NULL)
		return MAIL_ROUTE_UNKNOWN;
	if (service == host->entry.service && host->entry.is_pipe)
		return MAIL_ROUTE_POSTERN;
	if (strcmp(service->program, "smtp") == 0)
		return next_hop[0] == '[' ? MAIL_ROUTE_HOST : MAIL_ROUTE_DIRECT;
	if (strcmp(service->program, "lmtp") == 0 && is_our_socket(host, next_hop))
		return MAIL_ROUTE_POSTERN;
	return MAIL_ROUTE_LOCAL;
}

/* ---- tables ---- */

/* Key and value of each line, which is cut up. */
static void tell_rows(char *text, const char *map, mail_route_row_fn *row, void *context)
{
	char *line, *save = NULL, *value;

	for (line = strtok_r(text, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
		value = line + strcspn(line, " \t");
		if (*value != '\0')
			*value++ = '\0';
		row(context, map, line, value + strspn(value, " \t"));
	}
}

/* 0; -1: this kind of map cannot be listed. */
static int list_map(const char *map, mail_route_row_fn *row, void *context)
{
	const char *const arguments[] = { "postmap", "-s", map, NULL };
	struct program_output output;
	char error[300];
	int result = -1;

	if (program_run(&output, arguments, NULL, PROGRAM_STDERR_DROPPED, TIME_LIMIT_MS, error, sizeof(error)) < 0)
		return -1;
	if (output.exit_code == 0) {
		tell_rows(output.text, map, row, context);
		result = 0;
	}
	program_output_wipe(&output);
	return result;
}

static int probe_map(const char *map, const char *probe, mail_route_row_fn *row, void *context)
{
	const char *const arguments[] = { "postmap", "-q", probe, map, NULL };
	struct program_output output;
	char error[300];
	int result = 0;

	if (program_run(&output, arguments, NULL, PROGRAM_STDERR_TOO, TIME_LIMIT_MS, error, sizeof(error)) < 0)
		return -1;
	output.text[strcspn(output.text, "\n")] = '\0';
	if (output.exit_code == 0)
		row(context, map, probe, output.text);
	else if (output.text[0] != '\0') /* not found says nothing */
		result = -1;
	program_output_wipe(&output);
	return result;
}

size_t mail_route_each_row(const struct mail_host *host, const char *maps, const char *probe,
			   mail_route_row_fn *row, void *context)
{
	char map[1000], named[1200];
	size_t failures = 0;

	while (postfix_view_next_word(&maps, "", map, sizeof(map))) {
		/* A path alone is of the default type. */
		snprintf(named, sizeof(named), "%s%s%s", map[0] == '/' ? postfix_view_get(&host->postfix, "default_database_type") : "",
			 map[0] == '/' ? ":" : "", map);
		if (list_map(named, row, context) < 0 && probe_map(named, probe, row, context) < 0)
			failures++;
	}
	return failures;
}
