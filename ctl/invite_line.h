/* The line of an invite in the edge's allow-list. */
#ifndef INVITE_LINE_H
#define INVITE_LINE_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#include "tunnel/authorized_clients.h"

struct invite_line {
	const char *path, *enrolled;
	uint8_t invite_key[32];
	char name[CLIENT_NAME_MAX + 1];
	int64_t expires;
	char *const *options;		/* for the client */
	int option_count;
	/* What invite_line_take_back() needs. */
	char *before, *after;		/* heap; the text; before is NULL if there was no file */
	size_t before_length, after_length;
};

/*
 * Puts the line into the list, in the place of older invites of this name that nobody used; invites of other
 * names that have expired go, too. A name that is a client's is refused; "" takes the first of
 * mailhost, mailhost2, ... that is free, and fills it in. The changed list is read as the edge will read it
 * before it counts. An exit code, and has said why.
 */
int invite_line_put(struct invite_line *line);
/* The list as it was; if somebody has edited it meanwhile, without the line. 0, or -1, and said why. */
int invite_line_take_back(struct invite_line *line);
void invite_line_wipe(struct invite_line *line);

#endif
