/*
 * The queue id out of the Received field that Postfix itself put on top of a message. XFORWARD
 * carries an id only for mail that came in by SMTP; mail from sendmail(1), bounces and forwarded
 * mail have it here.
 *
 *   Received: by HOST (Postfix, from userid 0) FWS id QID; DATE
 *   Received: by HOST (Postfix) FWS id QID; DATE
 *   Received: from ... by HOST (Postfix) with ESMTP id QID FWS for <...>; DATE
 *
 * It is only a name for logs (and, with the content's digest, for finding an earlier outcome
 * again), so a message without one, or with one that somebody else wrote, is still good mail: what
 * looks different from the above is no queue id.
 */
#ifndef RECEIVED_QUEUE_ID_H
#define RECEIVED_QUEUE_ID_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/envelope.h"

/*
 * How much of the content is looked at. Postfix's own field comes first, after at most a few that a
 * milter put above it.
 */
#define RECEIVED_LOOK_AHEAD 8192

enum received_result {
	RECEIVED_FOUND, /* queue_id is filled in */
	RECEIVED_NONE,	/* no such field, or the first Received is not Postfix's; queue_id is "" */
	RECEIVED_MORE,	/* cannot tell yet: the first Received field is not complete in these bytes
			 */
};

/*
 * `content` is the beginning of the content in wire form (CRLF). `is_all`: nothing more will come,
 * so RECEIVED_MORE is not returned. Pure.
 */
enum received_result received_queue_id_find(const char *content, size_t length, bool is_all,
					    char queue_id[QUEUE_ID_MAX + 1]);

#endif
