/*
 * Logging in to a relay: AUTH (RFC 4954) with PLAIN (RFC 4616), or LOGIN where there is no PLAIN.
 *
 *	C: AUTH PLAIN [initial-response]	S: 334 [challenge]	C: response	S: 235
 *	C: AUTH LOGIN		S: 334 "Username:"	C: name		S: 334 "Password:"	C: password
 *
 * What stands in a challenge is not looked at: servers write "Username:", "User Name", or nothing,
 * and there is only one thing that they can want. Who wants more than the mechanism has is told "*".
 *
 * Both mechanisms show the password to whom they speak, so it must be the right one: nothing is sent
 * outside TLS, and inside only to a server whose certificate was verified, unless it was said that
 * any will do. No byte of a password gets into an event: what a server says back is searched for it.
 */
#include <stdio.h>
#include <string.h>

#include "lib/log.h"
#include "sasl_response.h"
#include "smtp_client.h"
#include "smtp_client_io.h"

/* RFC 5321 4.5.3.1.4: a longer initial response goes into a line of its own (RFC 4954 4). */
#define COMMAND_LINE_MAX 512
#define COMMAND_MAX (SASL_RESPONSE_MAX + 32)

/* The secrets of one exchange, in base64, and the lines that are made of them. */
struct login_exchange {
	struct smtp_client *client;
	struct smtp_event *event;
	const char *mechanism;
	struct sasl_login login;
	char plain[SASL_RESPONSE_MAX], user[SASL_RESPONSE_MAX], password[SASL_RESPONSE_MAX];
	char line[COMMAND_MAX];
};

static int fail(struct login_exchange *exchange, const char *reason)
{
	smtp_client_fail(exchange->event, STAGE_EHLO, SMTP_FAILURE_AUTH, "%s", reason);
	return -1;
}

/* Stars in the place of a secret that a server repeats. */
static void hide(char *text, const char *secret)
{
	char printed[2 * SASL_RESPONSE_MAX];
	size_t length;

	log_printable(printed, sizeof(printed), secret, strlen(secret));
	length = strlen(printed);
	for (char *at = text; length > 0 && (at = strstr(at, printed)) != NULL; at += length)
		memset(at, '*', length);
	explicit_bzero(printed, sizeof(printed));
}

static int say(struct login_exchange *exchange, const char *text)
{
	struct smtp_event *event = exchange->event;
	int result;

	snprintf(exchange->line, sizeof(exchange->line), "%s\r\n", text);
	result = smtp_client_command(exchange->client, STAGE_EHLO, SMTP_EHLO_TIMEOUT_MS,
				     exchange->line, NULL, NULL, event);
	hide(event->reply.text, exchange->login.password);
	hide(event->reply.text, exchange->plain);
	hide(event->reply.text, exchange->password);
	if (result != 0 && event->detail[0] == '\0')
		snprintf(event->detail, sizeof(event->detail), "in AUTH %s", exchange->mechanism);
	return result;
}

/* The server asks for more than there is. */
static int cancel(struct login_exchange *exchange)
{
	if (say(exchange, "*") == 0 && exchange->event->reply.code != 421)
		fail(exchange, "the server did not come to an end");
	return -1;
}

static int judge(struct login_exchange *exchange)
{
	struct smtp_event *event = exchange->event;
	char said[SMTP_REPLY_TEXT_MAX + 32];

	if (event->reply.code == 334)
		return cancel(exchange);
	if (smtp_reply_is(&event->reply, REPLY_COMPLETION))
		return 0;
	if (event->reply.code == 421)
		return -1;
	if (smtp_reply_is(&event->reply, REPLY_TRANSIENT) ||
	    smtp_reply_is(&event->reply, REPLY_PERMANENT)) {
		event->failure = SMTP_FAILURE_AUTH;
		return -1;
	}
	smtp_reply_print(&event->reply, said, sizeof(said));
	smtp_client_fail(event, STAGE_EHLO, SMTP_FAILURE_PROTOCOL, "AUTH %s was answered \"%s\"",
			 exchange->mechanism, said);
	return -1;
}

/* `responses`: what challenges are answered with, NULL at the end. */
static int converse(struct login_exchange *exchange, const char *command,
		    const char *const *responses)
{
	if (say(exchange, command) != 0)
		return -1;
	while (exchange->event->reply.code == 334 && *responses != NULL)
		if (say(exchange, *responses++) != 0)
			return -1;
	return judge(exchange);
}

static int use_plain(struct login_exchange *exchange)
{
	const char *const responses[] = { exchange->plain, NULL };
	char command[COMMAND_MAX] = "AUTH PLAIN";
	int result;

	exchange->mechanism = "PLAIN";
	if (strlen(command) + 1 + strlen(exchange->plain) + 2 <= COMMAND_LINE_MAX)
		snprintf(command, sizeof(command), "AUTH PLAIN %s", exchange->plain);
	result = converse(exchange, command, responses);
	explicit_bzero(command, sizeof(command));
	return result;
}

static int use_login(struct login_exchange *exchange)
{
	const char *const responses[] = { exchange->user, exchange->password, NULL };

	exchange->mechanism = "LOGIN";
	return converse(exchange, "AUTH LOGIN", responses);
}

/* NULL, or why this server must not hear a password. */
static const char *unsafe(const struct smtp_client *client)
{
	const struct tls_terms *terms = client->params.terms;

	if (client->tls.description[0] == '\0')
		return "no password is sent without TLS";
	if (!client->params.auth->may_be_anybody &&
	    (terms->check == TLS_CHECK_NOTHING || terms->is_test))
		return "no password is sent to a server whose certificate was not verified";
	return NULL;
}

static int log_in(struct login_exchange *exchange)
{
	const struct smtp_capabilities *capabilities = &exchange->client->capabilities;
	const char *reason = unsafe(exchange->client);

	if (reason != NULL)
		return fail(exchange, reason);
	sasl_response_plain(exchange->plain, &exchange->login);
	sasl_response_text(exchange->user, exchange->login.user);
	sasl_response_text(exchange->password, exchange->login.password);
	if (capabilities->auth_plain)
		return use_plain(exchange);
	if (capabilities->auth_login)
		return use_login(exchange);
	return fail(exchange, capabilities->auth ? "the server has neither AUTH PLAIN nor AUTH LOGIN"
						 : "the server offers no AUTH");
}

int smtp_client_log_in(struct smtp_client *client, struct smtp_event *event)
{
	const struct smtp_auth *auth = client->params.auth;
	struct login_exchange exchange = { .client = client, .event = event };
	int result = -1;

	if (auth == NULL)
		return 0;
	switch (auth->find_login(auth->context, &exchange.login)) {
	case SMTP_LOGIN_FOUND:
		result = log_in(&exchange);
		if (result != 0 && event->failure == SMTP_FAILURE_AUTH &&
		    smtp_reply_is(&event->reply, REPLY_PERMANENT) && auth->on_refused != NULL)
			auth->on_refused(auth->context);
		break;
	case SMTP_LOGIN_HELD:
		fail(&exchange, "this login was refused a moment ago and is not tried again yet");
		break;
	case SMTP_LOGIN_NONE:
		result = auth->is_required ? fail(&exchange, "relay_passwords has no login for this relay") : 0;
		break;
	case SMTP_LOGIN_ERROR:
		smtp_client_fail(event, STAGE_EHLO, SMTP_FAILURE_LOCAL,
				 "the process that keeps the passwords is gone");
		break;
	}
	explicit_bzero(&exchange, sizeof(exchange));
	return result;
}
