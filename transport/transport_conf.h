/*
 * postern.conf: what the transport can be told. Every row of the table is in postern.conf(5), and
 * nothing else is.
 */
#ifndef TRANSPORT_CONF_H
#define TRANSPORT_CONF_H

#include <stddef.h>
#include <stdint.h>

#include "lib/conf.h"

#define TRANSPORT_CONF_PATH POSTERN_SYSCONFDIR "/postern.conf"

struct transport_conf {
	char *hostname; /* our name in the greeting and in reports; never NULL after reading */
	char *key_file;
	char *edges;		    /* path of the table */
	char *routes;		    /* path of the table; the file may be missing */
	char *edge_state;	    /* path of the file; NULL (not in a file): none is kept */
	int64_t affinity_hold;	    /* ms */
	char *sendmail;		    /* program that takes "relayed" reports */
	int64_t connect_timeout;    /* ms: TCP connection and handshake */
	int64_t idle_timeout;	    /* ms without a command */
	int64_t message_size_limit; /* bytes, 0 = whatever the edge takes */
	int stray_cr_lf;	    /* enum stray_cr_lf */
	int log_target;		    /* enum transport_log_target */
	int log_level;		    /* enum log_level */
};

enum transport_log_target { TRANSPORT_LOG_SYSLOG, TRANSPORT_LOG_STDERR };

extern const struct conf_setting transport_conf_settings[];

/*
 * Fills *conf from `path`. 0, or -1 with "PATH:LINE: what; what to do" in error. Wipe in both cases
 * with transport_conf_wipe().
 */
int transport_conf_read(struct transport_conf *conf, const char *path, char *error,
			size_t error_size);
/* The smaller of message_size_limit and the edge's limit; 0 = none. */
uint64_t transport_conf_size_max(const struct transport_conf *conf, uint64_t edge_size_max);
void transport_conf_wipe(struct transport_conf *conf);

#endif
