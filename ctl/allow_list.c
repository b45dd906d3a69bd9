/* A list in a socketmap belongs to the database behind its server, and is changed with that one's tools. */
#include "allow_list.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "command.h"
#include "lib/conf.h"
#include "lib/socketmap.h"
#include "tunnel/base64_key.h"

#define EDGE_CONF POSTERN_SYSCONFDIR "/edge.conf"

int allow_list_check(const char *file)
{
	char *where = NULL, error[512];
	int result = EX_OK;

	if (socketmap_spec(file) != NULL)
		return command_fail(EX_USAGE, "%s is no file: add, remove and list keys in the database behind that "
				    "socketmap", file);
	if (strcmp(file, ALLOW_LIST_FILE) != 0 ||
	    conf_look_up(EDGE_CONF, "authorized_clients", &where, error, sizeof(error)) != 0)
		return EX_OK;
	if (where != NULL && socketmap_spec(where) != NULL)
		result = command_fail(EX_CONFIG, EDGE_CONF ": the allow-list of this edge is in %s; add, remove and "
				      "list keys in the database behind it (--file edits a file all the same)", where);
	free(where);
	return result;
}

char *allow_list_enrolled(const char *file, const char *option)
{
	char *where = NULL, error[512];

	if (option != NULL)
		return strdup(option);
	if (strcmp(file, ALLOW_LIST_FILE) != 0)
		return NULL;
	if (conf_look_up(EDGE_CONF, "enrolled_clients", &where, error, sizeof(error)) != 0 || where == NULL)
		where = strdup(ENROLLED_KEYS_FILE);
	return where;
}

bool allow_list_line_has_key(const struct table_line *line, const char *key, const struct enrolled_keys *enrolled)
{
	const struct enrolled_key *found = NULL;
	uint8_t invite_key[32];
	char text[BASE64_KEY_TEXT + 1];

	if (strcmp(line->key, key) == 0)
		return true;
	if (base64_key_decode(invite_key, line->key, strlen(line->key)) == 0)
		found = enrolled_keys_find(enrolled, invite_key);
	if (found == NULL)
		return false;
	base64_key_encode(text, found->client_key);
	return strcmp(text, key) == 0;
}

bool allow_list_line_is_of(const struct table_line *line, const char *name)
{
	size_t length = strcspn(line->value, " \t\r\v\f");

	return length == strlen(name) && strncmp(line->value, name, length) == 0;
}
