/*
 * The LMTP commands, one function each (RFC 2033 4, RFC 5321 4.1.1; XFORWARD as Postfix's
 * XFORWARD_README has it). A transaction's tunnel is opened at MAIL: when that fails the mail
 * system hears why in the reply to MAIL and keeps the whole message.
 *
 * Announced is only what is kept: no CHUNKING (BDAT is refused), no STARTTLS and no AUTH, as this
 * is a pipe inside one host.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/ascii.h"
#include "lib/deadline.h"
#include "lib/esmtp_param.h"
#include "lib/log.h"
#include "lib/xtext.h"
#include "lmtp_session.h"

static bool is_in_transaction(const struct lmtp_session *session)
{
	return session->state == LMTP_EXPECT_RCPT;
}

/* True if a greeting came; otherwise the command is refused. */
static bool was_greeted(struct lmtp_session *session)
{
	if (session->state == LMTP_EXPECT_LHLO)
		lmtp_session_refuse_command(session, "503 5.5.1 say LHLO first");
	return session->state != LMTP_EXPECT_LHLO;
}

/* Not an error of the client: whoever wrote the address or the parameter is somebody else. */
static void refuse(struct lmtp_session *session, const struct esmtp_refusal *refusal)
{
	char status[ENHANCED_STATUS_TEXT_MAX];

	enhanced_status_print(refusal->status, status, sizeof(status));
	lmtp_session_reply(session, "%d %s %s", refusal->code, status, refusal->text);
}

/* True inside a transaction; otherwise the command is refused. */
static bool has_mail(struct lmtp_session *session)
{
	if (session->state == LMTP_EXPECT_RCPT)
		return true;
	if (session->mail_was_refused)
		lmtp_session_reply(session, "503 5.5.1 MAIL was refused");
	else
		lmtp_session_refuse_command(session, "503 5.5.1 need MAIL first");
	return false;
}

void lmtp_command_lhlo(struct lmtp_session *session, const char *arguments, size_t length)
{
	const struct transport_conf *conf = &session->setup->conf;

	(void)arguments;
	if (length == 0) {
		lmtp_session_refuse_command(session, "501 5.5.4 syntax: LHLO host");
		return;
	}
	lmtp_session_reset(session);
	session->state = LMTP_EXPECT_MAIL;
	lmtp_session_reply(session, "250-%s", conf->hostname);
	lmtp_session_reply(session, "250-PIPELINING");
	lmtp_session_reply(session, "250-8BITMIME");
	lmtp_session_reply(session, "250-SMTPUTF8");
	lmtp_session_reply(session, "250-REQUIRETLS");
	if (conf->message_size_limit > 0)
		lmtp_session_reply(session, "250-SIZE %lld", (long long)conf->message_size_limit);
	else
		lmtp_session_reply(session, "250-SIZE");
	if (!session->invocation.no_dsn)
		lmtp_session_reply(session, "250-DSN");
	lmtp_session_reply(session, "250-ENHANCEDSTATUSCODES");
	lmtp_session_reply(session, "250 XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE");
}

void lmtp_command_helo(struct lmtp_session *session, const char *arguments, size_t length)
{
	(void)arguments;
	(void)length;
	lmtp_session_refuse_command(session, "500 5.5.1 this is LMTP: say LHLO");
}

void lmtp_command_not_implemented(struct lmtp_session *session, const char *arguments,
				  size_t length)
{
	(void)arguments;
	(void)length;
	lmtp_session_refuse_command(session, "502 5.5.1 command not implemented");
}

/* What follows "FROM:" or "TO:"; NULL when that is missing. */
static const char *after_keyword(const char *arguments, const char *keyword)
{
	size_t length = strlen(keyword);

	if (strncasecmp(arguments, keyword, length) != 0)
		return NULL;
	return arguments + length + strspn(arguments + length, " ");
}

static void take_queue_id(struct lmtp_session *session)
{
	const char *first = session->invocation.queue_id;
	char *queue_id = session->envelope.queue_id;

	memcpy(queue_id, session->ident, sizeof(session->ident));
	if (queue_id[0] == '\0' && first != NULL &&
	    envelope_queue_id_is_valid(first, strlen(first)))
		memcpy(queue_id, first, strlen(first) + 1);
	log_set_tag(queue_id);
}

/* NULL for the login: the route may depend on recipients, which come later. */
static int choose_edge(struct lmtp_session *session, struct delivery_status *status)
{
	int result = edge_choice_begin(&session->choice, &session->envelope, NULL, status);

	if (session->invocation.login != NULL)
		edge_choice_set_login(&session->choice, session->invocation.login);
	return result;
}

/* 0 when the message can be taken; otherwise the reply to MAIL was given. */
static int open_relay(struct lmtp_session *session)
{
	struct delivery_status status;
	char reply[DELIVERY_LMTP_REPLY_MAX];

	transport_setup_refresh(session->setup);
	if (choose_edge(session, &status) == 0)
		return 0;
	lmtp_session_reply(session, "%s",
			   delivery_status_print_lmtp(&status, "", reply, sizeof(reply)));
	return -1;
}

static int check_size(struct lmtp_session *session)
{
	const struct frame_info *info = edge_choice_info(&session->choice);
	uint64_t limit = transport_conf_size_max(&session->setup->conf,
						 info != NULL ? info->size_max : 0);

	if (limit == 0 || session->envelope.declared_size <= limit)
		return 0;
	lmtp_session_reply(session, "552 5.3.4 %s: message of %llu bytes is larger than %llu",
			   info != NULL ? info->edge_name : session->setup->conf.hostname,
			   (unsigned long long)session->envelope.declared_size,
			   (unsigned long long)limit);
	return -1;
}

void lmtp_command_mail(struct lmtp_session *session, const char *arguments, size_t length)
{
	const char *path = after_keyword(arguments, "FROM:");
	struct esmtp_refusal refusal;

	if (!was_greeted(session))
		return;
	if (is_in_transaction(session)) {
		lmtp_session_refuse_command(session, "503 5.5.1 nested MAIL");
		return;
	}
	session->mail_was_refused = true;
	if (path == NULL) {
		lmtp_session_refuse_command(session, "501 5.5.4 syntax: MAIL FROM:<address>");
		return;
	}
	if (esmtp_parse_mail(&session->envelope, path, length - (size_t)(path - arguments),
			     &refusal) < 0) {
		refuse(session, &refusal);
		return;
	}
	take_queue_id(session);
	session->mail_at_ms = deadline_now_ms();
	if (open_relay(session) < 0 || check_size(session) < 0) {
		lmtp_session_reset(session);
		return;
	}
	session->mail_was_refused = false;
	session->state = LMTP_EXPECT_RCPT;
	lmtp_session_reply(session, "250 2.1.0 Ok");
}

static size_t recipient_limit(const struct lmtp_session *session)
{
	const struct frame_info *info = edge_choice_info(&session->choice);
	uint32_t edge = info != NULL ? info->recipients_max : 0;

	return edge > 0 && edge < SMTP_RECIPIENTS_MAX ? edge : SMTP_RECIPIENTS_MAX;
}

void lmtp_command_rcpt(struct lmtp_session *session, const char *arguments, size_t length)
{
	const char *path = after_keyword(arguments, "TO:");
	struct recipient recipient = { .notify = 0 }; /* the parser sets only what the line gives */
	struct esmtp_refusal refusal;

	if (!was_greeted(session) || !has_mail(session))
		return;
	if (path == NULL) {
		lmtp_session_refuse_command(session, "501 5.5.4 syntax: RCPT TO:<address>");
		return;
	}
	if (esmtp_parse_rcpt(&recipient, path, length - (size_t)(path - arguments),
			     session->envelope.smtputf8, &refusal) < 0) {
		refuse(session, &refusal);
		return;
	}
	if (!edge_choice_may_join(&session->choice, &session->envelope, &recipient)) {
		lmtp_session_reply(session, "452 4.5.3 mail without a sender to this domain has "
					    "another route: one at a time");
		return;
	}
	if (session->envelope.recipient_count >= recipient_limit(session) ||
	    envelope_add_recipient(&session->envelope, &recipient) < 0) {
		lmtp_session_reply(session, "452 4.5.3 too many recipients");
		return;
	}
	lmtp_session_reply(session, "250 2.1.5 Ok");
}

void lmtp_command_data(struct lmtp_session *session, const char *arguments, size_t length)
{
	(void)arguments;
	if (!was_greeted(session) || !has_mail(session))
		return;
	if (session->envelope.recipient_count == 0)
		lmtp_session_reply(session, "503 5.5.1 no valid recipients"); /* RFC 2033 4.2 */
	else if (length > 0)
		lmtp_session_refuse_command(session, "501 5.5.4 syntax: DATA");
	else
		lmtp_content_receive(session);
}

void lmtp_command_rset(struct lmtp_session *session, const char *arguments, size_t length)
{
	(void)arguments;
	if (length > 0) {
		lmtp_session_refuse_command(session, "501 5.5.4 syntax: RSET");
		return;
	}
	lmtp_session_reset(session);
	session->mail_was_refused = false;
	lmtp_session_reply(session, "250 2.0.0 Ok");
}

void lmtp_command_noop(struct lmtp_session *session, const char *arguments, size_t length)
{
	(void)arguments;
	(void)length;
	lmtp_session_reply(session, "250 2.0.0 Ok");
}

void lmtp_command_vrfy(struct lmtp_session *session, const char *arguments, size_t length)
{
	(void)arguments;
	if (length == 0)
		lmtp_session_refuse_command(session, "501 5.5.4 syntax: VRFY address");
	else
		lmtp_session_reply(session, "252 2.0.0 cannot say; send mail and see");
}

void lmtp_command_quit(struct lmtp_session *session, const char *arguments, size_t length)
{
	(void)arguments;
	(void)length;
	lmtp_session_reply(session, "221 2.0.0 Bye");
	lmtp_session_flush(session);
	session->state = LMTP_ENDED;
}

/*
 * One NAME=value of XFORWARD. false for an attribute that was not announced. IDENT is the only one
 * of use here.
 */
static bool take_attribute(struct lmtp_session *session, const char *word, size_t length)
{
	static const char *const names[] = { "NAME", "ADDR",  "PORT",  "PROTO",
					     "HELO", "IDENT", "SOURCE" };
	const char *equals = memchr(word, '=', length);
	size_t name_length = equals != NULL ? (size_t)(equals - word) : 0;
	char value[QUEUE_ID_MAX + 2];
	ssize_t value_length;
	bool is_known = false;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		is_known |= ascii_is_word(word, name_length, names[i]);
	if (!is_known || !ascii_is_word(word, name_length, "IDENT"))
		return is_known;
	/* "[UNAVAILABLE]" and whatever else is no queue id means that there is none. */
	value_length = xtext_decode(value, sizeof(value), equals + 1, length - name_length - 1);
	session->ident[0] = '\0';
	if (value_length > 0 && envelope_queue_id_is_valid(value, (size_t)value_length))
		memcpy(session->ident, value, (size_t)value_length + 1);
	return true;
}

void lmtp_command_xforward(struct lmtp_session *session, const char *arguments, size_t length)
{
	const char *at = arguments;

	if (!was_greeted(session))
		return;
	if (is_in_transaction(session)) {
		lmtp_session_refuse_command(session, "503 5.5.1 mail transaction in progress");
		return;
	}
	if (length == 0) {
		lmtp_session_refuse_command(session, "501 5.5.4 syntax: XFORWARD attribute=value");
		return;
	}
	while (*at != '\0') {
		size_t word = strcspn(at, " \t");

		if (!take_attribute(session, at, word)) {
			lmtp_session_refuse_command(session,
						    "501 5.5.4 unknown XFORWARD attribute");
			return;
		}
		at += word;
		at += strspn(at, " \t");
	}
	lmtp_session_reply(session, "250 2.0.0 Ok");
}
