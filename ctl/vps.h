/*
 * The machine of an edge, as `postern invite' finds it and sets it up. The parts are vps_*.c; each returns
 * an exit code and has said what was wrong, with its layer in front ("service: ..."). What they change
 * stands in `undo`.
 */
#ifndef VPS_H
#define VPS_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/endpoint.h"
#include "tunnel/invite.h"
#include "undo.h"

#define VPS_CONF POSTERN_SYSCONFDIR "/edge.conf"
#define VPS_UNIT "postern-edge"

/* Beside those of sysexits(3): the table is in postern-join(1), and those of join are others or mean the same. */
enum vps_exit {
	VPS_EXIT_UNFIT = 84,		/* an edge on this machine would deliver no mail */
	VPS_EXIT_NAME_IS_TAKEN = 88,	/* there is a client of this name */
};

struct vps {
	/* of edge.conf, or as an edge without one has it */
	bool has_conf;
	char user[64], key_file[PATH_MAX], list[PATH_MAX], enrolled[PATH_MAX], state[PATH_MAX];
	char ehlo_name[INVITE_HOST_MAX + 1];	/* "": not there */
	struct endpoint listen;			/* the first of them */
	/* as it is set up */
	uid_t uid;
	gid_t gid;
	uint8_t public_key[NOISE_DHLEN];
	bool needs_restart;		/* an edge that runs must be started anew to see it */
	bool is_quiet;
	struct undo undo;
};

/* vps_conf.c: reads edge.conf, if there is one; a list in a socketmap is refused. */
int vps_conf_read(struct vps *vps);
/* Makes one with this name and port; to be called if there is none. */
int vps_conf_make(struct vps *vps, const char *ehlo_name, uint16_t port);

/*
 * vps_name.c: the name or address by which mail hosts find this machine: `wanted`, that in edge.conf, that of
 * the PTR record of the address that it sends from, or its own full host name. It must lead somewhere.
 */
int vps_name_find(const struct vps *vps, const char *wanted, char name_out[INVITE_HOST_MAX + 1]);
/* The name for EHLO, of those above that are no addresses. */
int vps_name_find_hello(const char *name, char hello_out[INVITE_HOST_MAX + 1]);

/* vps_files.c: user, directory, key, and the file of enrolled keys; those that are missing are made. */
int vps_files_make(struct vps *vps);

/*
 * vps_check.c: postern-edge --check-host. What is not as it should be is printed with what mends it; what would keep all mail
 * here is refused unless is_anyway. domain: whose mail servers port 25 is tried with; NULL: large ones.
 */
int vps_check_run(const struct vps *vps, const char *domain, bool is_anyway);

/* vps_service.c: enables and starts the service. Without systemd: does nothing, and *is_left_out is true. */
int vps_service_start(struct vps *vps, bool *is_left_out);
/* Does the edge at its port answer with its key, and know the invite? Waits for it. */
int vps_service_ask(const struct vps *vps, const uint8_t secret[INVITE_SECRET_SIZE], int64_t patience_ms);

/* vps_firewall.c: what opens the port, for each firewall that is there. */
void vps_firewall_print(uint16_t port);

#endif
