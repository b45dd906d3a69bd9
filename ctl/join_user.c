/*
 * useradd(8) and userdel(8) write /etc/passwd and its three companions, and keep a copy of what was
 * there before beside each. With a user made and removed the files are as they were; the copies are
 * put back here, unless somebody else changed users meanwhile. What userdel(8) will copy there is noted
 * before it runs, so that a leave that was killed behind it is carried on by the next one.
 */
#include "join_user.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "doctor/program.h"
#include "join_exit.h"
#include "lib/deadline.h"

#define TIME_LIMIT_MS 60000
#define PROCESSES_MS 15000
#define RETRY_MS 250
/* The exit status of userdel(8) for a user who has processes. */
#define USERDEL_BUSY 8

static const struct {
	const char *name, *path, *of;
} backups[] = {
	{ "passwd-", "/etc/passwd-", "/etc/passwd" },
	{ "group-", "/etc/group-", "/etc/group" },
	{ "shadow-", "/etc/shadow-", "/etc/shadow" },
	{ "gshadow-", "/etc/gshadow-", "/etc/gshadow" },
};

#define BACKUPS (sizeof(backups) / sizeof(backups[0]))

bool join_user_exists(void)
{
	return getpwnam(JOIN_USER) != NULL;
}

/* Who cannot be looked up now is not for that somebody who does not exist. */
static int find(bool *exists, char *error, size_t error_size)
{
	errno = 0;
	*exists = join_user_exists();
	if (*exists || (errno != EIO && errno != EMFILE && errno != ENFILE && errno != ENOMEM))
		return 0;
	snprintf(error, error_size, "whether there is a user " JOIN_USER " cannot be found out: %s", strerror(errno));
	return JOIN_SYSTEM;
}

static int run(const char *const *argv, char *error, size_t error_size)
{
	struct program_output output;
	int result;

	if (program_run(&output, argv, NULL, PROGRAM_STDERR_TOO, TIME_LIMIT_MS, error, error_size) != 0)
		return -1;
	result = output.exit_code;
	if (result != 0)
		snprintf(error, error_size, "%s fails: %.*s", argv[0],
			 (int)strcspn(output.text, "\n"), output.text);
	program_output_wipe(&output);
	return result;
}

/* Only what nobody could have put there for a file of somebody else's. */
static int give_file(int directory, const char *name, uid_t uid, gid_t gid)
{
	int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat status;
	int result;

	if (fd < 0)
		return errno == ELOOP || errno == ENXIO ? 0 : -1;
	result = fstat(fd, &status);
	if (result == 0 && S_ISREG(status.st_mode) && status.st_nlink == 1)
		result = fchown(fd, uid, gid);
	close(fd);
	return result;
}

/* On a machine that is an edge, too, that one's key lies beside it. */
static bool is_the_transports(const char *name)
{
	return strncmp(name, "transport.key", strlen("transport.key")) == 0 ||
	       strncmp(name, "edges.state", strlen("edges.state")) == 0;
}

/*
 * The directory may be root's, who lets some users make files of their own there, as the packages make
 * it: then it stays so.
 */
static int give_directory(int directory, uid_t uid, gid_t gid)
{
	struct stat status;

	if (fstat(directory, &status) != 0)
		return -1;
	if (status.st_uid == 0 && (status.st_mode & (S_ISVTX | S_IWOTH)) == S_ISVTX)
		return 0;
	return fchown(directory, uid, gid);
}

/* The directory, and what is the transport's in it. */
static int give(uid_t uid, gid_t gid, char *error, size_t error_size)
{
	DIR *directory = opendir(JOIN_USER_DIRECTORY);
	struct dirent *entry;
	int result;

	if (directory == NULL && errno == ENOENT)
		return 0;
	result = directory != NULL ? give_directory(dirfd(directory), uid, gid) : -1;
	while (result == 0 && (entry = readdir(directory)) != NULL)
		if (is_the_transports(entry->d_name))
			result = give_file(dirfd(directory), entry->d_name, uid, gid);
	if (result != 0)
		snprintf(error, error_size, "%s: its owner cannot be changed: %s", JOIN_USER_DIRECTORY,
			 strerror(errno));
	if (directory != NULL)
		closedir(directory);
	return result == 0 ? 0 : JOIN_SYSTEM;
}

static int give_to_user(char *error, size_t error_size)
{
	const struct passwd *user = getpwnam(JOIN_USER);

	if (user == NULL) {
		snprintf(error, error_size, "there is no user " JOIN_USER);
		return JOIN_SYSTEM;
	}
	return give(user->pw_uid, user->pw_gid, error, error_size);
}

/* What useradd will copy there is known: whoever is killed meanwhile has noted it. */
static int note(struct join_state *state, size_t i, char *error, size_t error_size)
{
	const struct kept_file *file = join_state_find_file(state, backups[i].name);

	if (file == NULL)
		file = join_state_add_file(state, backups[i].name, backups[i].path, error, error_size);
	return file != NULL ? kept_file_end(file, backups[i].of, state->directory, error, error_size) : -1;
}

static int make(struct join_state *state, char *error, size_t error_size)
{
	const char *const argv[] = { "useradd", "--system", "--user-group", "--no-create-home", "--home-dir",
				     JOIN_USER_DIRECTORY, "--shell", "/usr/sbin/nologin",
				     "--comment", "postern transport", JOIN_USER, NULL };
	int result;

	for (size_t i = 0; i < BACKUPS; i++)
		if (note(state, i, error, error_size) != 0)
			return JOIN_NOT_WRITABLE;
	state->made_user = true;
	result = join_state_save(state, error, error_size);
	if (result == 0 && run(argv, error, error_size) != 0)
		result = JOIN_SYSTEM;
	return result;
}

int join_user_make(struct join_state *state, char *error, size_t error_size)
{
	bool exists;
	int result = find(&exists, error, error_size);

	if (result == 0 && !exists)
		result = make(state, error, error_size);
	return result == 0 ? give_to_user(error, error_size) : result;
}

/* userdel(8) refuses while he has processes: transports end two seconds after their last message. */
static int delete(char *error, size_t error_size)
{
	const char *const argv[] = { "userdel", JOIN_USER, NULL };
	const struct timespec pause = { .tv_nsec = RETRY_MS * 1000000L };
	struct deadline deadline = deadline_in_ms(PROCESSES_MS);
	char why[JOIN_ERROR_MAX];
	bool exists;
	int result;

	while ((result = run(argv, error, error_size)) != 0 && join_user_exists() &&
	       !deadline_has_passed(deadline))
		nanosleep(&pause, NULL);
	if (result == 0)
		return 0;
	if (find(&exists, why, sizeof(why)) == 0 && !exists)
		return 0;
	if (result != USERDEL_BUSY)
		return JOIN_SYSTEM;
	snprintf(error, error_size, "the user " JOIN_USER " still has processes, which deliver mail; everything else is done");
	return JOIN_UNFINISHED;
}

/* The copy of what userdel(8) leaves in a backup; the text from before is that of the file in the list. */
static struct kept_file behind_userdel(size_t i)
{
	struct kept_file file;

	snprintf(file.name, sizeof(file.name), "%s.userdel", backups[i].name);
	snprintf(file.path, sizeof(file.path), "%s", backups[i].path);
	return file;
}

/* Nobody has changed users since? */
static int look_at_backups(const struct join_state *state, bool *are_ours, char *error, size_t error_size)
{
	enum kept_file_state look = KEPT_FILE_CHANGED;

	*are_ours = true;
	for (size_t i = 0; i < BACKUPS && *are_ours; i++) {
		const struct kept_file *file = join_state_find_file(state, backups[i].name);

		if (file != NULL && kept_file_look(file, state->directory, &look, error, error_size) != 0)
			return JOIN_NOT_WRITABLE;
		*are_ours = file != NULL && look != KEPT_FILE_CHANGED;
	}
	return 0;
}

static int note_backups(const struct join_state *state, char *error, size_t error_size)
{
	bool are_ours;
	int result = look_at_backups(state, &are_ours, error, error_size);

	for (size_t i = 0; i < BACKUPS && result == 0 && are_ours; i++) {
		struct kept_file file = behind_userdel(i);

		if (kept_file_end(&file, backups[i].of, state->directory, error, error_size) != 0)
			result = JOIN_NOT_WRITABLE;
	}
	return result;
}

/* Those that are as userdel(8) left them: one without a note, or that somebody has changed since, is not. */
static int put_backups_back(const struct join_state *state, char *error, size_t error_size)
{
	for (size_t i = 0; i < BACKUPS; i++) {
		const struct kept_file *file = join_state_find_file(state, backups[i].name), left = behind_userdel(i);
		enum kept_file_state now;

		if (file == NULL)
			continue;
		if (kept_file_look(&left, state->directory, &now, error, error_size) != 0 ||
		    (now == KEPT_FILE_AS_AFTER && kept_file_put_back(file, state->directory, error, error_size) != 0))
			return JOIN_NOT_WRITABLE;
	}
	return 0;
}

static int take_away(const struct join_state *state, char *error, size_t error_size)
{
	char ignored[JOIN_ERROR_MAX];
	int result = note_backups(state, error, error_size);

	if (result == 0)
		result = give(0, 0, error, error_size);
	if (result == 0)
		result = delete(error, error_size);
	if (result != 0)
		give_to_user(ignored, sizeof(ignored));
	return result;
}

int join_user_remove(struct join_state *state, char *error, size_t error_size)
{
	bool exists;
	int result;

	if (!state->made_user)
		return 0;
	result = find(&exists, error, error_size);
	if (result == 0 && exists)
		result = take_away(state, error, error_size);
	return result == 0 ? put_backups_back(state, error, error_size) : result;
}
