/*
 * How Postfix starts the transport: the entry of master.cf whose program is postern-transport, by
 * spawn(8) (LMTP) or pipe(8).
 */
#ifndef TRANSPORT_ENTRY_H
#define TRANSPORT_ENTRY_H

#include <limits.h>
#include <stdbool.h>

#include "postfix_view.h"

#define TRANSPORT_ENTRY_USER "_postern"		/* where no entry says another one */
#define TRANSPORT_ENTRY_PROGRAM POSTERN_LIBEXECDIR "/postern-transport"

struct transport_entry {
	const struct postfix_service *service;	/* the view's; NULL: there is no entry */
	bool is_pipe;
	char user[64];		/* user=, without a group */
	char program[PATH_MAX];
	char conf_path[PATH_MAX];	/* -c FILE; "" = its default */
};

/* The first entry; fills the defaults in where there is none. */
void transport_entry_find(struct transport_entry *entry, const struct postfix_view *view);

#endif
