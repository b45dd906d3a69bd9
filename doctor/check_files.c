/*
 * host-files: the transport's tables, key and state, as its user sees them, and who else could read
 * or write them.
 */
#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file_owner.h"
#include "mail_host.h"
#include "user_access.h"

#define FILES_MAX 8

struct file_wish {
	const char *path;
	const char *noun;
	int mode;		/* what the daemon's user must be able to do */
	bool is_secret;		/* nobody else may read it */
	bool may_be_absent;
};

static const char *verb(int mode)
{
	if ((mode & W_OK) != 0)
		return "write";
	return (mode & X_OK) != 0 ? "use" : "read";
}

static const char *octal(const struct stat *status, char text[8])
{
	snprintf(text, 8, "%04o", (unsigned)(status->st_mode & 07777));
	return text;
}

/* What the daemon's user cannot do. */
static void tell_denied(struct mail_host *host, const struct file_wish *wish, const struct user_access *access)
{
	const char *user = host->entry.user;
	struct finding *finding = finding_add(host->list, "host-files", wish->path, FINDING_FAIL,
					      "user %s cannot %s the %s: %s: %s", user, verb(wish->mode), wish->noun,
					      access->where, strerror(access->error));

	if (access->error == ENOENT)
		finding_mend(finding, "%s does not exist: see postern(7) for the first steps", access->where);
	else if (strcmp(access->where, wish->path) != 0)
		finding_mend(finding, "chmod a+x %s, or chown %s %s", access->where, user, access->where);
	else if (wish->is_secret || (wish->mode & W_OK) != 0)
		finding_mend(finding, "chown %s: %s", user, wish->path);
	else
		finding_mend(finding, "chmod a+r %s", wish->path);
}

/* Who can do too much. False: all is well. */
static bool tell_open(struct mail_host *host, const struct file_wish *wish)
{
	char mode[8], where[PATH_MAX];
	struct stat status;

	if (stat(wish->path, &status) != 0)
		return false;
	if (wish->is_secret && (status.st_mode & 077) != 0)
		finding_mend(finding_add(host->list, "host-files", wish->path, FINDING_FAIL,
					 "mode %s lets others read the %s", octal(&status, mode), wish->noun),
			     "chmod 600 %s", wish->path);
	else if (file_owner_stranger(wish->path, host->entry.user, where, sizeof(where)) != NULL)
		finding_mend(finding_add(host->list, "host-files", wish->path, FINDING_FAIL,
					 "others can change the %s, by way of %s", wish->noun, where),
			     "ls -ld %s\nchown root %s, or chmod go-w %s", where, where, where);
	else
		return false;
	return true;
}

static void tell(struct mail_host *host, const struct file_wish *wish, const struct user_access *access)
{
	if (wish->may_be_absent && access->error == ENOENT && strcmp(access->where, wish->path) == 0)
		return;
	if (access->error != 0)
		tell_denied(host, wish, access);
	else if (!tell_open(host, wish))
		finding_add(host->list, "host-files", wish->path, FINDING_OK, "user %s can %s the %s", host->entry.user,
			    verb(wish->mode), wish->noun);
}

void check_files(struct mail_host *host)
{
	char state_directory[PATH_MAX], key_directory[PATH_MAX], error[300];
	struct user_access access[FILES_MAX] = { { .path = NULL } };
	const struct transport_conf *conf = &host->conf;
	size_t count = 0;

	if (!host->has_conf)
		return; /* host-config says why */
	snprintf(key_directory, sizeof(key_directory), "%s", conf->key_file);
	snprintf(state_directory, sizeof(state_directory), "%s", conf->edge_state);
	const struct file_wish wishes[] = {
		{ host->conf_path, "configuration", R_OK, false, false },
		{ conf->edges, "table of edges", R_OK, false, false },
		{ conf->routes, "table of routes", R_OK, false, true },
		{ dirname(key_directory), "directory of the key", X_OK, false, false },
		{ conf->key_file, "key", R_OK, true, false },
		{ dirname(state_directory), "directory of the state", W_OK | X_OK, false, false },
		{ conf->edge_state, "state", R_OK | W_OK, false, true },
	};

	for (; count < sizeof(wishes) / sizeof(wishes[0]); count++) {
		access[count].path = wishes[count].path;
		access[count].mode = wishes[count].mode;
	}
	if (user_access_ask(host->entry.user, access, count, error, sizeof(error)) < 0)
		finding_add(host->list, "host-files", host->conf_path, FINDING_UNKNOWN, "%s", error);
	else
		for (size_t i = 0; i < count; i++)
			tell(host, &wishes[i], &access[i]);
}
