/*
 * From a connected socket to a server that is ready for mail: greeting, EHLO or HELO, STARTTLS,
 * EHLO again; or TLS before all of that (RFC 8314 3.3). AUTH is in smtp_client_auth.c.
 *
 * What the server said before TLS is forgotten (RFC 3207 4.2), and not one byte of plaintext passes
 * into the TLS session (CVE-2011-0411). A server that calls itself by our own name is ourselves: a
 * mail loop. Whether mail may go without TLS is the level's affair; whether to try again without it
 * is decided by delivery_policy.c and done by the caller on a new connection.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "lib/endpoint.h"
#include "lib/mail_address.h"
#include "smtp_client.h"
#include "smtp_client_io.h"

/* RFC 3207 gives no time for the answer to STARTTLS; Postfix's smtp_starttls_timeout. */
#define STARTTLS_TIMEOUT_MS 300000
/* Replies are short, and each delivery has a buffer for them. */
#define INPUT_CHUNK 2000

struct greeting {
	char domain[256];
};

static void on_greeting_line(void *context, size_t line_number, const char *text, size_t length)
{
	struct greeting *greeting = context;

	if (line_number == 0)
		smtp_capability_domain(greeting->domain, sizeof(greeting->domain), text, length);
}

static void on_ehlo_line(void *context, size_t line_number, const char *text, size_t length)
{
	smtp_capability_line(context, line_number, text, length);
}

/* A literal of the address that we have connected from. */
static bool is_own_address(const struct smtp_client *client, const char *domain)
{
	struct sockaddr_storage own = { 0 };
	socklen_t length = sizeof(own);
	struct mailbox mailbox = { .is_literal = true };
	char text[SOCKADDR_TEXT_MAX], greeted[SOCKADDR_TEXT_MAX];

	snprintf(mailbox.domain, sizeof(mailbox.domain), "%s", domain);
	return domain[0] == '[' && mailbox_literal_address(&mailbox, greeted, sizeof(greeted)) == 0 &&
	       getsockname(client->stream.read_fd, (struct sockaddr *)&own, &length) == 0 &&
	       strcmp(endpoint_print_address((struct sockaddr *)&own, text, sizeof(text)), greeted) == 0;
}

static int check_loop(const struct smtp_client *client, enum delivery_stage stage,
		      const char *domain, struct smtp_event *event)
{
	if (domain[0] == '\0' || (strcasecmp(domain, client->params.ehlo_name) != 0 &&
				  !is_own_address(client, domain)))
		return 0;
	smtp_client_fail(event, stage, SMTP_FAILURE_LOOP, "host greeted me with my own name %s",
			 domain);
	return -1;
}

static int read_greeting(struct smtp_client *client, struct smtp_event *event)
{
	struct greeting greeting = { "" };

	if (smtp_client_read_reply(client, STAGE_GREETING,
				   smtp_client_deadline(client, SMTP_GREETING_TIMEOUT_MS),
				   on_greeting_line, &greeting, event) != 0 ||
	    !smtp_reply_is(&event->reply, REPLY_COMPLETION))
		return -1;
	return check_loop(client, STAGE_GREETING, greeting.domain, event);
}

static int say_helo(struct smtp_client *client, struct smtp_event *event)
{
	struct greeting greeting = { "" };
	char command[SMTP_DOMAIN_MAX + 16];

	snprintf(command, sizeof(command), "HELO %s\r\n", client->params.ehlo_name);
	if (smtp_client_command(client, STAGE_EHLO, SMTP_EHLO_TIMEOUT_MS, command, on_greeting_line,
				&greeting, event) != 0 ||
	    !smtp_reply_is(&event->reply, REPLY_COMPLETION))
		return -1;
	return check_loop(client, STAGE_EHLO, greeting.domain, event);
}

/* EHLO; a 5xx means a server from before 1995, or one that wants to be spoken to like one. */
static int say_ehlo(struct smtp_client *client, struct smtp_event *event)
{
	struct smtp_capabilities *capabilities = &client->capabilities;
	char command[SMTP_DOMAIN_MAX + 16];

	memset(capabilities, 0, sizeof(*capabilities));
	snprintf(command, sizeof(command), "EHLO %s\r\n", client->params.ehlo_name);
	if (smtp_client_command(client, STAGE_EHLO, SMTP_EHLO_TIMEOUT_MS, command, on_ehlo_line,
				capabilities, event) != 0)
		return -1;
	if (smtp_reply_is(&event->reply, REPLY_COMPLETION)) {
		capabilities->esmtp = true;
		return check_loop(client, STAGE_EHLO, capabilities->domain, event);
	}
	memset(capabilities, 0, sizeof(*capabilities));
	return smtp_reply_is(&event->reply, REPLY_PERMANENT) ? say_helo(client, event) : -1;
}

static bool is_cancelled(const struct smtp_client *client)
{
	struct pollfd fd = { .fd = client->params.cancel_fd, .events = POLLIN };

	return poll(&fd, 1, 0) > 0;
}

#define DEMAND_MAX (sizeof(((struct tls_terms *)0)->rule) + sizeof(((struct tls_terms *)0)->reproduce) + 16)

/* Who demands TLS here, and a command that shows what is wrong: "DANE; see: posttls-finger ..." */
static void print_demand(const struct smtp_client *client, char *out, size_t size)
{
	const struct tls_terms *terms = client->params.terms;

	snprintf(out, size, "%s%s%s", terms->rule, terms->reproduce[0] != '\0' ? "; see: " : "",
		 terms->reproduce);
}

static void fail_handshake(const struct smtp_client *client, struct smtp_event *event)
{
	const struct tls_terms *terms = client->params.terms;
	char demand[DEMAND_MAX];

	print_demand(client, demand, sizeof(demand));
	if (client->tls.fault != TLS_FAULT_HANDSHAKE)
		smtp_client_fail(event, STAGE_TLS, SMTP_FAILURE_TLS_CERTIFICATE, "%s (demanded by %s)",
				 client->tls.error, demand);
	else if (terms->level != TLS_MAY)
		smtp_client_fail(event, STAGE_TLS, SMTP_FAILURE_TLS_HANDSHAKE,
				 "%s (TLS is demanded by %s)", client->tls.error, demand);
	else
		smtp_client_fail(event, STAGE_TLS, SMTP_FAILURE_TLS_HANDSHAKE, "%s",
				 client->tls.error);
}

static int shake_hands(struct smtp_client *client, struct smtp_event *event)
{
	smtp_client_enter_stage(client, STAGE_TLS);
	if (tls_stream_start(&client->stream, client->params.tls, client->params.terms, client->params.resume_key,
			     smtp_client_deadline(client, SMTP_TLS_HANDSHAKE_TIMEOUT_MS),
			     &client->tls) == 0)
		return 0;
	if (is_cancelled(client))
		smtp_client_fail(event, STAGE_TLS, SMTP_FAILURE_CANCELLED, "%s", client->tls.error);
	else
		fail_handshake(client, event);
	return -1;
}

static int start_tls(struct smtp_client *client, struct smtp_event *event)
{
	if (smtp_client_command(client, STAGE_TLS, STARTTLS_TIMEOUT_MS, "STARTTLS\r\n", NULL, NULL,
				event) != 0)
		return -1;
	if (!smtp_reply_is(&event->reply, REPLY_COMPLETION)) {
		smtp_reply_print(&event->reply, event->detail, sizeof(event->detail));
		return -1;
	}
	/*
	 * Now it is the server who waits. Whatever it says before our ClientHello was put there by
	 * somebody (nostarttls.secvuln.info).
	 */
	stream_has_input(&client->stream);
	if (buffer_length(&client->stream.input) > 0) {
		smtp_client_fail(event, STAGE_TLS, SMTP_FAILURE_TLS_INJECTION, "%zu bytes",
				 buffer_length(&client->stream.input));
		return -1;
	}
	if (shake_hands(client, event) != 0)
		return -1;
	if (say_ehlo(client, event) == 0)
		return 0;
	if (event->failure == SMTP_FAILURE_LOST && client->capabilities.domain[0] == '\0')
		smtp_client_fail(event, STAGE_TLS, SMTP_FAILURE_TLS_HANDSHAKE,
				 "connection lost before the first reply%s%s",
				 client->stream.error[0] != '\0' ? ": " : "", client->stream.error);
	return -1;
}

static int converse(struct smtp_client *client, struct smtp_event *event)
{
	char demand[DEMAND_MAX];

	if ((client->params.is_wrapped && shake_hands(client, event) != 0) ||
	    read_greeting(client, event) != 0 || say_ehlo(client, event) != 0)
		return -1;
	if (client->params.terms->level == TLS_NONE || client->params.is_wrapped)
		return 0;
	if (client->capabilities.starttls)
		return start_tls(client, event);
	if (client->params.terms->level == TLS_MAY)
		return 0;
	print_demand(client, demand, sizeof(demand));
	smtp_client_fail(event, STAGE_TLS, SMTP_FAILURE_TLS_NOT_OFFERED, "%s", demand);
	return -1;
}

int smtp_client_open(struct smtp_client *client, int fd, const struct smtp_client_params *params,
		     struct smtp_event *event)
{
	int on = 1;

	memset(client, 0, sizeof(*client));
	client->params = *params;
	client->data_rate_grace_ms = SMTP_MIN_DATA_RATE_GRACE_MS;
	/*
	 * The final dot goes alone and shall not wait for an acknowledgement. Not every socket is
	 * TCP; no matter.
	 */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	stream_init(&client->stream, fd, fd);
	client->stream.input_chunk = INPUT_CHUNK;
	client->stream.cancel_fd = params->cancel_fd;
	client->is_open = true;
	if (converse(client, event) != 0 || smtp_client_log_in(client, event) != 0) {
		smtp_client_close(client);
		return -1;
	}
	client->opened_ms = deadline_now_ms();
	return 0;
}
