/*
 * A key takes the place of an invite (tunnel/invite.h): the one thing that the keeper writes. The
 * file is open before the process is confined, and only ever appended to; see
 * tunnel/enrolled_keys.h.
 */
#ifndef ENROLMENT_H
#define ENROLMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client_list.h"

enum enrolment_result {
	ENROLMENT_REFUSED,	/* this key cannot be, or nothing could be written */
	ENROLMENT_DONE,		/* now, or at an earlier time, with the same key */
	ENROLMENT_USED,		/* by another key */
	ENROLMENT_EXPIRED,
};

struct enrolment {
	int fd;			/* -1: there is none, and `error` says why */
	const char *path;
	int error;		/* an errno */
};

/*
 * An edge without the file is one that invites nobody, so this does not fail. path: NULL for none.
 * is_trial: makes no file. enrolment_close() in any case.
 */
void enrolment_open(struct enrolment *enrolment, const char *path, bool is_trial);
void enrolment_close(struct enrolment *enrolment);

/*
 * When it returns ENROLMENT_DONE the line is on the disk and the key may deliver. `clients` is the
 * list that has the invite, NULL: none. client_key: NULL for one that is no client's to use. `reason`
 * is a sentence for whoever holds the invite, also when it is done.
 */
enum enrolment_result enrolment_add(struct enrolment *enrolment, struct client_list *clients,
				    const uint8_t invite_key[32], const uint8_t *client_key, char *reason,
				    size_t reason_size);

#endif
