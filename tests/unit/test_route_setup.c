/* Reading everything that postern.conf names, and reading the tables again when they change (cases
 * 150, 151, 153). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "captured_log.h"
#include "lib/dot_stuffing.h"
#include "lib/log.h"
#include "transport/transport_setup.h"

#define KEY1 "key=AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
#define KEY2 "key=AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI="

static char directory[] = "/tmp/postern-setup-XXXXXX";

static const char *path(const char *name)
{
	static char paths[4][100];
	static int next;

	next = (next + 1) % 4;
	snprintf(paths[next], sizeof(paths[next]), "%s/%s", directory, name);
	return paths[next];
}

static void write_file(const char *name, const char *text, mode_t mode)
{
	FILE *file = fopen(path(name), "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	chmod(path(name), mode);
}

static void write_conf(const char *more)
{
	char text[600];

	snprintf(text, sizeof(text), "edges = \"%s\";\nroutes = \"%s\";\nkey_file = \"%s\";\n%s\n",
		 path("edges"), path("routes"), path("key"), more);
	write_file("conf", text, 0644);
}

static int set_up(void **state)
{
	(void)state;
	if (mkdtemp(directory) == NULL)
		return -1;
	write_file("key", "AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM=\n", 0600);
	write_file("edges", "us h:1 " KEY1 "\n", 0644);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(path("conf"));
	unlink(path("edges"));
	unlink(path("routes"));
	unlink(path("key"));
	return rmdir(directory);
}

static void test_defaults_and_settings(void **state)
{
	struct transport_setup setup;
	char error[512] = "";

	(void)state;
	write_conf("stray_cr_lf = \"reject\"; message_size_limit = \"10M\"; idle_timeout = 20;");
	assert_int_equal(transport_setup_read(&setup, path("conf"), error, sizeof(error)), 0);
	assert_int_equal(setup.edges.count, 1);
	assert_true(setup.routes.is_missing);
	assert_int_equal(setup.conf.stray_cr_lf, STRAY_CR_LF_REJECT);
	assert_int_equal(setup.conf.message_size_limit, 10 << 20);
	assert_int_equal(setup.conf.idle_timeout, 20000);
	assert_int_equal(setup.conf.connect_timeout, 15000);
	assert_int_equal(setup.conf.log_level, LOG_LEVEL_INFO);
	assert_string_equal(setup.conf.sendmail, "/usr/sbin/sendmail");
	assert_true(strlen(setup.conf.hostname) > 0);
	assert_int_equal(transport_conf_size_max(&setup.conf, 0), 10 << 20);
	assert_int_equal(transport_conf_size_max(&setup.conf, 5), 5);
	assert_int_equal(transport_conf_size_max(&setup.conf, 20 << 20), 10 << 20);
	transport_setup_wipe(&setup);
}

static void test_mistakes(void **state)
{
	static const struct {
		const char *more, *complaint; /* after the directory */
	} rows[] = {
		{ "sendmail = \"sendmail\";", "/conf:4: " },
		{ "hostname = \"a b\";", "/conf:4: " },
		{ "\nidle_timeout = 301;", "/conf:5: " },
		{ "stray_cr_lf = \"maybe\";", "/conf:4: " },
		{ "log_level = 3;", "/conf:4: " },
		{ "edge = \"x\";", "/conf:4: unknown setting" },
		{ "edges = \"/x\";", "/conf:4: " },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct transport_setup setup;
		char error[512] = "", expected[200];

		write_conf(rows[i].more);
		snprintf(expected, sizeof(expected), "%s%s", directory, rows[i].complaint);
		if (transport_setup_read(&setup, path("conf"), error, sizeof(error)) == 0 ||
		    strncmp(error, expected, strlen(expected)) != 0)
			fail_msg("row %zu: \"%s\"", i, error);
		transport_setup_wipe(&setup);
	}
}

static void test_unsafe_key(void **state)
{
	struct transport_setup setup;
	char error[512] = "";

	(void)state;
	write_conf("");
	chmod(path("key"), 0644);
	assert_int_equal(transport_setup_read(&setup, path("conf"), error, sizeof(error)), -1);
	assert_non_null(strstr(error, "/key"));
	assert_non_null(strstr(error, "0644"));
	transport_setup_wipe(&setup);
	chmod(path("key"), 0600);
}

/* A changed table is taken at once; a bad one leaves both as they were. */
static void test_refresh(void **state)
{
	struct transport_setup setup;
	struct captured_log log;
	char error[512] = "";

	(void)state;
	write_conf("");
	assert_int_equal(transport_setup_read(&setup, path("conf"), error, sizeof(error)), 0);
	captured_log_start(&log);
	log_open("test_route_setup", LOG_TARGET_STDERR, LOG_LEVEL_WARNING);
	write_file("edges", "us h:1 " KEY1 "\nde h:2 " KEY2 "\n", 0644);
	transport_setup_refresh(&setup);
	assert_int_equal(setup.edges.count, 2);
	write_file("routes", "* de\n", 0644);
	transport_setup_refresh(&setup);
	assert_false(setup.routes.is_missing);
	assert_int_equal(setup.routes.count, 1);
	/* Each bad file is complained of once. */
	write_file("edges", "broken\n", 0644);
	transport_setup_refresh(&setup);
	transport_setup_refresh(&setup);
	assert_int_equal(setup.edges.count, 2);
	assert_int_equal(captured_log_count(&log, "the old table stays in force"), 1);
	write_file("edges", "us h:1 " KEY1 "\n", 0644); /* the route's edge is gone */
	transport_setup_refresh(&setup);
	transport_setup_refresh(&setup);
	assert_int_equal(setup.edges.count, 2);
	assert_int_equal(captured_log_count(&log, "the old tables stay in force"), 1);
	unlink(path("routes"));
	transport_setup_refresh(&setup);
	assert_int_equal(setup.edges.count, 1);
	assert_true(setup.routes.is_missing);
	unlink(path("edges"));
	transport_setup_refresh(&setup);
	assert_int_equal(setup.edges.count, 1);
	write_file("edges", "fr h:1 " KEY1 "\n", 0644);
	transport_setup_refresh(&setup);
	assert_string_equal(setup.edges.edges[0].name, "fr");
	transport_setup_wipe(&setup);
	log_open("test_route_setup", LOG_TARGET_STDERR, LOG_LEVEL_ERROR);
	captured_log_stop(&log);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults_and_settings),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_unsafe_key),
		cmocka_unit_test(test_refresh),
	};

	log_open("test_route_setup", LOG_TARGET_STDERR, LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
