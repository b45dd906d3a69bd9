/*
 * What postern-edge needs on the disk. Each is made if it is missing; what is there is used as it is, and
 * what cannot be used as it is, is told. A user that was made stays, whatever comes later.
 */
#include "vps.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "command.h"
#include "doctor/program.h"
#include "tunnel/keyfile.h"

#define USER_MS 30000
#define ERROR_MAX 4608
#define SYSUSERS "/usr/lib/sysusers.d/postern-edge.conf"

/* ---- the user ---- */

static bool look_up(struct vps *vps)
{
	const struct passwd *entry = getpwnam(vps->user);

	if (entry == NULL)
		return false;
	vps->uid = entry->pw_uid;
	vps->gid = entry->pw_gid;
	return true;
}

static int run(const char *const *command)
{
	struct program_output output;
	char error[512];
	int result = EX_OK;

	if (program_run(&output, command, NULL, PROGRAM_STDERR_TOO, USER_MS, error, sizeof(error)) <
	    0)
		return command_fail(EX_OSFILE, "user: %s", error);
	if (output.exit_code != 0)
		result = command_fail(EX_CANTCREAT, "user: %s: %.*s", command[0],
				      (int)strcspn(output.text, "\n"), output.text);
	program_output_wipe(&output);
	return result;
}

static int make_user(struct vps *vps)
{
	const char *const by_package[] = { "systemd-sysusers", SYSUSERS, NULL };
	const char *const by_hand[] = { "useradd",      "--system",
					"--user-group", "--no-create-home",
					"--home-dir",   "/var/lib/postern",
					"--shell",      "/usr/sbin/nologin",
					vps->user,      NULL };
	int result = EX_OK;

	if (look_up(vps))
		return EX_OK;
	if (access(SYSUSERS, R_OK) == 0)
		result = run(by_package);
	if (result == EX_OK && !look_up(vps))
		result = run(by_hand);
	if (result == EX_OK && !look_up(vps))
		result = command_fail(EX_OSERR, "user: there is no user \"%s\", though it was made",
				      vps->user);
	return result;
}

/* ---- the directory of the key ---- */

static int take_directory(struct vps *vps, const char *directory, const struct stat *status)
{
	if (!S_ISDIR(status->st_mode))
		return command_fail(EX_CANTCREAT, "files: %s is no directory", directory);
	if (status->st_uid == vps->uid)
		return EX_OK;
	/* As the package makes it: root's, who lets some users make files of their own there. */
	if (status->st_uid == 0 && (status->st_mode & (S_ISVTX | S_IWOTH)) == S_ISVTX)
		return EX_OK;
	if (status->st_uid != 0)
		return command_fail(EX_CANTCREAT,
				    "files: %s belongs to another user (%u), and must belong to "
				    "%s; if another part of "
				    "postern runs here, give the edge's key_file and "
				    "enrolled_clients a directory of their own "
				    "in " VPS_CONF,
				    directory, (unsigned)status->st_uid, vps->user);
	if (chown(directory, vps->uid, vps->gid) != 0)
		return command_fail(EX_CANTCREAT, "files: %s: %m", directory);
	undo_note_owner(&vps->undo, directory, status->st_uid, status->st_gid);
	return EX_OK;
}

static int make_directory(struct vps *vps, const char *file)
{
	char room[PATH_MAX], *directory;
	struct stat status;

	snprintf(room, sizeof(room), "%s", file);
	directory = dirname(room);
	if (stat(directory, &status) == 0)
		return take_directory(vps, directory, &status);
	if (mkdir(directory, 0700) != 0)
		return command_fail(EX_CANTCREAT, "files: %s: %m", directory);
	undo_note_made(&vps->undo, directory);
	if (chown(directory, vps->uid, vps->gid) != 0)
		return command_fail(EX_CANTCREAT, "files: %s: %m", directory);
	return EX_OK;
}

/* ---- the files ---- */

/*
 * A file of root's: made just now, or by a run that was killed before it came to this. The directory
 * is the edge's: what root gives away there must not be a link to something else.
 */
static int give(const struct vps *vps, const char *path)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC), result = 0;
	struct stat status;

	/* Whoever reads it says why it cannot be read. */
	if (fd < 0)
		return EX_OK;
	if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_nlink == 1 && status.st_uid == 0)
		result = fchown(fd, vps->uid, vps->gid);
	if (result != 0)
		command_fail(0, "files: %s: %m", path);
	close(fd);
	return result == 0 ? EX_OK : EX_CANTCREAT;
}

static int make_key(struct vps *vps)
{
	struct noise_keypair keypair = { 0 };
	char error[ERROR_MAX];
	int result = EX_OK;

	if (access(vps->key_file, F_OK) != 0 && errno == ENOENT) {
		noise_keypair_generate(&keypair);
		if (keyfile_create(vps->key_file, keypair.secret_key, error, sizeof(error)) != 0)
			result = command_fail(EX_CANTCREAT, "key: %s", error);
		else
			undo_note_made(&vps->undo, vps->key_file);
	}
	if (result == EX_OK)
		result = give(vps, vps->key_file);
	if (result == EX_OK &&
	    keyfile_read_static(&keypair, vps->key_file, error, sizeof(error)) != 0)
		result = command_fail(EX_CONFIG, "key: %s", error);
	memcpy(vps->public_key, keypair.public_key, sizeof(vps->public_key));
	noise_keypair_wipe(&keypair);
	return result;
}

/* The unit lets the edge write to it only if it is there when it starts. */
static int make_enrolled(struct vps *vps)
{
	int fd = open(vps->enrolled, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0 && errno != EEXIST)
		return command_fail(EX_CANTCREAT, "files: %s: %m", vps->enrolled);
	if (fd >= 0) {
		undo_note_made(&vps->undo, vps->enrolled);
		close(fd);
		vps->needs_restart = true;
	}
	return give(vps, vps->enrolled);
}

int vps_files_make(struct vps *vps)
{
	int result = make_user(vps);

	if (result == EX_OK)
		result = make_directory(vps, vps->key_file);
	if (result == EX_OK)
		result = make_directory(vps, vps->enrolled);
	if (result == EX_OK)
		result = make_key(vps);
	if (result == EX_OK)
		result = make_enrolled(vps);
	return result;
}
