/*
 * Pure: is the header section sound, and what is to be added or taken away? RFC 5322 2.1.1, 2.2,
 * 3.6; RFC 8601 5 (Authentication-Results); RFC 6532.
 */
#ifndef HEADER_POLICY_H
#define HEADER_POLICY_H

#include <time.h>

#include "finding.h"
#include "message.h"
#include "milter_conf.h"

/* What cannot be known from the message. */
struct header_policy_facts {
	time_t now;
	const char *unique;		/* for a new Message-ID: letters, digits, dots; never the same twice */
	const char *from_domain;	/* A-labels; for a new Message-ID; "" if unknown */
};

void header_policy_check(struct findings *findings, const struct milter_conf *conf, const struct message *message,
			 const struct header_policy_facts *facts);

#endif
