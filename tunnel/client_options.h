/*
 * The options of a line of the allow-list but psk=, which is a secret of its own:
 *
 *	option  = "disabled" / "domains=" domains / "rate=" rate / "bounces=" rate /
 *		  "concurrency=" number / "size=" size / "recipients=" number /
 *		  "source4=" IPv4 / "source6=" IPv6 / "hello=" host-name /
 *		  "invite=" moment		; lib/utc_time.h
 *	domains = domain *( "," domain )	; of envelope senders; ".domain": those below it
 *	rate    = number "/" duration		; lib/token_bucket.h
 *
 * Zero and NULL mean that an option is not there: no limit of the client's own.
 */
#ifndef CLIENT_OPTIONS_H
#define CLIENT_OPTIONS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/token_bucket.h"

struct client_options {
	bool is_disabled;
	int64_t invite_expires;		/* seconds since 1970; the key is an invite's (authorized_clients.h) */
	char *domains;			/* heap: ",a.example,.b.example,", lower case */
	struct token_rate rate;		/* transactions */
	struct token_rate bounces;	/* transactions with the null reverse-path */
	int64_t concurrency;		/* transactions at once */
	int64_t size;			/* bytes of a message */
	int64_t recipients;		/* of a message */
	struct in_addr source4;
	struct in6_addr source6;
	char *hello;			/* heap */
};

/*
 * One word of a line. 0, or -1 with what is wrong in reason; the options are to be wiped in any
 * case.
 */
int client_options_parse(struct client_options *options, const char *word, char *reason,
			 size_t reason_size);
/* "rate=", with the equals sign. */
bool client_options_is_known(const char *name);
void client_options_wipe(struct client_options *options);
/* Two lines of one name share what is counted, so they must ask the same; `disabled` and invite= aside. */
bool client_options_are_same(const struct client_options *one, const struct client_options *other);
/* Does domains= let mail of this sender domain pass? Without regard to case; without it everybody's. */
bool client_options_allow_sender(const struct client_options *options, const char *domain);

#endif
