/*
 * The whole conversation with a server that says anything: two messages over one connection. The
 * first two bytes choose the terms, the message and its recipients; the rest is what the server
 * says, in parts with a byte 0x01 between them. A part comes when the client waits for an answer;
 * one that begins with 0x02 already when it waits for room to write; at one that begins with 0x03
 * the server starts TLS with the client, and says the rest of it inside. Then it closes.
 *
 * Every recipient is reported once. Success stands on a 2xx to a final dot that the server has read
 * behind the whole content, which was asked for before; without leave no dot goes out; and what
 * failed is told in printable words. Some of the clients log in: their password is said inside TLS
 * alone, and what becomes of an answer to it does not hold it, whatever the server repeats.
 *
 * There is one thread: this file has a poll(2) of its own, before libc's, which plays the server
 * whenever the client waits.
 *
 * feeds: a whole SMTP conversation with a hostile server, in plaintext and inside TLS
 * covers: edge/smtp_client.c edge/smtp_client_open.c edge/smtp_client_transaction.c
 *     edge/smtp_client_content.c edge/smtp_client_auth.c edge/sasl_response.c edge/tls_stream.c
 */
#include <fcntl.h>
#include <openssl/err.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "edge/smtp_client.h"
#include "fuzz_target.h"
#include "tests/fake/fake_tls.h"

#define RECIPIENTS_MAX 4
#define LAST_LINE "This is the last line.\r\n"
#define SEEN_MAX (512 * 1024)

enum { NEXT_PART = 1, WHILE_WRITING = 2, START_TLS = 3 };

static struct {
	int fd, client_fd; /* fd -1: nobody is there any more */
	const uint8_t *at;
	size_t left;
	SSL *ssl;
	char seen[SEEN_MAX]; /* what the client said, TLS taken off */
	size_t seen_length;
} server;

static SSL_CTX *server_ssl_ctx;
static struct tls_context *client_tls;
static uint64_t inputs;

/* ---- the password ---- */

/* As no server says it by chance, plain and in base64, of PLAIN as of LOGIN. */
#define PASSWORD "pa55 word"
#define PASSWORD_BASE64 "cGE1NSB3b3Jk"
#define PLAIN_BASE64 "AHVzZXIAcGE1NSB3b3Jk"

static enum smtp_login_result find_login(void *context, struct sasl_login *login)
{
	bool is_long = *(const bool *)context;

	snprintf(login->user, sizeof(login->user), "user");
	snprintf(login->password, sizeof(login->password), "%s", PASSWORD);
	if (is_long) {
		memset(login->password, 'p', SASL_PASSWORD_MAX);
		memset(login->user, 'u', SASL_USER_MAX);
	}
	return SMTP_LOGIN_FOUND;
}

static void require_no_password(const char *text)
{
	require(strstr(text, PASSWORD) == NULL && strstr(text, PASSWORD_BASE64) == NULL &&
		strstr(text, PLAIN_BASE64) == NULL);
}

/* ---- the server ---- */

static void hear(void)
{
	size_t got = 0;
	ssize_t plain;

	/* OpenSSL's own sockets raise it; the client's must not, so it is only ignored meanwhile. */
	signal(SIGPIPE, SIG_IGN);
	for (;;) {
		char *to = server.seen + server.seen_length;
		size_t room = SEEN_MAX - 1 - server.seen_length;

		if (server.ssl == NULL)
			got = (plain = recv(server.fd, to, room, MSG_DONTWAIT)) > 0 ? (size_t)plain
										    : 0;
		else if (!SSL_is_init_finished(server.ssl) ||
			 SSL_read_ex(server.ssl, to, room, &got) != 1)
			got = 0;
		if (got == 0)
			break;
		server.seen_length += got;
	}
	ERR_clear_error();
	signal(SIGPIPE, SIG_DFL);
	server.seen[server.seen_length] = '\0';
}

static void leave(void)
{
	if (server.fd < 0)
		return;
	hear();
	if (server.ssl == NULL)
		require_no_password(server.seen);
	SSL_free(server.ssl);
	server.ssl = NULL;
	close(server.fd);
	server.fd = -1;
}

static void say(const uint8_t *bytes, size_t length)
{
	size_t put;

	if (length == 0)
		return;
	signal(SIGPIPE, SIG_IGN);
	if (server.ssl == NULL)
		send(server.fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);
	else
		SSL_write_ex(server.ssl, bytes, length, &put);
	signal(SIGPIPE, SIG_DFL);
	ERR_clear_error();
}

/* Before the next part, if that is what it begins with: what the client says from here on is TLS. */
static void start_tls(void)
{
	if (server.left == 0 || server.at[0] != START_TLS || server.ssl != NULL)
		return;
	server.at++;
	server.left--;
	server.ssl = SSL_new(server_ssl_ctx);
	require(server.ssl != NULL && SSL_set_fd(server.ssl, server.fd) == 1);
	SSL_set_accept_state(server.ssl);
}

static bool client_has_input(void)
{
	int waiting = 0;

	return ioctl(server.client_fd, FIONREAD, &waiting) == 0 && waiting > 0;
}

/* The client waits: so the next part, or the end. */
static void answer(void)
{
	const uint8_t *end;
	size_t length;

	if (server.ssl != NULL && !SSL_is_init_finished(server.ssl)) {
		SSL_do_handshake(server.ssl);
		ERR_clear_error();
		if (client_has_input())
			return;
		if (!SSL_is_init_finished(server.ssl)) {
			leave();
			return;
		}
	}
	if (server.left == 0) {
		leave();
		return;
	}
	end = memchr(server.at, NEXT_PART, server.left);
	length = end != NULL ? (size_t)(end - server.at) : server.left;
	say(server.at, length);
	length += end != NULL;
	server.at += length;
	server.left -= length;
}

/* In the place of libc's. */
int poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
	const struct timespec patience = { timeout_ms / 1000, timeout_ms % 1000 * 1000000 };
	bool is_writing = false, is_ours = false;

	for (nfds_t i = 0; i < count; i++) {
		fds[i].revents = 0;
		is_ours = is_ours || (fds[i].fd >= 0 && fds[i].fd == server.client_fd);
		is_writing =
			is_writing || (fds[i].fd == server.client_fd && fds[i].events & POLLOUT);
	}
	if (!is_ours || server.fd < 0)
		return ppoll(fds, count, timeout_ms < 0 ? NULL : &patience, NULL);
	start_tls();
	hear();
	if (!is_writing) {
		/* A part may be empty: then the next one. */
		while (server.fd >= 0 && !client_has_input())
			answer();
	} else if (server.left > 0 && server.at[0] == WHILE_WRITING) {
		server.at++;
		server.left--;
		answer();
	}
	for (nfds_t i = 0; i < count; i++)
		if (fds[i].fd == server.client_fd)
			fds[i].revents = fds[i].events;
	return 1;
}

static void serve(const uint8_t *bytes, size_t length)
{
	int fds[2], small = 2048, big = 512 * 1024;

	require(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
	setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &big, sizeof(big));
	require(fcntl(fds[1], F_SETFL, O_NONBLOCK) == 0);
	server.client_fd = fds[0];
	server.fd = fds[1];
	server.at = bytes;
	server.left = length;
	server.seen_length = 0;
	server.seen[0] = '\0';
}

/* ---- the client ---- */

struct mail {
	struct envelope envelope;
	struct content_pool pool;
	struct content content;
	bool may_send_dot;
	bool was_asked, is_asked_for[RECIPIENTS_MAX];
	bool is_reported[RECIPIENTS_MAX], is_delivered;
};

static size_t count_messages(void)
{
	size_t count = 0;

	for (const char *at = server.seen;
	     (at = memmem(at, server.seen_length - (size_t)(at - server.seen), LAST_LINE ".\r\n",
			  sizeof(LAST_LINE ".\r\n") - 1)) != NULL;
	     at++)
		count++;
	return count;
}

static int before_dot(void *context, const size_t *indices, size_t count)
{
	struct mail *mail = context;

	require(!mail->was_asked && count > 0 && count <= mail->envelope.recipient_count);
	mail->was_asked = true;
	for (size_t i = 0; i < count; i++) {
		require(indices[i] < mail->envelope.recipient_count &&
			!mail->is_reported[indices[i]]);
		mail->is_asked_for[indices[i]] = true;
	}
	return mail->may_send_dot ? 0 : -1;
}

static void on_result(void *context, size_t index, const struct smtp_event *event)
{
	struct mail *mail = context;

	require(index < mail->envelope.recipient_count && !mail->is_reported[index]);
	mail->is_reported[index] = true;
	require_printable(event->detail);
	require_printable(event->reply.text);
	if (event->final_dot_sent)
		require(mail->is_asked_for[index] && mail->may_send_dot &&
			event->failure != SMTP_FAILURE_NONE);
	if (event->failure != SMTP_FAILURE_NONE)
		return;
	require(event->reply.code >= 200 && event->reply.code <= 599);
	if (event->stage == STAGE_AFTER_FINAL_DOT && event->reply.code < 300) {
		require(mail->is_asked_for[index] && mail->may_send_dot);
		mail->is_delivered = true;
	} else {
		require(event->reply.code >= 300);
	}
}

/* Of many lengths, so that the room of the socket ends at many places. */
static void write_content(struct mail *mail, unsigned lines)
{
	require(content_append(&mail->content, "Subject: x\r\n\r\n..\r\n", 18) == CONTENT_OK);
	for (; lines > 0; lines--)
		require(content_append(&mail->content, "0123456789\r\n", 12) == CONTENT_OK);
	require(content_append(&mail->content, LAST_LINE, sizeof(LAST_LINE) - 1) == CONTENT_OK);
}

static void write_mail(struct mail *mail, const uint8_t options[2])
{
	struct recipient recipient = { .notify = DSN_NOTIFY_NEVER,
				       .forward_path = { .domain = "example.net" } };

	memset(mail, 0, sizeof(*mail));
	envelope_init(&mail->envelope);
	content_pool_init(&mail->pool, 1024 * 1024);
	content_init(&mail->content, &mail->pool);
	snprintf(mail->envelope.reverse_path.mailbox.local_part,
		 sizeof(mail->envelope.reverse_path.mailbox.local_part), "s");
	snprintf(mail->envelope.reverse_path.mailbox.domain,
		 sizeof(mail->envelope.reverse_path.mailbox.domain), "example.org");
	mail->envelope.body_type = options[1] & 4 ? BODY_8BITMIME : BODY_7BIT;
	mail->envelope.smtputf8 = options[1] & 8;
	mail->may_send_dot = (options[1] & 0x20) == 0;
	for (int i = 0; i <= (options[1] & 3); i++) {
		snprintf(recipient.forward_path.local_part,
			 sizeof(recipient.forward_path.local_part), "u%d", i);
		require(envelope_add_recipient(&mail->envelope, &recipient) == 0);
	}
	write_content(mail, options[1] & 0x10 ? 100 + 53 * (options[0] >> 3) : 0);
}

static void send_mail(struct smtp_client *client, const uint8_t options[2])
{
	static const size_t indices[RECIPIENTS_MAX] = { 0, 1, 2, 3 };
	size_t before = count_messages();
	struct mail mail;
	bool is_usable;

	write_mail(&mail, options);
	is_usable = smtp_client_transaction(client, &(struct smtp_transaction){
							    .envelope = &mail.envelope,
							    .indices = indices,
							    .count = mail.envelope.recipient_count,
							    .content = &mail.content,
							    .prefix = "Received: by x\r\n",
							    .prefix_length = 16,
							    .result = on_result,
							    .before_final_dot = before_dot,
							    .context = &mail,
						    });
	require(is_usable == client->is_open);
	/* A stale session reports nobody, and has asked nobody whether the dot may go. */
	for (size_t i = 0; i < mail.envelope.recipient_count; i++)
		require(mail.is_reported[i] == !client->is_stale);
	require(!client->is_stale || (!is_usable && !mail.was_asked));
	if (server.fd >= 0)
		hear();
	require(!mail.is_delivered || count_messages() == before + 1);
	require((mail.may_send_dot && mail.was_asked) || count_messages() == before);
	envelope_wipe(&mail.envelope);
	content_wipe(&mail.content);
	content_pool_wipe(&mail.pool);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const struct fake_tls_options options = { .version = 0 };
	char error[200];

	(void)argc;
	(void)argv;
	server_ssl_ctx = fake_tls_server(&options);
	client_tls = tls_context_create(NULL, error, sizeof(error));
	require(server_ssl_ctx != NULL && client_tls != NULL);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	static const enum tls_level levels[] = { TLS_MAY, TLS_NONE, TLS_ENCRYPT, TLS_VERIFY };
	struct tls_terms terms = {
		.label = "may",
		.note = "",
		.rule = "a rule",
		.sni = "mx.example.net",
		.names = { "mx.example.net" },
		.name_count = 1,
		.protocols = TLS_V1_2 | TLS_V1_3,
	};
	struct smtp_client_params params = { .ehlo_name = "edge.example.org",
					     .terms = &terms,
					     .tls = client_tls,
					     .deadline = DEADLINE_NEVER,
					     .data_done_timeout_ms = SMTP_DATA_DONE_TIMEOUT_MS,
					     .cancel_fd = -1 };
	struct smtp_auth auth = { .may_be_anybody = true, .find_login = find_login };
	struct buffer resume_key;
	struct smtp_event event;
	struct smtp_client client;
	bool is_long;

	if (length < 2)
		return 0;
	is_long = bytes[0] & 0x80;
	auth.context = &is_long;
	params.auth = bytes[1] & 0x80 ? &auth : NULL;
	terms.level = levels[bytes[0] & 3];
	terms.check = terms.level == TLS_VERIFY ? TLS_CHECK_NAMES : TLS_CHECK_NOTHING;
	terms.needs_requiretls = bytes[0] & 4;
	/* TLS sessions are kept, but none is resumed: no input may depend on those before it. */
	buffer_init(&resume_key, sizeof(inputs));
	require(buffer_put_u64(&resume_key, ++inputs) == 0);
	params.resume_key = &resume_key;
	serve(bytes + 2, length - 2);
	if (smtp_client_open(&client, server.client_fd, &params, &event) == 0) {
		require(terms.level < TLS_ENCRYPT || client.tls.description[0] != '\0');
		require(terms.level != TLS_VERIFY);
		require(params.auth == NULL || client.tls.description[0] != '\0');
		send_mail(&client, bytes);
		/* Either another transaction of the same delivery, or the session goes through the cache. */
		if (bytes[1] & 0x40 && smtp_client_park(&client) == 0)
			smtp_client_resume(&client, &params);
		if (client.is_open)
			send_mail(&client, bytes);
		smtp_client_quit(&client);
	} else {
		require(event.failure != SMTP_FAILURE_NONE || event.reply.code >= 300);
		require_printable(event.detail);
		if (event.failure == SMTP_FAILURE_AUTH) {
			require_no_password(event.detail);
			require_no_password(event.reply.text);
		}
	}
	require(!client.is_open);
	buffer_wipe(&resume_key);
	leave();
	server.client_fd = -1;
	return 0;
}
