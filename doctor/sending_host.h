/*
 * The sending domains of this mail host, looked at: which they are, from which addresses their mail
 * leaves, which keys sign it.
 */
#ifndef SENDING_HOST_H
#define SENDING_HOST_H

#include <stdbool.h>
#include <stddef.h>

#include "finding.h"

/* Of more the list says that it is incomplete. */
#define SENDING_DOMAINS_MAX 500

/*
 * edges: what the edges found when they looked at themselves, each subject behind the edge's name:
 * from edge-source and edge-hello come the addresses. domains: what to look at; count 0: those that
 * Postfix and the signers know. "FROM=ENVELOPE" for a domain whose envelope senders are in another
 * one. Asks the resolver of this host, in half a minute if it is dead.
 */
void sending_host_check(struct finding_list *list, const struct finding_list *edges,
			char *const *domains, size_t count);

/* May it stand in `domains'? A-labels, with a dot between. */
bool sending_host_is_domain(const char *text);

#endif
