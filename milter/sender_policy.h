/*
 * Pure: may whoever hands this in use these addresses? What it says depends on its arguments alone.
 */
#ifndef SENDER_POLICY_H
#define SENDER_POLICY_H

#include "finding.h"
#include "message.h"
#include "milter_conf.h"
#include "senders.h"

/* The envelope sender alone; asked before the content is taken. */
void sender_policy_envelope(struct findings *findings, const struct milter_conf *conf,
			    const struct senders_entry *entry, const struct sender_address *self,
			    const struct message *message);
/*
 * `entry` is one that was found. A header section that is too large has no finding here: rule
 * header_size (header_policy.h) refuses it.
 *
 * From, Sender, Resent-From, Resent-Sender, Reply-To, display names, and the null reverse-path by
 * its classes (RFC 3464 reports, RFC 3834 auto-replies, RFC 8098 notifications).
 */
void sender_policy_fields(struct findings *findings, const struct milter_conf *conf, const struct senders_entry *entry,
			  const struct sender_address *self, const struct message *message);

#endif
