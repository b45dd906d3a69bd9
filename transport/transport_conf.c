/*
 * The table of postern.conf. One row per setting; manual page and example are checked against it,
 * so a setting that is not here does not exist, and one that is here is documented.
 *
 * Paths are absolute: Postfix starts us in its queue directory, where a relative path would mean
 * something else than it did to the person who wrote it.
 */
#include "transport_conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/smtp_limits.h"

static const char *const stray_choices[] = { "space", "reject", NULL };
static const char *const target_choices[] = { "syslog", "stderr", NULL };
static const char *const level_choices[] = { "error", "warning", "info", "debug", NULL };

static int check_path(const void *value, char *error, size_t error_size)
{
	const char *path = *(char *const *)value;

	if (path == NULL || path[0] == '/')
		return 0;
	snprintf(error, error_size, "\"%.100s\" must be an absolute path (it must start with /)",
		 path);
	return -1;
}

static int check_hostname(const void *value, char *error, size_t error_size)
{
	const char *name = *(char *const *)value;

	if (name == NULL ||
	    (strlen(name) <= SMTP_DOMAIN_MAX && name[0] != '.' &&
	     strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.") ==
		     strlen(name)))
		return 0;
	snprintf(error, error_size, "\"%.100s\" is no host name", name);
	return -1;
}

#define SETTING(member, conf_type, default_value, ...)                                             \
	{                                                                                          \
		.name = #member, .type = conf_type,                                                \
		.offset = offsetof(struct transport_conf, member), .default_text = default_value,  \
		__VA_ARGS__                                                                        \
	}

const struct conf_setting transport_conf_settings[] = {
	SETTING(hostname, CONF_STRING, NULL, .minimum = 1, .check = check_hostname,
		.help = "this host's name in the greeting and in reports (default: its own)"),
	SETTING(key_file, CONF_STRING, "/var/lib/postern/transport.key", .minimum = 1,
		.check = check_path, .help = "this host's secret key, mode 0600 (postern keygen)"),
	SETTING(edges, CONF_STRING, POSTERN_SYSCONFDIR "/edges", .minimum = 1, .check = check_path,
		.help = "table of edges"),
	SETTING(routes, CONF_STRING, POSTERN_SYSCONFDIR "/routes", .minimum = 1,
		.check = check_path,
		.help = "table of senders and their edges; may be missing: all edges for all"),
	SETTING(edge_state, CONF_STRING, "/var/lib/postern/edges.state", .minimum = 1,
		.check = check_path,
		.help = "what all transports know together: which edge may know an outcome, which are up"),
	SETTING(affinity_hold, CONF_DURATION, "15m", .minimum = 1000, .maximum = 86400000,
		.help = "how long mail waits for the edge that may know its outcome"),
	SETTING(sendmail, CONF_STRING, "/usr/sbin/sendmail", .minimum = 1, .check = check_path,
		.help = "program that takes reports to senders who asked for notice of success"),
	SETTING(connect_timeout, CONF_DURATION, "15s", .minimum = 100, .maximum = 120000,
		.help = "time to connect to an edge and shake hands"),
	SETTING(idle_timeout, CONF_DURATION, "300s", .minimum = 1000, .maximum = 300000,
		.help = "leave after this time without a command"),
	SETTING(message_size_limit, CONF_SIZE, "0", .minimum = 0, .maximum = INT64_C(4) << 30,
		.help = "largest message; 0 leaves it to the edge"),
	SETTING(stray_cr_lf, CONF_CHOICE, "space", .choices = stray_choices,
		.help = "CR or LF that is no line end: replace by a space, or reject"),
	SETTING(log_target, CONF_CHOICE, "syslog", .choices = target_choices,
		.help = "where the log goes"),
	SETTING(log_level, CONF_CHOICE, "info", .choices = level_choices,
		.help = "how much is logged"),
	{ .name = NULL },
};

static int default_hostname(struct transport_conf *conf)
{
	char name[SMTP_DOMAIN_MAX + 1] = "";
	const char *found = name;
	char unused[200];

	if (conf->hostname != NULL)
		return 0;
	if (gethostname(name, sizeof(name) - 1) < 0 || name[0] == '\0' ||
	    check_hostname(&found, unused, sizeof(unused)) < 0)
		found = "localhost";
	conf->hostname = strdup(found);
	return conf->hostname == NULL ? -1 : 0;
}

int transport_conf_read(struct transport_conf *conf, const char *path, char *error,
			size_t error_size)
{
	memset(conf, 0, sizeof(*conf));
	if (conf_defaults(conf, transport_conf_settings, error, error_size) < 0 ||
	    conf_read(conf, transport_conf_settings, path, error, error_size) < 0)
		return -1;
	if (default_hostname(conf) < 0) {
		snprintf(error, error_size, "out of memory");
		return -1;
	}
	return 0;
}

uint64_t transport_conf_size_max(const struct transport_conf *conf, uint64_t edge_size_max)
{
	uint64_t own = (uint64_t)conf->message_size_limit;

	return own == 0 || (edge_size_max != 0 && edge_size_max < own) ? edge_size_max : own;
}

void transport_conf_wipe(struct transport_conf *conf)
{
	conf_wipe(conf, transport_conf_settings);
}
