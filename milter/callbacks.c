/*
 * Copies what libmilter hands over, calls mail_transaction.c, and says what came of it. Each connection
 * has a struct session, reached by smfi_getpriv(3); libmilter gives a connection to one thread at a
 * time. A callback that has no session (no memory when the connection came) defers the mail.
 *
 * The macros that the rules need are asked for in the negotiation, whatever main.cf's
 * milter_*_macros say.
 */
#include "callbacks.h"

#include <arpa/inet.h>
#include <libmilter/mfapi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/endpoint.h"
#include "lib/log.h"
#include "lib/smtp_limits.h"
#include "mail_transaction.h"

/* Postfix hands over fields of up to its header_size_limit (100 kB, often raised); libmilter takes 64 kB unless told. */
#define PACKET_MAX (1024 * 1024)

struct session {
	struct milter *milter;
	struct client client;
	char port[8];
	struct mail_transaction transaction;
	bool has_connection;		/* counted in milter->connections */
	bool is_refused;		/* one connection too many, or we are about to stop */
	unsigned long steps;		/* what was agreed on: SMFIP_NR_*: that event is not answered */
};

/* libmilter hands no pointer of ours to the first callback. */
static struct milter *the_milter;

static sfsistat on_negotiate(SMFICTX *context, unsigned long actions, unsigned long steps, unsigned long u0, unsigned long u1,
			     unsigned long *actions_out, unsigned long *steps_out, unsigned long *u0_out, unsigned long *u1_out)
{
	/* What we do without, as far as the other side can leave it out. */
	const unsigned long unwanted = SMFIP_NOHELO | SMFIP_NODATA | SMFIP_NOEOH | SMFIP_NOUNKNOWN | SMFIP_NR_CONN |
				       SMFIP_NR_MAIL | SMFIP_NR_HDR |
				       (rate_limits_has_sizes(the_milter->limits) ? SMFIP_SKIP : SMFIP_NOBODY);
	struct session *session = calloc(1, sizeof(*session));

	(void)u0, (void)u1;
	if (session == NULL || (actions & (SMFIF_ADDHDRS | SMFIF_CHGHDRS)) != (SMFIF_ADDHDRS | SMFIF_CHGHDRS)) {
		log_error("%s", session == NULL ? "no memory for a connection" : "the mail server takes no changed fields from a milter");
		free(session);
		return SMFIS_REJECT;
	}
	session->milter = the_milter;
	session->steps = steps & unwanted;
	mail_transaction_init(&session->transaction);
	smfi_setpriv(context, session);
	smfi_setsymlist(context, SMFIM_ENVFROM, "i {auth_authen}");
	smfi_setsymlist(context, SMFIM_ENVRCPT, "i {rcpt_mailer}");
	smfi_setsymlist(context, SMFIM_EOM, "i");
	*actions_out = SMFIF_ADDHDRS | SMFIF_CHGHDRS;
	*steps_out = session->steps;
	*u0_out = *u1_out = 0;
	return SMFIS_CONTINUE;
}

static struct session *session_of(SMFICTX *context)
{
	return smfi_getpriv(context);
}

/*
 * Postfix tells sendmail(1)'s mail as from 127.0.0.1, or ::1 where inet_protocols has IPv6 alone, and port 0, which no TCP
 * connection can have.
 */
static bool is_local(const struct sockaddr *address)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;

	if (address->sa_family == AF_INET)
		return v4->sin_port == 0 && v4->sin_addr.s_addr == htonl(INADDR_LOOPBACK);
	return address->sa_family == AF_INET6 && v6->sin6_port == 0 && IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

static void take_address(struct session *session, const struct sockaddr *address)
{
	struct client *client = &session->client;
	in_port_t port = 0;

	snprintf(client->address_text, sizeof(client->address_text), "unknown");
	if (address == NULL || (address->sa_family != AF_INET && address->sa_family != AF_INET6))
		return;
	if (address->sa_family == AF_INET) {
		memcpy(&client->address, address, sizeof(struct sockaddr_in));
		port = ((const struct sockaddr_in *)address)->sin_port;
	} else {
		memcpy(&client->address, address, sizeof(struct sockaddr_in6));
		port = ((const struct sockaddr_in6 *)address)->sin6_port;
	}
	client->is_local = is_local(address);
	snprintf(session->port, sizeof(session->port), "%u", (unsigned)ntohs(port));
	endpoint_print_address(address, client->address_text, sizeof(client->address_text));
}

/* An event that is let pass is answered only where the other side waits for it. */
static sfsistat go_on(const struct session *session, unsigned long no_reply)
{
	return (session->steps & no_reply) != 0 ? SMFIS_NOREPLY : SMFIS_CONTINUE;
}

/* Is there room for one more? Its mail is deferred otherwise, at the first event that is answered. */
static bool is_welcome(struct session *session)
{
	struct milter_setup *setup = milter_acquire_setup(session->milter);
	int64_t limit = setup->conf.connections;

	milter_setup_release(setup);
	session->has_connection = true;
	if (atomic_fetch_add(&session->milter->connections, 1) < limit)
		return !atomic_load(&session->milter->is_stopping);
	log_warning("more than %d connections of the mail server at the same time (connections): mail is deferred", (int)limit);
	return false;
}

static sfsistat on_connect(SMFICTX *context, char *host, _SOCK_ADDR *address)
{
	struct session *session = session_of(context);

	(void)host;
	if (session == NULL)
		return SMFIS_TEMPFAIL;
	session->is_refused = !is_welcome(session);
	take_address(session, address);
	return go_on(session, SMFIP_NR_CONN);
}

/* The end of a message, however it came to it. */
static void end_transaction(struct session *session)
{
	if (session->transaction.setup == NULL)
		return;
	mail_transaction_end(&session->transaction);
	atomic_fetch_sub(&session->milter->messages, 1);
}

static void take_login(struct client *client, const char *login)
{
	/* Cut short it would be somebody else; this one nobody is. */
	if (login != NULL && strlen(login) > CLIENT_LOGIN_MAX)
		login = "(too long)";
	snprintf(client->login, sizeof(client->login), "%s", login != NULL ? login : "");
}

static void take_queue_id(struct session *session, SMFICTX *context)
{
	const char *queue_id = smfi_getsymval(context, "i");

	if (queue_id != NULL)
		log_printable(session->transaction.queue_id, sizeof(session->transaction.queue_id), queue_id, strlen(queue_id));
}

static sfsistat on_envfrom(SMFICTX *context, char **arguments)
{
	struct session *session = session_of(context);

	if (session == NULL || arguments[0] == NULL)
		return SMFIS_TEMPFAIL;
	end_transaction(session);
	/* Without a transaction the recipients are deferred. */
	if (session->is_refused)
		return go_on(session, SMFIP_NR_MAIL);
	atomic_fetch_add(&session->milter->messages, 1);
	take_login(&session->client, smfi_getsymval(context, "{auth_authen}"));
	session->client.certificate[0] = session->client.public_key[0] = '\0';
	mail_transaction_begin(&session->transaction, milter_acquire_setup(session->milter), session->milter->limits, &session->client,
			  arguments[0], arguments + 1);
	take_queue_id(session, context);
	return go_on(session, SMFIP_NR_MAIL);
}

/* Text for smfi_setreply(3), which takes "%" for the beginning of a conversion. */
static void escape_percent(char *out, size_t size, const char *text)
{
	size_t length = 0;

	for (; *text != '\0' && length + 2 < size; text++) {
		if (*text == '%')
			out[length++] = '%';
		out[length++] = *text;
	}
	out[length] = '\0';
}

static sfsistat answer(SMFICTX *context, const struct verdict *verdict)
{
	char text[SMTP_REPLY_TEXT_MAX];

	if (verdict->action < RULE_TEMPFAIL)
		return SMFIS_CONTINUE;
	escape_percent(text, sizeof(text), verdict->text);
	/* Without a reply of ours the mail server's own does. */
	if (smfi_setreply(context, (char *)verdict->reply.code, (char *)verdict->reply.status, text) == MI_FAILURE)
		log_warning("libmilter did not take the reply \"%s\"", verdict->text);
	return verdict->action == RULE_REJECT ? SMFIS_REJECT : SMFIS_TEMPFAIL;
}

static sfsistat on_envrcpt(SMFICTX *context, char **arguments)
{
	struct session *session = session_of(context);
	struct mail_transaction *transaction = session != NULL ? &session->transaction : NULL;
	struct client seen;
	struct verdict verdict;

	(void)arguments;
	if (transaction == NULL || transaction->setup == NULL)
		return SMFIS_TEMPFAIL;
	take_queue_id(session, context);
	if (session->milter->certificates != NULL) {
		client_certificates_take(session->milter->certificates, session->client.address_text, session->port,
					 transaction->message.sender_text, &seen);
		if (transaction->standing < STANDING_UNLISTED) {
			memcpy(session->client.certificate, seen.certificate, sizeof(seen.certificate));
			memcpy(session->client.public_key, seen.public_key, sizeof(seen.public_key));
		}
	}
	mail_transaction_recipient(transaction, smfi_getsymval(context, "{rcpt_mailer}"), &verdict);
	return answer(context, &verdict);
}

static sfsistat on_header(SMFICTX *context, char *name, char *value)
{
	struct session *session = session_of(context);
	const struct milter_conf *conf;

	if (session == NULL)
		return SMFIS_TEMPFAIL;
	if (session->transaction.setup == NULL)
		return go_on(session, SMFIP_NR_HDR);
	conf = &session->transaction.setup->conf;
	if (mail_transaction_wants_content(&session->transaction) &&
	    message_add_field(&session->transaction.message, name, value, (size_t)conf->header_count_limit,
			      (size_t)conf->header_size_limit) < 0)
		/* A field that nobody looks at: the message is deferred at its end. */
		session->transaction.findings.has_failed = 1;
	return go_on(session, SMFIP_NR_HDR);
}

static sfsistat on_body(SMFICTX *context, unsigned char *chunk, size_t length)
{
	struct session *session = session_of(context);

	(void)chunk;
	if (session == NULL)
		return SMFIS_TEMPFAIL;
	session->transaction.message.content_bytes += length;
	return (session->steps & SMFIP_SKIP) != 0 && mail_transaction_is_too_large(&session->transaction) ? SMFIS_SKIP : SMFIS_CONTINUE;
}

static int apply(SMFICTX *context, const struct field_edit *edit)
{
	switch (edit->kind) {
	case FIELD_EDIT_ADD:
		return smfi_addheader(context, edit->name, edit->value);
	case FIELD_EDIT_REPLACE:
		return smfi_chgheader(context, edit->name, (int)edit->index, edit->value);
	case FIELD_EDIT_DELETE:
		return smfi_chgheader(context, edit->name, (int)edit->index, NULL);
	}
	return MI_FAILURE;
}

/* Last to first, so that the indexes stay true. -1: the message must not go as it is. */
static int apply_all(SMFICTX *context, const struct findings *findings)
{
	for (size_t i = findings->edit_count; i > 0; i--) {
		if (apply(context, &findings->edits[i - 1]) == MI_SUCCESS)
			continue;
		log_error("the mail server did not take a change of the field %s", findings->edits[i - 1].name);
		return -1;
	}
	return 0;
}

static sfsistat on_eom(SMFICTX *context)
{
	struct session *session = session_of(context);
	struct verdict verdict;
	sfsistat result;

	if (session == NULL || session->transaction.setup == NULL)
		return SMFIS_TEMPFAIL;
	take_queue_id(session, context);
	mail_transaction_content(&session->transaction, &verdict);
	result = answer(context, &verdict);
	if (result == SMFIS_CONTINUE && apply_all(context, &session->transaction.findings) < 0)
		result = SMFIS_TEMPFAIL;
	end_transaction(session);
	return result;
}

static sfsistat on_abort(SMFICTX *context)
{
	struct session *session = session_of(context);

	if (session != NULL)
		end_transaction(session);
	return SMFIS_CONTINUE;
}

static sfsistat on_close(SMFICTX *context)
{
	struct session *session = session_of(context);

	if (session == NULL)
		return SMFIS_CONTINUE;
	end_transaction(session);
	if (session->has_connection)
		atomic_fetch_sub(&session->milter->connections, 1);
	smfi_setpriv(context, NULL);
	free(session);
	return SMFIS_CONTINUE;
}

int callbacks_register(void)
{
	struct smfiDesc description = {
		.xxfi_name = "postern-milter",
		.xxfi_version = SMFI_VERSION,
		.xxfi_flags = SMFIF_ADDHDRS | SMFIF_CHGHDRS,
		.xxfi_connect = on_connect,
		.xxfi_envfrom = on_envfrom,
		.xxfi_envrcpt = on_envrcpt,
		.xxfi_header = on_header,
		.xxfi_body = on_body,
		.xxfi_eom = on_eom,
		.xxfi_abort = on_abort,
		.xxfi_close = on_close,
		.xxfi_negotiate = on_negotiate,
	};

	smfi_setmaxdatasize(PACKET_MAX);
	return smfi_register(description) == MI_SUCCESS ? 0 : -1;
}

void callbacks_serve(struct milter *milter)
{
	the_milter = milter;
}
