/*
 * Gives up root for good.
 *
 * Groups first (afterwards we may no longer), then group, then user; real, effective and saved ids
 * together, so that none is left to go back to. Then it tries to go back: a system where that works
 * is one to stop on. no_new_privs (prctl(2)) makes set-uid programs useless to whoever takes over.
 */
#include "privdrop.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define PASSWD_TEXT_MAX 16384

static int fail(char *error, size_t error_size, const char *what, const char *user)
{
	snprintf(error, error_size, "cannot become user \"%s\": %s: %s", user, what,
		 strerror(errno));
	return -1;
}

static int find_user(const char *user, uid_t *uid_out, gid_t *gid_out, char *error,
		     size_t error_size)
{
	char text[PASSWD_TEXT_MAX];
	struct passwd entry, *found = NULL;
	int result = getpwnam_r(user, &entry, text, sizeof(text), &found);

	if (found == NULL) {
		snprintf(error, error_size, "cannot become user \"%s\": %s", user,
			 result != 0 ? strerror(result) : "there is no such user");
		return -1;
	}
	if (entry.pw_uid == 0 || entry.pw_gid == 0) {
		snprintf(error, error_size,
			 "cannot become user \"%s\": its user or group id is 0 (root)", user);
		return -1;
	}
	*uid_out = entry.pw_uid;
	*gid_out = entry.pw_gid;
	return 0;
}

static int has_become(uid_t uid, gid_t gid)
{
	uid_t real_uid, effective_uid, saved_uid;
	gid_t real_gid, effective_gid, saved_gid;

	if (getresuid(&real_uid, &effective_uid, &saved_uid) != 0 ||
	    getresgid(&real_gid, &effective_gid, &saved_gid) != 0)
		return 0;
	return real_uid == uid && effective_uid == uid && saved_uid == uid && real_gid == gid &&
	       effective_gid == gid && saved_gid == gid;
}

static int can_go_back(void)
{
	return setuid(0) == 0 || seteuid(0) == 0 || setgid(0) == 0 || setegid(0) == 0 ||
	       setgroups(0, NULL) == 0;
}

static int become(const char *user, char *error, size_t error_size)
{
	uid_t uid;
	gid_t gid;

	if (find_user(user, &uid, &gid, error, error_size) != 0)
		return -1;
	if (initgroups(user, gid) != 0)
		return fail(error, error_size, "initgroups", user);
	if (setresgid(gid, gid, gid) != 0)
		return fail(error, error_size, "setresgid", user);
	if (setresuid(uid, uid, uid) != 0)
		return fail(error, error_size, "setresuid", user);
	if (has_become(uid, gid) && !can_go_back())
		return 0;
	snprintf(error, error_size, "cannot become user \"%s\": root could be regained", user);
	return -1;
}

int privdrop(const char *user, char *error, size_t error_size)
{
	if (getuid() == 0 || geteuid() == 0) {
		if (user == NULL || user[0] == '\0') {
			snprintf(error, error_size,
				 "started as root, but no user is set to become");
			return -1;
		}
		if (become(user, error, error_size) != 0)
			return -1;
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
		snprintf(error, error_size, "cannot set no_new_privs: %s", strerror(errno));
		return -1;
	}
	return 0;
}

/* With root's real id its groups, or those of a third user, may be there, too. -1: errno says why. */
static int settle_groups(uid_t uid, gid_t gid)
{
	char text[PASSWD_TEXT_MAX];
	struct passwd entry, *found = NULL;

	if (seteuid(0) != 0)
		return -1;
	if (getpwuid_r(uid, &entry, text, sizeof(text), &found) == 0 && found != NULL)
		return initgroups(found->pw_name, gid);
	return setgroups(1, &gid);
}

int privdrop_settle(char *error, size_t error_size)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();

	if (has_become(uid, gid))
		return 0;
	if ((uid != 0 && getuid() == 0 && settle_groups(uid, gid) != 0) ||
	    setresgid(gid, gid, gid) != 0 || setresuid(uid, uid, uid) != 0 ||
	    !has_become(uid, gid)) {
		snprintf(error, error_size, "cannot give up the user and group that are not in effect: %s",
			 strerror(errno));
		return -1;
	}
	return 0;
}
