/*
 * One LMTP session (RFC 2033) with a mail system on a pair of descriptors, and the mail transactions
 * in it.
 *
 * lmtp_session.c reads command lines and dispatches them, lmtp_commands.c holds a function for
 * each, lmtp_content.c takes the content and answers for each recipient.
 */
#ifndef LMTP_SESSION_H
#define LMTP_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "edge_choice.h"
#include "lib/buffer.h"
#include "lib/envelope.h"
#include "lib/stream.h"
#include "relay.h"
#include "transport_setup.h"

/* Refused commands before the session is ended: whoever sends more is no mail system. */
#define LMTP_ERRORS_MAX 20

enum lmtp_state {
	LMTP_EXPECT_LHLO,
	LMTP_EXPECT_MAIL,
	LMTP_EXPECT_RCPT, /* in a transaction: RCPT, or DATA once a recipient was accepted */
	LMTP_RECEIVING_DATA,
	LMTP_ENDED,
};

/*
 * What the command line said. Queue id and login are those of the session's first message, for mail
 * systems that start a transport for each one and have no XFORWARD (Exim, Sendmail); they are not
 * believed of a second one.
 */
struct lmtp_invocation {
	const char *queue_id; /* NULL, "" or no queue id: not known */
	const char *login;    /* as whom its sender was authenticated, "" for nobody; NULL: not told */
	bool no_dsn;	      /* do not announce DSN: the mail system makes success notices itself */
};

struct lmtp_session {
	struct stream stream;
	struct buffer output; /* replies not yet written */
	struct transport_setup *setup;
	struct relay *relay;
	struct edge_choice choice;	/* of the last message until the next command */
	enum lmtp_state state;
	struct envelope envelope;
	struct lmtp_invocation invocation; /* without id and login once a content was taken */
	char ident[QUEUE_ID_MAX + 1]; /* XFORWARD IDENT for the next transaction; "" = none */
	int64_t mail_at_ms;	      /* when MAIL came */
	/* Then 503 to the RCPT and DATA pipelined behind it is no error of theirs. */
	bool mail_was_refused;
	unsigned error_count;
};

/*
 * Greets, serves until QUIT, the end of input, a time-out or too many errors, and closes the
 * descriptors. Never fails: what goes wrong is a reply, a log line, or both. `invocation` may be
 * NULL.
 */
void lmtp_session_serve(struct transport_setup *setup, struct relay *relay,
			const struct lmtp_invocation *invocation, int read_fd, int write_fd);
/* For a transport that cannot work: "421 4.3.5 REASON" instead of a greeting. */
void lmtp_session_refuse(int read_fd, int write_fd, const char *reason);

/* ---- for lmtp_commands.c and lmtp_content.c ---- */

/*
 * Queues one reply line; CRLF is added, what is not printable becomes '?'. Goes out before the
 * session waits for input.
 */
void lmtp_session_reply(struct lmtp_session *session, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* The same for a command that no sound client sends; counts towards LMTP_ERRORS_MAX. */
void lmtp_session_refuse_command(struct lmtp_session *session, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Writes queued replies. If that fails the session is over (LMTP_ENDED). */
void lmtp_session_flush(struct lmtp_session *session);
/* Forgets envelope and XFORWARD (which is valid for one transaction); the tunnel stays. */
void lmtp_session_reset(struct lmtp_session *session);
/* 354, content, one reply per recipient. */
void lmtp_content_receive(struct lmtp_session *session);

/* ---- lmtp_commands.c ---- */
typedef void lmtp_command_fn(struct lmtp_session *session, const char *arguments, size_t length);
lmtp_command_fn lmtp_command_lhlo, lmtp_command_mail, lmtp_command_rcpt, lmtp_command_data,
	lmtp_command_rset, lmtp_command_noop, lmtp_command_vrfy, lmtp_command_quit,
	lmtp_command_xforward, lmtp_command_helo, lmtp_command_not_implemented;

#endif
