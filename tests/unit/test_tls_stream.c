/*
 * TLS under a stream against a server in a thread: any honest server is good enough, any other one
 * costs bounded time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "edge/tls_context.h"
#include "eventually.h"
#include "tests/fake/fake_tls.h"

#define SOON_MS PATIENCE_MS

struct server {
	struct fake_tls_options options;
	void (*talk)(struct server *server);	/* after the handshake */
	void (*instead)(struct server *server);	/* of a handshake */
	int fd;
	SSL *ssl;
	char sni[64];
	pthread_t thread;
};

static void *serve(void *argument)
{
	struct server *server = argument;
	SSL_CTX *ssl_ctx;
	sigset_t pipe_signal;

	sigemptyset(&pipe_signal);	/* this side writes with write(2) */
	sigaddset(&pipe_signal, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe_signal, NULL);
	if (server->instead != NULL) {
		server->instead(server);
	} else {
		ssl_ctx = fake_tls_server(&server->options);
		server->ssl = SSL_new(ssl_ctx);
		SSL_set_fd(server->ssl, server->fd);
		if (SSL_accept(server->ssl) == 1) {
			const char *sni = SSL_get_servername(server->ssl,
							     TLSEXT_NAMETYPE_host_name);

			snprintf(server->sni, sizeof(server->sni), "%s",
				 sni != NULL ? sni : "none");
			if (server->talk != NULL)
				server->talk(server);
		}
		SSL_free(server->ssl);
		SSL_CTX_free(ssl_ctx);
	}
	close(server->fd);
	return NULL;
}

struct client {
	struct tls_context *context;
	struct stream stream;
	struct tls_outcome outcome;
	int result;
};

static const struct tls_terms any_terms = {
	.level = TLS_MAY,
	.label = "may",
	.note = "",
	.protocols = TLS_V1_0 | TLS_V1_1 | TLS_V1_2 | TLS_V1_3,
};

static void start(struct client *client, struct server *server, const char *sni, int handshake_ms)
{
	struct tls_terms terms = any_terms;
	char error[160];
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	server->fd = fds[1];
	assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
	memset(client, 0, sizeof(*client));
	client->context = tls_context_create(NULL, error, sizeof(error));
	assert_non_null(client->context);
	stream_init(&client->stream, fds[0], fds[0]);
	if (sni != NULL)
		snprintf(terms.sni, sizeof(terms.sni), "%s", sni);
	client->result = tls_stream_start(&client->stream, client->context, &terms, NULL,
					  deadline_in_ms(handshake_ms), &client->outcome);
}

static void finish(struct client *client, struct server *server)
{
	stream_wipe(&client->stream);
	pthread_join(server->thread, NULL);
	tls_context_destroy(client->context);
}

static void say_hello_and_close(struct server *server)
{
	SSL_write(server->ssl, "220 hello\r\n", 11);
	SSL_shutdown(server->ssl);
}

static void check_hello_then_eof(struct client *client)
{
	char line[100];

	assert_int_equal(stream_read_line(&client->stream, line, sizeof(line), NULL,
					  deadline_in_ms(SOON_MS)),
			 STREAM_OK);
	assert_string_equal(line, "220 hello");
	assert_int_equal(stream_read_line(&client->stream, line, sizeof(line), NULL,
					  deadline_in_ms(SOON_MS)),
			 STREAM_EOF);
}

/* An expired certificate for another name, old versions, small keys: all better than cleartext. */
static void test_any_server_will_do(void **state)
{
	static const struct {
		struct fake_tls_options options;
		const char *begins;
	} rows[] = {
		{ { 0 }, "may TLSv1.3 TLS_" },
		{ { .version = TLS1_3_VERSION, .key_bits = 1024 }, "may TLSv1.3 TLS_" },
		{ { .version = TLS1_2_VERSION }, "may TLSv1.2 " },
		{ { .version = TLS1_1_VERSION, .key_bits = 1024 }, "may TLSv1.1 " },
		{ { .version = TLS1_VERSION }, "may TLSv1 " },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct server server = { .options = rows[i].options, .talk = say_hello_and_close };
		struct client client;

		start(&client, &server, "mx.example.net", SOON_MS);
		if (client.result != 0 ||
		    strncmp(client.outcome.description, rows[i].begins, strlen(rows[i].begins)) != 0)
			fail_msg("%s: %d \"%s\" %s", rows[i].begins, client.result,
				 client.outcome.description, client.outcome.error);
		assert_non_null(strstr(client.outcome.description, " (unauthenticated)"));
		check_hello_then_eof(&client);
		finish(&client, &server);
		assert_string_equal(server.sni, "mx.example.net");
	}
}

static void test_no_sni_for_a_literal(void **state)
{
	struct server server = { .talk = say_hello_and_close };
	struct client client;

	(void)state;
	start(&client, &server, NULL, SOON_MS);
	assert_int_equal(client.result, 0);
	finish(&client, &server);
	assert_string_equal(server.sni, "none");
}

static void say_half_a_reply(struct server *server)
{
	SSL_write(server->ssl, "250 2.0.0 queu", 14);
}

/* case 20: the connection ends without close_notify. */
static void test_truncation_is_the_end(void **state)
{
	struct server server = { .talk = say_half_a_reply };
	struct client client;
	char line[100];

	(void)state;
	start(&client, &server, NULL, SOON_MS);
	assert_int_equal(client.result, 0);
	assert_int_equal(stream_read_line(&client.stream, line, sizeof(line), NULL,
					  deadline_in_ms(SOON_MS)),
			 STREAM_EOF);
	finish(&client, &server);
}

static void echo_a_mebibyte(struct server *server)
{
	static char block[65536];
	int left = 1024 * 1024, got;

	while (left > 0 && (got = SSL_read(server->ssl, block, sizeof(block))) > 0) {
		if (SSL_write(server->ssl, block, got) != got)
			return;
		left -= got;
	}
}

static void test_a_mebibyte_there_and_back(void **state)
{
	struct server server = { .talk = echo_a_mebibyte };
	struct client client;
	static uint8_t out[32768], in[32768];

	(void)state;
	start(&client, &server, NULL, SOON_MS);
	assert_int_equal(client.result, 0);
	for (int round = 0; round < 32; round++) {
		for (size_t i = 0; i < sizeof(out); i++)
			out[i] = (uint8_t)(i * 7 + (size_t)round);
		assert_int_equal(stream_write_full(&client.stream, out, sizeof(out),
						   deadline_in_ms(SOON_MS)),
				 STREAM_OK);
		assert_int_equal(stream_read_full(&client.stream, in, sizeof(in),
						  deadline_in_ms(SOON_MS)),
				 STREAM_OK);
		assert_memory_equal(out, in, sizeof(out));
	}
	finish(&client, &server);
}

static void go_away_first(struct server *server)
{
	shutdown(server->fd, SHUT_RDWR);
}

/* A peer that is gone is an error of the write, not a SIGPIPE. */
static void test_write_to_nobody(void **state)
{
	struct server server = { .talk = go_away_first };
	struct client client;
	enum stream_result result = STREAM_OK;
	char block[4096] = { 0 };

	(void)state;
	signal(SIGPIPE, SIG_DFL);
	start(&client, &server, NULL, SOON_MS);
	assert_int_equal(client.result, 0);
	for (int i = 0; i < 1000 && result == STREAM_OK; i++)
		result = stream_write_full(&client.stream, block, sizeof(block),
					   deadline_in_ms(SOON_MS));
	assert_int_equal(result, STREAM_ERROR);
	assert_true(stream_error(&client.stream)[0] != '\0');
	finish(&client, &server);
}

static void wait_for_anything(const struct server *server)
{
	char bytes[4096];

	while (read(server->fd, bytes, sizeof(bytes)) < 0)
		;
}

static void write_garbage(struct server *server)
{
	send(server->fd, "250 this is not TLS at all\r\n", 28, MSG_NOSIGNAL);
	wait_for_anything(server);
}

static void write_alert(struct server *server)
{
	static const char alert[] = { 0x15, 3, 3, 0, 2, 2, 40 }; /* fatal handshake_failure */

	send(server->fd, alert, sizeof(alert), MSG_NOSIGNAL);
	wait_for_anything(server);
}

static void close_at_once(struct server *server)
{
	wait_for_anything(server);
}

static void be_silent(struct server *server)
{
	char byte;

	while (read(server->fd, &byte, 1) > 0)
		;
}

/* A ServerHello that announces 16 MiB and keeps coming. */
static void write_a_giant_message(struct server *server)
{
	char record[5 + 16384] = { 0x16, 3, 3, 0x40, 0, 2, (char)0xff, (char)0xff, (char)0xff };

	while (send(server->fd, record, sizeof(record), MSG_NOSIGNAL) > 0)
		memset(record + 5, 0, 4);
}

/*
 * HelloRequest may come at any time in a handshake (RFC 5246 7.4.1.1) and is skipped: a flood never
 * runs dry.
 */
static void write_hello_requests(struct server *server)
{
	char records[900];

	for (size_t i = 0; i < sizeof(records); i += 9)
		memcpy(records + i, "\x16\x03\x03\x00\x04\x00\x00\x00\x00", 9);
	while (send(server->fd, records, sizeof(records), MSG_NOSIGNAL) > 0)
		;
}

/* cases 17, 18, 19 */
static void test_broken_handshakes(void **state)
{
	static const struct {
		const char *name;
		void (*instead)(struct server *server);
		int deadline_ms;
		const char *error;
	} rows[] = {
		{ "garbage", write_garbage, SOON_MS, "wrong version number" },
		{ "alert", write_alert, SOON_MS, "sslv3 alert handshake failure" },
		{ "close", close_at_once, SOON_MS, "lost connection" },
		{ "stall", be_silent, 200, "handshake timed out" },
		{ "giant message", write_a_giant_message, SOON_MS, "excessive message size" },
		{ "HelloRequest flood", write_hello_requests, SOON_MS, "handshake of more than" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct server server = { .instead = rows[i].instead };
		struct client client;

		start(&client, &server, NULL, rows[i].deadline_ms);
		if (client.result != -1 || strstr(client.outcome.error, rows[i].error) == NULL)
			fail_msg("%s: %d \"%s\"", rows[i].name, client.result, client.outcome.error);
		finish(&client, &server);
	}
}

/* case 18: thousands of certificates. */
static void test_endless_certificate_chain(void **state)
{
	struct server server = { .options = { .chain_length = 2000 } };
	struct client client;

	(void)state;
	start(&client, &server, NULL, SOON_MS);
	assert_int_equal(client.result, -1);
	assert_non_null(strstr(client.outcome.error, "excessive message size"));
	finish(&client, &server);
}

static void ask_for_renegotiation(struct server *server)
{
	char byte;

	SSL_renegotiate(server->ssl);
	SSL_do_handshake(server->ssl);
	SSL_write(server->ssl, "220 hello\r\n", 11);
	SSL_read(server->ssl, &byte, 1);
}

/* case 19: the request is declined, nothing hangs, nothing is renegotiated. */
static void test_renegotiation_is_declined(void **state)
{
	struct server server = { .options = { .version = TLS1_2_VERSION },
				 .talk = ask_for_renegotiation };
	struct client client;
	enum stream_result result;
	char line[100];

	(void)state;
	start(&client, &server, NULL, SOON_MS);
	assert_int_equal(client.result, 0);
	result = stream_read_line(&client.stream, line, sizeof(line), NULL,
				  deadline_in_ms(SOON_MS));
	assert_true(result == STREAM_OK || result == STREAM_EOF || result == STREAM_ERROR);
	finish(&client, &server);
}

static void update_keys_for_ever(struct server *server)
{
	for (int i = 0; i < 100000; i++)
		if (SSL_key_update(server->ssl, SSL_KEY_UPDATE_NOT_REQUESTED) != 1 ||
		    SSL_do_handshake(server->ssl) != 1)
			break;
}

/* case 19: KeyUpdate without end. */
static void test_key_update_flood(void **state)
{
	struct server server = { .options = { .version = TLS1_3_VERSION },
				 .talk = update_keys_for_ever };
	struct client client;
	enum stream_result result;
	char line[100];

	(void)state;
	start(&client, &server, NULL, SOON_MS);
	assert_int_equal(client.result, 0);
	result = stream_read_line(&client.stream, line, sizeof(line), NULL, deadline_in_ms(300));
	assert_true(result == STREAM_ERROR || result == STREAM_TIMEOUT || result == STREAM_EOF);
	finish(&client, &server);
}

/* case 14: what was read before the handshake can never be taken for something said inside it. */
static void test_buffered_plaintext_is_refused(void **state)
{
	struct tls_context *context;
	struct stream stream;
	struct tls_outcome outcome;
	char error[160], line[100];
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	context = tls_context_create(NULL, error, sizeof(error));
	assert_non_null(context);
	stream_init(&stream, fds[0], fds[0]);
	assert_int_equal(write(fds[1], "220 go\r\n250 injected\r\n", 22), 22);
	assert_int_equal(stream_read_line(&stream, line, sizeof(line), NULL,
					  deadline_in_ms(SOON_MS)),
			 STREAM_OK);
	assert_int_equal(tls_stream_start(&stream, context, &any_terms, NULL, deadline_in_ms(SOON_MS),
					  &outcome),
			 -1);
	assert_string_equal(outcome.error, "plaintext data before the TLS handshake");
	stream_wipe(&stream);
	close(fds[1]);
	tls_context_destroy(context);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any_server_will_do),
		cmocka_unit_test(test_no_sni_for_a_literal),
		cmocka_unit_test(test_truncation_is_the_end),
		cmocka_unit_test(test_a_mebibyte_there_and_back),
		cmocka_unit_test(test_write_to_nobody),
		cmocka_unit_test(test_broken_handshakes),
		cmocka_unit_test(test_endless_certificate_chain),
		cmocka_unit_test(test_renegotiation_is_declined),
		cmocka_unit_test(test_key_update_flood),
		cmocka_unit_test(test_buffered_plaintext_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
