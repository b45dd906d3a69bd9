/* edge.conf: the defaults hold, and whatever is wrong is refused with its place (case 151). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "edge/edge_conf.h"
#include "edge/tls_context.h"
#include "lib/log.h"
#include "tunnel/tunnel_limits.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))
#define NAME "ehlo_name = \"relay.example.com\";\n"

static char path[64];

static int make_path(void **state)
{
	int fd;

	(void)state;
	strcpy(path, "/tmp/test_edge_conf.XXXXXX");
	fd = mkstemp(path);
	return fd >= 0 ? close(fd) : -1;
}

static int remove_path(void **state)
{
	(void)state;
	return unlink(path);
}

static int read_text(struct edge_conf *conf, const char *text, size_t length, char *error,
		     size_t error_size)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, length, file), length);
	fclose(file);
	return edge_conf_read(conf, path, error, error_size);
}

static void test_defaults(void **state)
{
	struct edge_conf conf;
	char error[512] = "";

	(void)state;
	if (read_text(&conf, NAME, strlen(NAME), error, sizeof(error)) != 0)
		fail_msg("%s", error);
	assert_string_equal(conf.ehlo_name, "relay.example.com");
	assert_string_equal(conf.key_file, "/var/lib/postern/edge.key");
	assert_string_equal(conf.authorized_clients, POSTERN_SYSCONFDIR "/authorized_clients");
	assert_string_equal(conf.user, "_postern-edge");
	assert_int_equal(conf.listen.count, 1);
	assert_string_equal(conf.listen.items[0], ":7843");
	assert_int_equal(conf.resolvers.count, 0);
	assert_false(conf.resolvers_trusted);
	assert_int_equal(conf.ipv6, EDGE_IPV6_AUTO);
	assert_int_equal(conf.allow_destinations.count, 0);
	assert_int_equal(conf.tls_security_level, TLS_DANE);
	assert_string_equal(conf.tls_policy, POSTERN_SYSCONFDIR "/tls_policy");
	assert_true(conf.mta_sts);
	assert_null(conf.tls_ca_file);
	assert_string_equal(conf.tls_protocols, ">=TLSv1");
	assert_string_equal(conf.tls_mandatory_protocols, ">=TLSv1.2");
	assert_int_equal(conf.tls_ciphers, TLS_CIPHERS_MEDIUM);
	assert_int_equal(conf.tls_mandatory_ciphers, TLS_CIPHERS_MEDIUM);
	assert_string_equal(conf.state_directory, "/var/lib/postern/edge");
	assert_true(conf.tls_reports);
	assert_int_equal(conf.delivery_time_limit, TUNNEL_EDGE_BUDGET_MS);
	assert_int_equal(conf.data_done_timeout, SMTP_DATA_DONE_TIMEOUT_MS);
	assert_int_equal(conf.parallel_destinations, 50);
	assert_int_equal(conf.hop_count_limit, 50);
	assert_int_equal(conf.message_size_limit, 50 << 20);
	assert_int_equal(conf.content_memory, 256 << 20);
	assert_int_equal(conf.recipient_limit, 1000);
	assert_int_equal(conf.sessions, 1000);
	assert_int_equal(conf.sessions_per_client, 300);
	assert_int_equal(conf.handshakes, 256);
	assert_int_equal(conf.handshakes_per_network, 128);
	assert_int_equal(conf.strangers, 256);
	assert_int_equal(conf.strangers_per_network, 32);
	assert_int_equal(conf.drain_time, 10000);
	assert_int_equal(conf.log_target, EDGE_LOG_SYSLOG);
	assert_int_equal(conf.log_recipients, EDGE_LOG_RECIPIENTS_DOMAIN);
	assert_int_equal(conf.log_level, LOG_LEVEL_INFO);
	conf_wipe(&conf, edge_conf_settings);
}

/* The words of the choices stand in the order of their enums. */
static void test_choices(void **state)
{
	static const struct {
		const char *text;
		int ipv6, tls, target, recipients, level;
	} rows[] = {
		{ "ipv6 = \"auto\"; tls_security_level = \"none\"; log_target = \"syslog\"; "
		  "log_recipients = \"domain\"; log_level = \"error\";",
		  EDGE_IPV6_AUTO, TLS_NONE, EDGE_LOG_SYSLOG, EDGE_LOG_RECIPIENTS_DOMAIN,
		  LOG_LEVEL_ERROR },
		{ "ipv6 = \"on\"; tls_security_level = \"may\"; log_target = \"stderr\"; "
		  "log_recipients = \"full\"; log_level = \"warning\";",
		  EDGE_IPV6_ON, TLS_MAY, EDGE_LOG_STDERR, EDGE_LOG_RECIPIENTS_FULL,
		  LOG_LEVEL_WARNING },
		{ "tls_security_level = \"dane\";", EDGE_IPV6_AUTO, TLS_DANE, EDGE_LOG_SYSLOG,
		  EDGE_LOG_RECIPIENTS_DOMAIN, LOG_LEVEL_INFO },
		{ "tls_security_level = \"dane-only\";", EDGE_IPV6_AUTO, TLS_DANE_ONLY, EDGE_LOG_SYSLOG,
		  EDGE_LOG_RECIPIENTS_DOMAIN, LOG_LEVEL_INFO },
		{ "tls_security_level = \"secure\";", EDGE_IPV6_AUTO, TLS_SECURE, EDGE_LOG_SYSLOG,
		  EDGE_LOG_RECIPIENTS_DOMAIN, LOG_LEVEL_INFO },
		{ "ipv6 = \"off\"; tls_security_level = \"encrypt\"; log_target = \"stderr\"; "
		  "log_recipients = \"none\"; log_level = \"debug\";",
		  EDGE_IPV6_OFF, TLS_ENCRYPT, EDGE_LOG_STDERR, EDGE_LOG_RECIPIENTS_NONE,
		  LOG_LEVEL_DEBUG },
	};
	struct edge_conf conf;
	char error[512], text[1000];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		snprintf(text, sizeof(text), NAME "%s\n", rows[i].text);
		if (read_text(&conf, text, strlen(text), error, sizeof(error)) != 0)
			fail_msg("%s", error);
		assert_int_equal(conf.ipv6, rows[i].ipv6);
		assert_int_equal(conf.tls_security_level, rows[i].tls);
		assert_int_equal(conf.log_target, rows[i].target);
		assert_int_equal(conf.log_recipients, rows[i].recipients);
		assert_int_equal(conf.log_level, rows[i].level);
		conf_wipe(&conf, edge_conf_settings);
	}
}

static void check_refused(const char *text, size_t length, int line, const char *expected)
{
	struct edge_conf conf;
	char error[512] = "", place[128];

	if (read_text(&conf, text, length, error, sizeof(error)) == 0)
		fail_msg("accepted: %.200s", text);
	if (line > 0)
		snprintf(place, sizeof(place), "%s:%d: ", path, line);
	else
		snprintf(place, sizeof(place), "%s: ", path);
	if (strncmp(error, place, strlen(place)) != 0 || strstr(error, expected) == NULL)
		fail_msg("\"%s\" does not begin with \"%s\" and say \"%s\"", error, place,
			 expected);
	conf_wipe(&conf, edge_conf_settings);
}

/* Each line stands alone behind NAME, hence in line 2. */
static void test_bad_lines(void **state)
{
	static const struct {
		const char *line, *expected;
	} rows[] = {
		{ "recipient_limt = 5;", "recipient_limt" },
		{ "ehlo_name = \"relay2.example.com\";", "ehlo_name" }, /* doubled */
		{ "key_file = \"\";", "key_file" },
		{ "authorized_clients = \"\";", "authorized_clients" },
		{ "authorized_clients = \"socketmap:unix:/run/x\";", "write socketmap:unix:/path:name" },
		{ "authorized_clients = \"socketmap:inet:db.example:1:x\";", "no IP address" },
		{ "user = \"\";", "user" },
		{ "user = 0;", "user" },
		{ "control_socket = \"\";", "control_socket" },
		{ "control_socket = \"127.0.0.1:99\";", "\"127.0.0.1:99\" must be \"unix:/path\"" },
		{ "control_socket = \"unix:control.sock\";", "must be \"unix:/path\"" },
		{ "listen = [];", "at least one address" },
		{ "listen = [\":7843\", \":99999\"];", "99999" },
		{ "listen = \"nowhere:port\";", "nowhere:port" },
		{ "resolvers_trusted = \"perhaps\";", "resolvers_trusted" },
		{ "ipv6 = \"maybe\";", "maybe" },
		{ "ipv6 = true;", "ipv6" },
		{ "tls_security_level = \"fingerprint\";", "fingerprint" },
		{ "tls_protocols = \"TLS1.2\";", "TLS1.2" },
		{ "tls_mandatory_protocols = \"SSLv3\";", "no TLS version is left" },
		{ "delivery_time_limit = \"9s\";", "delivery_time_limit" },
		{ "data_done_timeout = \"601s\";", "data_done_timeout" },
		{ "delivery_time_limit = \"901s\";",
		  "delivery_time_limit" }, /* would outlive the transport's patience */
		{ "listen = \"unix:/run/postern/edge\";", "TCP only" },
		{ "delivery_threads = -1;", "delivery_threads" },
		{ "parallel_destinations = 0;", "parallel_destinations" },
		{ "parallel_destinations = 1001;", "parallel_destinations" },
		{ "hop_count_limit = 4;", "hop_count_limit" },
		{ "message_size_limit = 1023;", "message_size_limit" },
		{ "message_size_limit = \"5G\";", "message_size_limit" },
		{ "message_size_limit = \"50X\";", "50X" },
		{ "message_size_limit = -1;", "message_size_limit" },
		{ "content_memory = \"1023k\";", "content_memory" },
		{ "recipient_limit = 0;", "recipient_limit" },
		{ "recipient_limit = 1001;",
		  "recipient_limit" }, /* more than a transaction can have */
		{ "recipient_limit = 99999999999;", "recipient_limit" },
		{ "sessions = 0;", "sessions" },
		{ "sessions = 100001;", "sessions" },
		{ "sessions_per_client = 0;", "sessions_per_client" },
		{ "handshakes = 3;", "handshakes" },
		{ "handshakes_per_network = 0;", "handshakes_per_network" },
		{ "strangers = 7;", "strangers" },
		{ "strangers_per_network = 0;", "strangers_per_network" },
		{ "drain_time = \"11m\";", "drain_time" },
		{ "drain_time = 1.5;", "drain_time" },
		{ "log_target = \"file\";", "file" },
		{ "log_recipients = \"all\";", "all" },
		{ "log_level = \"verbose\";", "verbose" },
		{ "log_level = \"info\"; trailing junk", "" },
	};
	char text[1000];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		snprintf(text, sizeof(text), NAME "%s\n", rows[i].line);
		check_refused(text, strlen(text), 2, rows[i].expected);
	}
}

static void test_bad_files(void **state)
{
	static const char nul[] = NAME "user = \"a\0b\";\n", mark[] = "\xef\xbb\xbf" NAME;
	char *long_line = malloc(1 << 20);

	(void)state;
	check_refused(nul, sizeof(nul) - 1, 2, "NUL");
	check_refused(mark, sizeof(mark) - 1, 1, "byte-order mark");
	memset(long_line, 'x', 1 << 20);
	check_refused(long_line, 1 << 20, 1, "");
	free(long_line);
}

static void test_ehlo_names(void **state)
{
	static const struct {
		const char *name;
		int is_good;
	} rows[] = {
		{ "relay.example.com", 1 },
		{ "a.b", 1 },
		{ "RELAY-1.Example.COM", 1 },
		{ "xn--bcher-kva.example", 1 },
		{ "1.example.com", 1 },
		{ "a.0x1", 1 },
		{ "relay", 0 },
		{ "localhost", 0 },
		{ ".example.com", 0 },
		{ "example.com.", 0 },
		{ "relay..example.com", 0 },
		{ "192.0.2.1", 0 },
		{ "[192.0.2.1]", 0 },
		{ "relay.example.com:25", 0 },
		{ "-a.example.com", 0 },
		{ "a-.example.com", 0 },
		{ "relay.example.-", 0 },
		{ "re lay.example.com", 0 },
		{ "b\xc3\xbc"
		  "cher.example",
		  0 },
		{ "relay_1.example.com", 0 },
		{ "relay.example.com\\r\\nX", 0 },
		{ ".", 0 },
	};
	struct edge_conf conf;
	char error[512], text[1000];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		snprintf(text, sizeof(text), "\nehlo_name = \"%s\";\n", rows[i].name);
		if (!rows[i].is_good) {
			check_refused(text, strlen(text), 2, "no full host name");
			continue;
		}
		if (read_text(&conf, text, strlen(text), error, sizeof(error)) != 0)
			fail_msg("%s", error);
		assert_string_equal(conf.ehlo_name, rows[i].name);
		conf_wipe(&conf, edge_conf_settings);
	}
}

/* Labels of 63 octets, names of 255. */
static void test_longest_ehlo_name(void **state)
{
	struct edge_conf conf;
	char error[512], name[300], text[400];

	(void)state;
	memset(name, 'n', sizeof(name));
	for (size_t i = 63; i < 255; i += 64)
		name[i] = '.';
	name[255] = '\0';
	snprintf(text, sizeof(text), "\nehlo_name = \"%s\";\n", name);
	if (read_text(&conf, text, strlen(text), error, sizeof(error)) != 0)
		fail_msg("%s", error);
	conf_wipe(&conf, edge_conf_settings);
	name[63] = 'n';
	snprintf(text, sizeof(text), "\nehlo_name = \"%s\";\n", name);
	check_refused(text, strlen(text), 2, "no full host name");
	name[63] = '.';
	name[254] = '.';
	name[255] = 'n';
	name[256] = '\0';
	snprintf(text, sizeof(text), "\nehlo_name = \"%s\";\n", name);
	check_refused(text, strlen(text), 2, "no full host name");
}

/* No name given: this host's, if that is one to show to the world; if not, that is said. */
static void test_default_ehlo_name(void **state)
{
	struct edge_conf conf;
	char error[512] = "", name[256] = "";

	(void)state;
	assert_int_equal(gethostname(name, sizeof(name) - 1), 0);
	if (read_text(&conf, "", 0, error, sizeof(error)) == 0) {
		assert_string_equal(conf.ehlo_name, name);
		assert_non_null(strchr(name, '.'));
	} else {
		assert_non_null(strstr(error, path));
		assert_non_null(strstr(error, "set ehlo_name"));
	}
	conf_wipe(&conf, edge_conf_settings);
}

/* What one setting alone cannot show has a file and no line. */
static void test_settings_that_contradict(void **state)
{
	static const char text[] = NAME "message_size_limit = \"257M\";\n";

	(void)state;
	check_refused(text, strlen(text), 0, "message_size_limit must stay 262144 bytes below content_memory");
}

static void test_missing_file(void **state)
{
	struct edge_conf conf;
	char error[512] = "";

	(void)state;
	assert_int_equal(edge_conf_read(&conf, "/nonexistent/edge.conf", error, sizeof(error)), -1);
	assert_non_null(strstr(error, "/nonexistent/edge.conf"));
	conf_wipe(&conf, edge_conf_settings);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_defaults, make_path, remove_path),
		cmocka_unit_test_setup_teardown(test_choices, make_path, remove_path),
		cmocka_unit_test_setup_teardown(test_bad_lines, make_path, remove_path),
		cmocka_unit_test_setup_teardown(test_bad_files, make_path, remove_path),
		cmocka_unit_test_setup_teardown(test_ehlo_names, make_path, remove_path),
		cmocka_unit_test_setup_teardown(test_longest_ehlo_name, make_path, remove_path),
		cmocka_unit_test_setup_teardown(test_default_ehlo_name, make_path, remove_path),
		cmocka_unit_test_setup_teardown(test_settings_that_contradict, make_path,
						remove_path),
		cmocka_unit_test(test_missing_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
