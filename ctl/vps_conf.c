/*
 * What `postern invite' must know of edge.conf; whether the rest of it is good postern-edge --check says
 * (vps_check.c). The file is made once, and never edited.
 */
#include "vps.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "allow_list.h"
#include "command.h"
#include "lib/conf.h"
#include "lib/durable_file.h"
#include "lib/socketmap.h"
#include "tunnel/tunnel_limits.h"

#define ERROR_MAX 4608

/* A setting, or its default. -1: said why not. */
static int take(const struct vps *vps, const char *name, const char *otherwise, char *out,
		size_t size)
{
	char *value = NULL, error[ERROR_MAX];
	const char *found = otherwise;
	int length;

	if (vps->has_conf && conf_look_up(VPS_CONF, name, &value, error, sizeof(error)) != 0) {
		command_fail(0, "configuration: %s", error);
		return -1;
	}
	if (value != NULL)
		found = value;
	length = snprintf(out, size, "%s", found);
	free(value);
	if (length < (int)size)
		return 0;
	command_fail(0, "configuration: " VPS_CONF ": %s is too long", name);
	return -1;
}

/* Where it can be reached from this machine itself. */
static int take_listen(struct vps *vps)
{
	char text[ENDPOINT_TEXT_MAX], error[ERROR_MAX];

	if (take(vps, "listen", ":" TUNNEL_DEFAULT_PORT, text, sizeof(text)) < 0)
		return -1;
	if (endpoint_parse(&vps->listen, text, TUNNEL_DEFAULT_PORT, error, sizeof(error)) < 0 ||
	    vps->listen.is_unix) {
		command_fail(
			0, "configuration: " VPS_CONF ": listen: \"%s\" is no address to listen on",
			text);
		return -1;
	}
	if (vps->listen.host[0] == '\0' || strcmp(vps->listen.host, "0.0.0.0") == 0)
		strcpy(vps->listen.host, "127.0.0.1");
	else if (strcmp(vps->listen.host, "::") == 0)
		strcpy(vps->listen.host, "::1");
	return 0;
}

int vps_conf_read(struct vps *vps)
{
	vps->has_conf = access(VPS_CONF, F_OK) == 0 || errno != ENOENT;
	if (take(vps, "user", "_postern-edge", vps->user, sizeof(vps->user)) < 0 ||
	    take(vps, "key_file", "/var/lib/postern/edge.key", vps->key_file,
		 sizeof(vps->key_file)) < 0 ||
	    take(vps, "authorized_clients", ALLOW_LIST_FILE, vps->list, sizeof(vps->list)) < 0 ||
	    take(vps, "enrolled_clients", ENROLLED_KEYS_FILE, vps->enrolled,
		 sizeof(vps->enrolled)) < 0 ||
	    take(vps, "state_directory", "/var/lib/postern/edge", vps->state, sizeof(vps->state)) <
		    0 ||
	    take(vps, "ehlo_name", "", vps->ehlo_name, sizeof(vps->ehlo_name)) < 0 ||
	    take_listen(vps) < 0)
		return EX_CONFIG;
	if (socketmap_spec(vps->list) != NULL)
		return command_fail(EX_CONFIG,
				    "configuration: the allow-list of this edge is in %s, where an "
				    "invite has no "
				    "effect; add the mail host's own key in the database behind it "
				    "(postern pubkey, on the "
				    "mail host)",
				    vps->list);
	return EX_OK;
}

static int make_directory(struct vps *vps)
{
	if (mkdir(POSTERN_SYSCONFDIR, 0755) == 0)
		undo_note_made(&vps->undo, POSTERN_SYSCONFDIR);
	else if (errno != EEXIST)
		return command_fail(EX_CANTCREAT,
				    "files: " POSTERN_SYSCONFDIR ": %m; is /etc read-only?");
	return EX_OK;
}

int vps_conf_make(struct vps *vps, const char *ehlo_name, uint16_t port)
{
	char text[600];
	int fd, length, result = make_directory(vps);

	if (result != EX_OK)
		return result;
	length = snprintf(
		text, sizeof(text),
		"# Made by `postern invite'. Every other setting has its default; see "
		"postern-edge.conf(5).\n"
		"# The name in the PTR records of this host's addresses:\nehlo_name = \"%s\";\n",
		ehlo_name);
	if (port != atoi(TUNNEL_DEFAULT_PORT))
		length += snprintf(text + length, sizeof(text) - (size_t)length,
				   "listen = [ \":%u\" ];\n", port);
	fd = open(VPS_CONF, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return command_fail(EX_CANTCREAT, "files: " VPS_CONF ": %m; is /etc read-only?");
	undo_note_made(&vps->undo, VPS_CONF);
	if (fchmod(fd, 0644) != 0 || durable_file_write(fd, text, (size_t)length) != 0)
		result = command_fail(EX_IOERR, "files: " VPS_CONF ": %m");
	close(fd);
	vps->needs_restart = true;
	return result;
}
