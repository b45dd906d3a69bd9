/*
 * The table `senders`, from a file, a cdb or a socketmap server: who may use which addresses.
 *
 * One who is looked up, in this order; the first kind that applies decides alone:
 *
 *	login		NAME, then @DOMAIN if it is an address, then "login:*"
 *	certificate	its fingerprint, then that of its public key, if one of them has a line
 *	local		"local"
 *	client		its address: the longest network with a line
 *
 * A login that reads like a key of another kind ("local", an address, a fingerprint) has the key
 * "login:NAME". Keys are compared in lower case.
 */
#ifndef SENDERS_H
#define SENDERS_H

#include <stddef.h>

#include "client.h"
#include "sender_list.h"

struct senders;

enum senders_result {
	SENDERS_FOUND,
	SENDERS_NONE,		/* no line: a stranger, or a login that has no rights */
	SENDERS_BAD_LINE,	/* there is a line, but it has a mistake: tempfail this one, not the others */
	SENDERS_TROUBLE		/* the table cannot be asked now */
};

struct senders_entry {
	struct sender_list *list;	/* release it; NULL unless found */
	char who[300];			/* "login:alice", "cert:AB:CD...", "local", "client:192.0.2.0/24"; also when NONE */
	char where[300];		/* "/etc/postern/senders:12", "socketmap:...: alice" */
};

/*
 * spec: "/path" (postmap-style text, read again when it changes), "cdb:/path" (opened again when it
 * changes), "socketmap:unix:/path:name" or "socketmap:inet:host:port:name". NULL with error if it
 * cannot be read at all. Lines with mistakes are no such error: see senders_log_mistakes().
 */
struct senders *senders_create(const char *spec, const char *delimiter, char *error, size_t error_size);
void senders_destroy(struct senders *senders);

/* Thread-safe. `error` is filled in for BAD_LINE and TROUBLE. entry->who is always set. */
enum senders_result senders_find(struct senders *senders, const struct client *client, struct senders_entry *entry,
				 char *error, size_t error_size);

/* Calls `tell` for every mistake of a text table; returns their number. Others have none to tell. */
typedef void senders_tell_fn(void *context, const char *mistake);
size_t senders_check(const struct senders *senders, senders_tell_fn *tell, void *context);
/* The same to the log, as far as they do not fill it; what is read again later is logged by itself. */
void senders_log_mistakes(const struct senders *senders);
size_t senders_count(const struct senders *senders);	/* lines; 0 if unknown */

#endif
