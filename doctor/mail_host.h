/*
 * The checks of a mail host: its files, configuration, Postfix. Each check_*.c has one noun; it gets
 * this, adds findings, changes nothing, and sends no mail.
 */
#ifndef MAIL_HOST_H
#define MAIL_HOST_H

#include <stdbool.h>
#include <stddef.h>

#include "finding.h"
#include "postfix_view.h"
#include "transport/transport_conf.h"
#include "transport_entry.h"

struct mail_host {
	struct finding_list *list;
	const char *conf_path;		/* postern.conf */
	const char *milter_conf_path;	/* milter.conf; it need not exist */
	struct transport_conf conf;
	bool has_conf;			/* it could be read */
	struct postfix_view postfix;	/* what postconf(1) says */
	struct transport_entry entry;	/* how it runs the transport */
};

/* Where the transport's configuration is: the file that master.cf names, or the default. Returns out. */
char *mail_host_find_conf(char *out, size_t size);
/*
 * Runs the checks that are selected, in a few seconds, at most half a minute if programs hang. Those that need to be root
 * are unknown without it.
 */
void mail_host_check(struct finding_list *list, const char *conf_path, const char *milter_conf_path);

/* ---- one of check_*.c each ---- */

void check_config(struct mail_host *host);
void check_files(struct mail_host *host);
void check_program(struct mail_host *host);
void check_postfix(struct mail_host *host);
void check_transport(struct mail_host *host);
void check_route(struct mail_host *host);
void check_bypass(struct mail_host *host);
void check_milter(struct mail_host *host);
void check_open_relay(struct mail_host *host);
void check_queue(struct mail_host *host);
void check_port25(struct mail_host *host);

#endif
