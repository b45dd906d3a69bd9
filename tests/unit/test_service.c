/* service.c: signals as events, and the datagrams that a service manager receives. */
#include "eventually.h"
#include "lib/service.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/log.h"

struct signal_row {
	int number;
	enum service_event event;
};

static void signals_become_events(void **state)
{
	static const struct signal_row rows[] = {
		{ SIGTERM, SERVICE_STOP }, { SIGINT, SERVICE_STOP }, { SIGHUP, SERVICE_RELOAD },
	};
	int fd = service_signals_open();
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	struct sigaction action;

	(void)state;
	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(service_signals_read(fd), SERVICE_NONE);
		assert_int_equal(raise(rows[i].number), 0);
		assert_int_equal(poll(&poll_fd, 1, PATIENCE_MS), 1);
		assert_int_equal(service_signals_read(fd), rows[i].event);
	}
	assert_int_equal(service_signals_read(fd), SERVICE_NONE);
	assert_int_equal(sigaction(SIGPIPE, NULL, &action), 0);
	assert_true(action.sa_handler == SIG_IGN);
	close(fd);
}

/* Binds a datagram socket to the name that NOTIFY_SOCKET will hold. */
static int manager_open(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, name);
	if (name[0] == '@')
		address.sun_path[0] = '\0';
	assert_int_equal(bind(fd, (struct sockaddr *)&address,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))),
			 0);
	setenv("NOTIFY_SOCKET", name, 1);
	return fd;
}

static void assert_received(int fd, const char *expected)
{
	char text[256];
	ssize_t length = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);

	assert_true(length >= 0);
	text[length] = '\0';
	assert_string_equal(text, expected);
}

static void notify_over(const char *name)
{
	int fd = manager_open(name);
	char text[256];
	long long microseconds;
	ssize_t length;

	service_notify("READY=1");
	assert_received(fd, "READY=1");
	service_notify("STATUS=3 sessions\nREADY=1");
	assert_received(fd, "STATUS=3 sessions\nREADY=1");
	service_notify("RELOADING=1");
	length = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);
	assert_true(length > 0);
	text[length] = '\0';
	assert_int_equal(sscanf(text, "RELOADING=1\nMONOTONIC_USEC=%lld", &microseconds), 1);
	assert_true(microseconds > 0);
	close(fd);
}

static void notifies_over_a_path_and_an_abstract_name(void **state)
{
	char directory[] = "/tmp/postern-service-XXXXXX", name[64];

	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(name, sizeof(name), "%s/notify", directory);
	notify_over(name);
	unlink(name);
	rmdir(directory);
	snprintf(name, sizeof(name), "@postern-test-%d", (int)getpid());
	notify_over(name);
}

/* A wrong NOTIFY_SOCKET is logged, not fatal. */
static void nobody_there(void **state)
{
	static char too_long[200] = "/";
	int saved = dup(STDERR_FILENO), null = open("/dev/null", O_WRONLY);

	(void)state;
	memset(too_long + 1, 'x', sizeof(too_long) - 2);
	dup2(null, STDERR_FILENO);
	setenv("NOTIFY_SOCKET", "/nonexistent/notify", 1);
	service_notify("READY=1");
	setenv("NOTIFY_SOCKET", too_long, 1);
	service_notify("READY=1");
	setenv("NOTIFY_SOCKET", "relative", 1);
	service_notify("READY=1");
	setenv("NOTIFY_SOCKET", "", 1);
	service_notify("READY=1");
	unsetenv("NOTIFY_SOCKET");
	service_notify("READY=1");
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(null);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(signals_become_events),
		cmocka_unit_test(notifies_over_a_path_and_an_abstract_name),
		cmocka_unit_test(nobody_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
