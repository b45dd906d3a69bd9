/*
 * A socket that another process listens on is never taken away from it: that would be two milters,
 * one of them without mail.
 */
#include "sockets.h"

#include <errno.h>
#include <grp.h>
#include <libmilter/mfapi.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/endpoint.h"

/* How long to try whether somebody listens already. */
#define PROBE_MS 1000

struct owner {
	uid_t uid;
	gid_t gid;		/* of `user` */
	gid_t socket_gid;	/* of `socket_group` */
};

static int find_owner(struct owner *owner, const struct milter_conf *conf, char *error, size_t error_size)
{
	const struct passwd *user = getpwnam(conf->user);
	const struct group *group = getgrnam(conf->socket_group);

	if (user == NULL || group == NULL) {
		snprintf(error, error_size, "there is no %s \"%s\" (%s in milter.conf)", user == NULL ? "user" : "group",
			 user == NULL ? conf->user : conf->socket_group, user == NULL ? "user" : "socket_group");
		return -1;
	}
	*owner = (struct owner){ .uid = user->pw_uid, .gid = user->pw_gid, .socket_gid = group->gr_gid };
	return 0;
}

/* Only a missing directory is made; what the administrator made stays as it is. */
static int make_directory(const char *path, uid_t uid, gid_t gid, mode_t mode, char *error, size_t error_size)
{
	if (mkdir(path, mode) == 0) {
		if (chown(path, uid, gid) == 0 && chmod(path, mode) == 0)
			return 0;
	} else if (errno == EEXIST) {
		return 0;
	}
	snprintf(error, error_size, "cannot make the directory %s: %s", path, strerror(errno));
	return -1;
}

static int make_parent(const char *endpoint_text, uid_t uid, gid_t gid, mode_t mode, char *error, size_t error_size)
{
	char path[PATH_MAX], ignored[100];
	struct endpoint endpoint;
	char *slash;

	if (endpoint_text == NULL || endpoint_parse(&endpoint, endpoint_text, NULL, ignored, sizeof(ignored)) < 0 || !endpoint.is_unix)
		return 0;
	snprintf(path, sizeof(path), "%s", endpoint.host);
	slash = strrchr(path, '/');
	if (slash == path)
		return 0;
	*slash = '\0';
	return make_directory(path, uid, gid, mode, error, error_size);
}

static int make_directories(const struct milter_conf *conf, const struct owner *owner, char *error, size_t error_size)
{
	return make_parent(conf->listen, owner->uid, owner->socket_gid, 0750, error, error_size) < 0 ||
			       make_parent(conf->policy_listen, owner->uid, owner->socket_gid, 0750, error, error_size) < 0 ||
			       make_parent(conf->control_socket, owner->uid, owner->gid, 0755, error, error_size) < 0 ||
			       make_directory(conf->state_directory, owner->uid, owner->gid, 0700, error, error_size) < 0 ?
		       -1 :
		       0;
}

/* For Postfix: its group may connect. Only root can give a file away. */
static int hand_over(const struct endpoint *endpoint, const struct owner *owner, char *error, size_t error_size)
{
	if (!endpoint->is_unix)
		return 0;
	if ((owner == NULL || chown(endpoint->host, owner->uid, owner->socket_gid) == 0) && chmod(endpoint->host, 0660) == 0)
		return 0;
	snprintf(error, error_size, "%s: cannot set owner and mode: %s", endpoint->host, strerror(errno));
	return -1;
}

/* libmilter's spelling: "unix:/path", "inet:port@host". */
static void print_for_libmilter(const struct endpoint *endpoint, char *out, size_t size)
{
	if (endpoint->is_unix)
		snprintf(out, size, "unix:%s", endpoint->host);
	else
		snprintf(out, size, "inet%s:%s%s%s", strchr(endpoint->host, ':') != NULL ? "6" : "", endpoint->port,
			 endpoint->host[0] != '\0' ? "@" : "", endpoint->host);
}

static int open_milter(const char *text, const struct owner *owner, char *error, size_t error_size)
{
	char spelled[ENDPOINT_TEXT_MAX + 10], ignored[200];
	struct endpoint endpoint;
	int fd;

	if (endpoint_parse(&endpoint, text, NULL, error, error_size) < 0)
		return -1;
	fd = endpoint_connect(&endpoint, deadline_in_ms(PROBE_MS), ignored, sizeof(ignored));
	if (fd >= 0) {
		close(fd);
		snprintf(error, error_size, "%s: another process listens there already; stop it first", text);
		return -1;
	}
	print_for_libmilter(&endpoint, spelled, sizeof(spelled));
	if (smfi_setconn(spelled) != MI_SUCCESS || smfi_opensocket(true) != MI_SUCCESS) {
		snprintf(error, error_size, "cannot listen on %s: %s", text, strerror(errno));
		return -1;
	}
	return hand_over(&endpoint, owner, error, error_size);
}

static int open_policy(const char *text, const struct owner *owner, char *error, size_t error_size)
{
	struct endpoint endpoint;
	int fd;

	if (endpoint_parse(&endpoint, text, NULL, error, error_size) < 0 ||
	    endpoint_listen(&endpoint, &fd, 1, error, error_size) < 0)
		return -1;
	if (hand_over(&endpoint, owner, error, error_size) == 0)
		return fd;
	close(fd);
	return -1;
}

int sockets_open(const struct milter_conf *conf, int *policy_fd_out, char *error, size_t error_size)
{
	bool is_root = geteuid() == 0;
	struct owner owner;
	mode_t before;
	int result;

	*policy_fd_out = -1;
	if (is_root && (find_owner(&owner, conf, error, error_size) < 0 || make_directories(conf, &owner, error, error_size) < 0))
		return -1;
	/* Nobody may connect before owner and mode are set. */
	before = umask(0177);
	result = open_milter(conf->listen, is_root ? &owner : NULL, error, error_size);
	if (result == 0 && conf->policy_listen != NULL) {
		*policy_fd_out = open_policy(conf->policy_listen, is_root ? &owner : NULL, error, error_size);
		result = *policy_fd_out < 0 ? -1 : 0;
	}
	umask(before);
	return result;
}
