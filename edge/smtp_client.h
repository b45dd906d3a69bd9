/*
 * The conversation with one server (RFC 5321, 1870, 2920, 3207, 3461, 4954, 6152, 6531): greeting,
 * EHLO, STARTTLS, AUTH, MAIL, RCPT, DATA, QUIT. It decides nothing about mail: it reports what happened as
 * values, and delivery_policy makes delivery statuses out of them.
 */
#ifndef SMTP_CLIENT_H
#define SMTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "content.h"
#include "lib/deadline.h"
#include "lib/delivery_status.h"
#include "lib/envelope.h"
#include "lib/smtp_reply.h"
#include "lib/stream.h"
#include "sasl_login.h"
#include "smtp_capability.h"
#include "tls_context.h"

/* What ended a step when it was not a reply. */
enum smtp_failure {
	SMTP_FAILURE_NONE,		/* a reply decided: see .reply */
	SMTP_FAILURE_CONNECT,		/* connect(2): refused, no route, timed out */
	SMTP_FAILURE_TIMEOUT,
	SMTP_FAILURE_LOST,		/* closed or reset by the peer */
	SMTP_FAILURE_PROTOCOL,		/* malformed or unsolicited reply */
	SMTP_FAILURE_FLOOD,		/* a reply beyond the caps of smtp_limits.h */
	SMTP_FAILURE_TLS_HANDSHAKE,
	SMTP_FAILURE_TLS_CERTIFICATE,	/* not the one that the terms want */
	SMTP_FAILURE_TLS_INJECTION,	/* bytes behind the 220 of STARTTLS (CVE-2011-0411) */
	SMTP_FAILURE_TLS_NOT_OFFERED,	/* policy wants TLS and there is none */
	SMTP_FAILURE_LOOP,		/* the server is ourselves */
	SMTP_FAILURE_AUTH,		/* no log-in: the server's .reply says why, or .detail if its code is 0 */
	SMTP_FAILURE_REQUIRETLS,	/* the message wants REQUIRETLS, the server has it not */
	SMTP_FAILURE_CAPABILITY,	/* the message needs what is not offered (SMTPUTF8) */
	SMTP_FAILURE_TOO_BIG,		/* larger than the server's SIZE */
	SMTP_FAILURE_SLOW,		/* below the minimum data rate */
	SMTP_FAILURE_CANCELLED,		/* the edge stops */
	SMTP_FAILURE_LOCAL,		/* memory, descriptors */
	SMTP_FAILURE_JOURNAL,		/* before_final_dot said no */
	SMTP_FAILURE_NO_TIME,		/* what is left is too little to begin this */
};

/* An error of TLS, who demands it, and a command that shows it (see tls_terms.h). */
#define SMTP_DETAIL_MAX 480

/*
 * What happened at a step: a complete reply, or a failure with a sentence. Both with the stage,
 * which for a failure is that of the reply waited for. Neither names the host.
 */
struct smtp_event {
	enum delivery_stage stage;
	enum smtp_failure failure;
	struct smtp_reply reply;		/* failure NONE (and AUTH): the reply that decided */
	char detail[SMTP_DETAIL_MAX];			/* failure: "Connection reset by peer", or "" */
	bool final_dot_sent;			/* it left, or may have, and no reply was read */
};

/* Called before each wait for the server, from the thread that waits. */
typedef void smtp_client_stage_fn(void *context, enum delivery_stage stage);

enum smtp_login_result {
	SMTP_LOGIN_FOUND,
	SMTP_LOGIN_NONE,
	SMTP_LOGIN_HELD,	/* was refused a moment ago: not to be tried again yet */
	SMTP_LOGIN_ERROR,
};
/* Called when the server is ready to be told; *login is wiped as soon as it was. */
typedef enum smtp_login_result smtp_client_login_fn(void *context, struct sasl_login *login);

/*
 * Logging in (RFC 4954). A client that did is of use only to those with the same login at the same
 * relay: who keeps clients for later keeps them apart by relay_hop_print() (connection_key.h).
 */
struct smtp_auth {
	bool is_required;		/* else: only if there is a login */
	bool may_be_anybody;		/* a server whose certificate was not verified may hear the password */
	smtp_client_login_fn *find_login;
	void (*on_refused)(void *context);	/* the server will not have it (5xx); or NULL */
	void *context;
};

struct smtp_client_params {
	const char *ehlo_name;
	const struct tls_terms *terms;		/* outlive the client */
	struct tls_context *tls;
	const struct buffer *resume_key;	/* see tls_stream_start(); outlives the client's opening */
	bool is_wrapped;			/* TLS from the first byte, no STARTTLS (RFC 8314 3.3) */
	const struct smtp_auth *auth;		/* NULL: nobody logs in; outlives the client's opening */
	struct deadline deadline;		/* of the whole delivery; cuts every step up to the dot */
	int64_t time_limit_ms;			/* what it was at first; for stage_budget.h */
	int64_t data_done_timeout_ms;		/* for the reply to the final dot; nothing cuts it */
	smtp_client_stage_fn *on_stage;		/* or NULL */
	void *stage_context;
	/* -1, or an eventfd: readable = give up (CANCELLED) unless the final dot is out. */
	int cancel_fd;
};

/* Opaque outside smtp_client*.c. */
struct smtp_client {
	struct stream stream;
	struct smtp_client_params params;	/* strings are the caller's and outlive the client */
	struct smtp_capabilities capabilities;	/* of the last EHLO, in TLS if any */
	struct tls_outcome tls;		/* kept after close; description "" = cleartext */
	bool is_open;
	bool in_transaction;			/* MAIL was accepted: RSET before the next */
	bool is_clean;				/* the last transaction ended with a 2xx to its final dot */
	bool is_reused;				/* resumed, and MAIL has not been answered since */
	bool is_stale;				/* see smtp_client_transaction() */
	unsigned messages;			/* taken by the server over this connection */
	int64_t opened_ms;			/* when it was ready for mail; deadline_now_ms() */
	int64_t data_rate_grace_ms;		/* SMTP_MIN_DATA_RATE_GRACE_MS */
};

/*
 * Takes the connected socket, reads the greeting, says EHLO (HELO after a 5xx), STARTTLS and EHLO
 * again as the level wants, AUTH as params->auth wants. 0: ready for smtp_client_transaction(). -1: *event says why; the client
 * is closed. A connection lost before the first reply inside TLS counts as a failed handshake: with
 * TLS 1.3 a server refuses ours only then.
 */
int smtp_client_open(struct smtp_client *client, int fd, const struct smtp_client_params *params,
		     struct smtp_event *event);

/*
 * One mail transaction for recipients[0..count-1] of the envelope (indices into
 * envelope->recipients), count <= SMTP_RECIPIENTS_PER_TRANSACTION. Calls `result` exactly once for
 * every index, in any order, possibly before the final reply (a refused RCPT). Returns true when
 * the client may be used for another transaction, false when it was closed.
 *
 * An index whose RCPT got no final answer because the connection broke gets an event with failure
 * != NONE. RCPT 452/552-too-many (RFC 5321 4.5.3.1.10) after at least one accepted recipient is
 * reported with its reply: the caller may retry those in a further transaction on the same client.
 *
 * A resumed session that ends (lost, 421, out of step) before MAIL is answered reports nobody: false, and client->is_stale. The caller
 * opens a new one to the same host; that says nothing about the host.
 *
 * The content is written verbatim: prefix (trace field, already in wire form) then content then
 * ".". 8-bit content goes to a server without 8BITMIME as it is, without BODY=: converting it would
 * break DKIM signatures, and servers that cannot take it are not found any more (Postfix with
 * disable_mime_output_conversion does the same).
 */
typedef void smtp_client_result_fn(void *context, size_t index, const struct smtp_event *event);
/*
 * Called when all content is written, with those whom the server took. 0: send the final dot. -1: the
 * connection is closed without it, and these recipients get SMTP_FAILURE_JOURNAL.
 */
typedef int smtp_client_dot_fn(void *context, const size_t *indices, size_t count);

struct smtp_transaction {
	const struct envelope *envelope;
	const size_t *indices;
	size_t count;
	const struct content *content;
	const char *prefix;			/* Received field with CRLF */
	size_t prefix_length;
	smtp_client_result_fn *result;
	smtp_client_dot_fn *before_final_dot;	/* NULL: nobody has to be asked */
	void *context;
};
bool smtp_client_transaction(struct smtp_client *client,
			     const struct smtp_transaction *transaction);

/*
 * Between two messages. Park: forgets what belongs to the message before, gives memory back. 0; -1: it is no session to be kept
 * (not clean, or the server has spoken or closed); the client is as it was. Resume: for the next message, perhaps in another thread;
 * params->terms must be those that it was opened with. 0; -1: the server has spoken or closed meanwhile, and the client is
 * closed.
 */
int smtp_client_park(struct smtp_client *client);
int smtp_client_resume(struct smtp_client *client, const struct smtp_client_params *params);
/* QUIT without waiting for anything, and close: for a parked session. Safe on a closed client. */
void smtp_client_leave(struct smtp_client *client);

/* QUIT (waits for the answer at most SMTP_QUIT_TIMEOUT_MS) and close. Safe on a closed client. */
void smtp_client_quit(struct smtp_client *client);
/* Close at once. */
void smtp_client_close(struct smtp_client *client);

#endif
