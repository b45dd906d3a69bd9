/* The inside of struct destination_table, for destination*.c alone. All of it is protected by the table's lock. */
#ifndef DESTINATION_STATE_H
#define DESTINATION_STATE_H

/* Memory that is not there is an outcome like others; uthash would exit. */
#define HASH_NONFATAL_OOM 1

#include <uthash.h>
#include <utlist.h>

#include "destination.h"
#include "destination_service.h"
#include "lib/smtp_limits.h"

struct destination {
	char domain[SMTP_DOMAIN_MAX + 1];	/* lower case; the key */
	size_t limit;			/* of the last request: a reload may change it */
	struct destination_service service;
	struct destination_pace pace;
	char words[DESTINATION_WORDS_MAX];	/* why it was closed */
	bool is_probed;			/* closed no longer, but one is still finding out */
	struct destination_waiter *line;	/* first come first */
	size_t waiting;
	uint64_t last_number;
	struct destination_presence *presences;
	struct destination *older, *newer;	/* of those remembered */
	bool is_remembered;
	UT_hash_handle hh;
};

#define DESTINATION_CLIENT_NAME_BYTES 128

/* A mail host with something inside or in line, or that had so lately. */
struct destination_client {
	char name[DESTINATION_CLIENT_NAME_BYTES];	/* the key */
	size_t slots;			/* of the last request */
	size_t busy;			/* active and in line, everywhere */
	/* The two at which it last had nothing any more, the latest first. */
	struct destination_left {
		char domain[SMTP_DOMAIN_MAX + 1];
		int64_t at_ms;		/* 0: there is none */
	} left[2];
	struct destination_presence *presences;
	UT_hash_handle hh;
};

/* What one client has at one destination. */
struct destination_presence {
	struct destination_presence *prev, *next;	/* of the client */
	struct destination_presence *other, *another;	/* of the destination */
	struct destination_client *client;
	struct destination *destination;
	size_t active, waiting;
};

#endif
