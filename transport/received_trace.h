/*
 * What the Received field says that the mail system itself put on top of a message: the queue id,
 * and as whom the client was authenticated. Postfix's XFORWARD carries an id only for mail that came
 * in by SMTP; mail from sendmail(1), bounces and forwarded mail have it here. Sendmail and Exim have
 * no XFORWARD. The login is there only with Postfix's smtpd_sasl_authenticated_header = yes.
 *
 *   Received: by HOST (Postfix, from userid 0) FWS id QID; DATE
 *   Received: by HOST (Postfix) FWS id QID; DATE
 *   Received: from ... FWS (Authenticated sender: LOGIN) FWS by HOST (Postfix) with ESMTPSA id QID
 *             FWS for <...>; DATE
 *   Received: [from ...] by HOST (8.17.1/8.17.1[/...]) [with ...] id QID ...; DATE      Sendmail
 *   Received: [from ...] by HOST [with ...] (Exim 4.96) FWS [(...) FWS] id QID ...; DATE  Exim
 *
 * The id is only a name for logs (and, with the content's digest, for finding an earlier outcome
 * again), so a message without one, or with one that somebody else wrote, is still good mail: what
 * looks different from the above is no queue id. The login decides more than that. Whoever goes by
 * it compares the id with what Postfix said by another way: where Postfix's own field was taken
 * away, the next one is the client's.
 */
#ifndef RECEIVED_TRACE_H
#define RECEIVED_TRACE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/envelope.h"

/*
 * How much of the content is looked at. Postfix's own field comes first, after at most a few that a
 * milter put above it.
 */
#define RECEIVED_LOOK_AHEAD 8192

#define RECEIVED_LOGIN_MAX 255

struct received_trace {
	char queue_id[QUEUE_ID_MAX + 1];
	char login[RECEIVED_LOGIN_MAX + 1]; /* "": not authenticated, or not told */
};

enum received_result {
	RECEIVED_FOUND, /* the trace is filled in */
	RECEIVED_NONE,	/* no such field, or the first Received is nobody's of these; nothing is in it */
	RECEIVED_MORE,	/* cannot tell yet: the first Received field is not complete in these bytes
			 */
};

/*
 * `content` is the beginning of the content in wire form (CRLF). `is_all`: nothing more will come,
 * so RECEIVED_MORE is not returned. Pure.
 */
enum received_result received_trace_find(const char *content, size_t length, bool is_all,
					 struct received_trace *trace);

#endif
