/* The policy service on a real socket, and the certificates that come out of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "eventually.h"
#include "lib/endpoint.h"
#include "milter/client_certificates.h"
#include "milter/policy_service.h"


static struct client_certificates *certificates;
static char path[100];

static int connect_service(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static int start_service(void **state)
{
	struct endpoint endpoint;
	char text[120], error[200];
	int fd;

	(void)state;
	snprintf(path, sizeof(path), "/tmp/postern-policy-%d.sock", (int)getpid());
	snprintf(text, sizeof(text), "unix:%s", path);
	certificates = client_certificates_create();
	return certificates == NULL || endpoint_parse(&endpoint, text, NULL, error, sizeof(error)) < 0 ||
			       endpoint_listen(&endpoint, &fd, 1, error, sizeof(error)) < 0 ||
			       policy_service_start(fd, certificates) < 0 ?
		       -1 :
		       0;
}

static int stop_service(void **state)
{
	(void)state;
	unlink(path);
	return 0;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* What comes within the time; "" for a connection that was closed. */
static void expect(int fd, const char *text)
{
	char got[200] = "";
	size_t length = 0;

	while (length < strlen(text) || text[0] == '\0') {
		struct pollfd wait = { .fd = fd, .events = POLLIN };
		ssize_t count;

		assert_int_equal(poll(&wait, 1, PATIENCE_MS), 1);
		count = recv(fd, got + length, sizeof(got) - 1 - length, 0);
		if (count <= 0)
			break;
		length += (size_t)count;
	}
	assert_string_equal(got, text);
}

static void test_certificate_arrives_and_is_used_once(void **state)
{
	struct client client;
	int fd = connect_service();

	(void)state;
	say(fd, "client_address=192.0.2.4\nclient_port=77\nsender=a@b\nccert_fingerprint=AA:BB\nccert_pubkey_fingerprint=CC\n\n");
	expect(fd, "action=DUNNO\n\n");
	/* another port, address or sender is another client */
	client_certificates_take(certificates, "192.0.2.4", "78", "a@b", &client);
	assert_string_equal(client.certificate, "");
	client_certificates_take(certificates, "192.0.2.5", "77", "a@b", &client);
	assert_string_equal(client.certificate, "");
	client_certificates_take(certificates, "192.0.2.4", "77", "c@b", &client);
	assert_string_equal(client.certificate, "");
	client_certificates_take(certificates, "192.0.2.4", "77", "a@b", &client);
	assert_string_equal(client.certificate, "AA:BB");
	assert_string_equal(client.public_key, "CC");
	client_certificates_take(certificates, "192.0.2.4", "77", "a@b", &client);
	assert_string_equal(client.certificate, "");
	close(fd);
}

/* The last one told for a client is the one that counts; the ones before are gone with it. */
static void test_later_certificate_wins(void **state)
{
	struct client client;

	(void)state;
	client_certificates_put(certificates, "192.0.2.4", "77", "a@b", "AA", "");
	client_certificates_put(certificates, "192.0.2.4", "77", "a@b", "BB", "");
	client_certificates_take(certificates, "192.0.2.4", "77", "a@b", &client);
	assert_string_equal(client.certificate, "BB");
	client_certificates_take(certificates, "192.0.2.4", "77", "a@b", &client);
	assert_string_equal(client.certificate, "");
}

/* A session without a certificate that reuses address and port must not find what another left. */
static void test_request_without_certificate_clears(void **state)
{
	struct client client;
	int fd = connect_service();

	(void)state;
	client_certificates_put(certificates, "192.0.2.4", "77", "a@b", "AA", "");
	say(fd, "client_address=192.0.2.4\nclient_port=77\nsender=a@b\nccert_fingerprint=\n\n");
	expect(fd, "action=DUNNO\n\n");
	client_certificates_take(certificates, "192.0.2.4", "77", "a@b", &client);
	assert_string_equal(client.certificate, "");
	close(fd);
}

static void test_ring_is_bounded(void **state)
{
	struct client client;
	char port[8];

	(void)state;
	for (int i = 0; i < CLIENT_CERTIFICATES_MAX + 10; i++) {
		snprintf(port, sizeof(port), "%d", i);
		client_certificates_put(certificates, "192.0.2.4", port, "a@b", "AA", "");
	}
	client_certificates_take(certificates, "192.0.2.4", "5", "a@b", &client);
	assert_string_equal(client.certificate, "");
	client_certificates_take(certificates, "192.0.2.4", port, "a@b", &client);
	assert_string_equal(client.certificate, "AA");
}

static void test_requests_in_pieces_and_in_a_row(void **state)
{
	int fd = connect_service();

	(void)state;
	say(fd, "request=smtpd_acc");
	usleep(20000);
	say(fd, "ess_policy\n\nrequest=x\n\n");
	expect(fd, "action=DUNNO\n\naction=DUNNO\n\n");
	close(fd);
}

static void test_nonsense_is_closed_and_others_live(void **state)
{
	int good = connect_service(), bad = connect_service();

	(void)state;
	say(bad, "EHLO x\r\n\r\n");
	expect(bad, "");
	say(good, "request=x\n\n");
	expect(good, "action=DUNNO\n\n");
	close(good);
	close(bad);
}

/* A client that never reads its answers costs its own connection only. */
static void test_deaf_client(void **state)
{
	char text[] = "request=x\n\n";
	int deaf = connect_service(), good = connect_service();

	(void)state;
	fcntl(deaf, F_SETFL, O_NONBLOCK);
	for (int i = 0; i < 200000; i++)
		if (send(deaf, text, strlen(text), MSG_NOSIGNAL) < 0 && errno != EAGAIN)
			break;
	say(good, "request=x\n\n");
	expect(good, "action=DUNNO\n\n");
	close(good);
	close(deaf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_certificate_arrives_and_is_used_once),
		cmocka_unit_test(test_later_certificate_wins),
		cmocka_unit_test(test_request_without_certificate_clears),
		cmocka_unit_test(test_ring_is_bounded),
		cmocka_unit_test(test_requests_in_pieces_and_in_a_row),
		cmocka_unit_test(test_nonsense_is_closed_and_others_live),
		cmocka_unit_test(test_deaf_client),
	};

	return cmocka_run_group_tests(tests, start_service, stop_service);
}
