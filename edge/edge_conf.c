/*
 * The table of edge.conf. One row per setting; manual page and example are checked against it, so a
 * setting that is not here does not exist, and one that is here is documented.
 */
#include "edge_conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client_map.h"
#include "content.h"
#include "lib/endpoint.h"
#include "lib/host_name.h"
#include "lib/smtp_limits.h"
#include "lib/socketmap.h"
#include "tls_level.h"
#include "tunnel/enrolled_keys.h"
#include "tunnel/tunnel_limits.h"

static const char *const ipv6_choices[] = { "auto", "on", "off", NULL };
/* enum tls_level without fingerprint, which is no default: every host has its own. */
static const char *const tls_choices[] = { "none", "may", "encrypt", "dane", "dane-only", "verify", "secure", NULL };
static const char *const tls_cipher_choices[] = { "medium", "high", NULL };
static const char *const journal_sync_choices[] = { "group", "none", NULL };
static const char *const target_choices[] = { "syslog", "stderr", NULL };
static const char *const level_choices[] = { "error", "warning", "info", "debug", NULL };
static const char *const recipients_choices[] = { "domain", "full", "none", NULL };

static int check_listen(const void *value, char *error, size_t error_size)
{
	const struct conf_list *list = value;
	struct endpoint endpoint;

	if (list->count == 0) {
		snprintf(error, error_size,
			 "at least one address is needed, such as \":" TUNNEL_DEFAULT_PORT "\"");
		return -1;
	}
	for (size_t i = 0; i < list->count; i++) {
		if (endpoint_parse(&endpoint, list->items[i], TUNNEL_DEFAULT_PORT, error,
				   error_size) < 0)
			return -1;
		if (endpoint.is_unix) {
			snprintf(error, error_size, "\"%.100s\": tunnels come in by TCP only",
				 list->items[i]);
			return -1;
		}
	}
	return 0;
}

static int check_unix(const void *value, char *error, size_t error_size)
{
	const char *text = *(char *const *)value;
	struct endpoint endpoint;

	if (strncmp(text, "unix:/", 6) == 0)
		return endpoint_parse(&endpoint, text, NULL, error, error_size);
	snprintf(error, error_size, "\"%.100s\" must be \"unix:/path\"", text);
	return -1;
}

/* The name in EHLO must be able to have an A record and a PTR: a full domain name in ASCII. */
static int check_ehlo_name(const void *value, char *error, size_t error_size)
{
	const char *name = *(char *const *)value;

	if (name != NULL && !host_name_is_full(name)) {
		snprintf(error, error_size,
			 "\"%.100s\" is no full host name such as \"relay.example.com\"", name);
		return -1;
	}
	return 0;
}

static int check_protocols(const void *value, char *error, size_t error_size)
{
	unsigned protocols;

	return tls_protocols_parse(&protocols, *(char *const *)value, error, error_size);
}

static int check_clients(const void *value, char *error, size_t error_size)
{
	const char *setting = *(char *const *)value;

	return socketmap_spec(setting) == NULL ? 0 : client_map_check(setting, error, error_size);
}

#define SETTING(member, conf_type, default_value, ...) \
	{ .name = #member, .type = conf_type, .offset = offsetof(struct edge_conf, member), \
	  .default_text = default_value, __VA_ARGS__ }

const struct conf_setting edge_conf_settings[] = {
	SETTING(ehlo_name, CONF_STRING, NULL, .minimum = 1, .check = check_ehlo_name,
		.help = "name in EHLO and Received; must match the PTR records (default: this "
			"host's name)"),
	SETTING(key_file, CONF_STRING, "/var/lib/postern/edge.key", .minimum = 1,
		.help = "the edge's secret key, mode 0600 (postern keygen)"),
	SETTING(authorized_clients, CONF_STRING, POSTERN_SYSCONFDIR "/authorized_clients",
		.minimum = 1, .check = check_clients,
		.help = "table of mail hosts that may deliver through this edge: a file or "
			"socketmap:ENDPOINT:NAME"),
	SETTING(enrolled_clients, CONF_STRING, ENROLLED_KEYS_FILE, .minimum = 1,
		.help = "where the edge notes the keys of mail hosts that used an invite"),
	SETTING(user, CONF_STRING, "_postern-edge", .minimum = 1,
		.help = "user to become when started as root"),
	SETTING(control_socket, CONF_STRING, "unix:/run/postern-edge/control.sock", .minimum = 1,
		.check = check_unix, .help = "where `postern peers` asks for counts"),
	SETTING(listen, CONF_STRING_LIST, ":" TUNNEL_DEFAULT_PORT, .check = check_listen,
		.help = "addresses for tunnels"),
	SETTING(resolvers, CONF_STRING_LIST, NULL,
		.help = "DNS resolvers (default: those of /etc/resolv.conf)"),
	SETTING(resolvers_trusted, CONF_BOOLEAN, "no",
		.help = "believe DNSSEC validation (AD) of resolvers that are not on loopback"),
	SETTING(dns_cache_time_limit, CONF_DURATION, "30s", .minimum = 0, .maximum = 3600000,
		.help = "how long DNS answers are used again, within their TTL; 0 = not at all"),
	SETTING(ipv6, CONF_CHOICE, "auto", .choices = ipv6_choices,
		.help = "deliver over IPv6: auto = only while this host's IPv6 PTR is "
			"forward-confirmed"),
	SETTING(allow_destinations, CONF_STRING_LIST, NULL,
		.help = "networks exempt from the refusal of private, local and own addresses"),
	SETTING(tls_security_level, CONF_CHOICE, "dane", .choices = tls_choices,
		.help = "TLS towards MX hosts"),
	SETTING(tls_policy, CONF_STRING, POSTERN_SYSCONFDIR "/tls_policy", .minimum = 1,
		.help = "table of destinations whose TLS differs"),
	SETTING(relay, CONF_STRING, POSTERN_SYSCONFDIR "/relay", .minimum = 1,
		.help = "table of recipient domains whose mail goes to a relay (smarthost)"),
	SETTING(relay_passwords, CONF_STRING, POSTERN_SYSCONFDIR "/relay_passwords", .minimum = 1,
		.help = "passwords for relays, mode 0600"),
	SETTING(mta_sts, CONF_BOOLEAN, "yes",
		.help = "honour MTA-STS policies of recipient domains (RFC 8461)"),
	SETTING(tls_ca_file, CONF_STRING, NULL, .minimum = 1,
		.help = "certificates of the authorities that are trusted, PEM (default: the "
			"system's)"),
	SETTING(tls_protocols, CONF_STRING, ">=TLSv1", .check = check_protocols,
		.help = "TLS versions where TLS is not demanded"),
	SETTING(tls_mandatory_protocols, CONF_STRING, ">=TLSv1.2", .check = check_protocols,
		.help = "TLS versions where TLS is demanded"),
	SETTING(tls_ciphers, CONF_CHOICE, "medium", .choices = tls_cipher_choices,
		.help = "weakest ciphers where TLS is not demanded"),
	SETTING(tls_mandatory_ciphers, CONF_CHOICE, "medium", .choices = tls_cipher_choices,
		.help = "weakest ciphers where TLS is demanded"),
	SETTING(state_directory, CONF_STRING, "/var/lib/postern/edge", .minimum = 1,
		.help = "where MTA-STS policies and counts of TLS sessions are kept"),
	SETTING(tls_reports, CONF_BOOLEAN, "yes",
		.help = "count TLS sessions for domains that ask for reports (RFC 8460)"),
	SETTING(journal_size, CONF_SIZE, "128M", .minimum = 64 << 10, .maximum = INT64_C(1) << 40,
		.help = "disk space for the outcomes of deliveries; 512 bytes each"),
	SETTING(journal_keep, CONF_DURATION, "5d", .minimum = 3600000, .maximum = INT64_C(90) * 86400000,
		.help = "how long they are kept; no shorter than mail waits in the mail hosts' queues"),
	SETTING(journal_sync, CONF_CHOICE, "group", .choices = journal_sync_choices,
		.help = "group = on the disk before mail is delivered; none = left to the kernel, which a "
			"power cut does not survive"),
	SETTING(delivery_time_limit, CONF_DURATION, "900s", .minimum = 10000,
		.maximum = TUNNEL_EDGE_BUDGET_MS,
		.help = "time for one message up to its final dot, all hosts tried included"),
	SETTING(data_done_timeout, CONF_DURATION, "600s", .minimum = 1000,
		.maximum = SMTP_DATA_DONE_TIMEOUT_MS,
		.help = "time for the reply to the final dot, which begins when the dot is sent"),
	SETTING(wait_limit, CONF_DURATION, "120s", .minimum = 1000, .maximum = TUNNEL_EDGE_BUDGET_MS,
		.help = "after this the mail host waits no longer for a message's outcomes: it collects "
			"them at its next attempt"),
	SETTING(parallel_destinations, CONF_INTEGER, "50", .minimum = 1, .maximum = 1000,
		.help = "domains of one message that are delivered at the same time"),
	SETTING(delivery_threads, CONF_INTEGER, "1000", .minimum = 0, .maximum = 100000,
		.help = "threads for further domains of all messages together, and for deliveries that the "
			"mail host has stopped waiting for"),
	SETTING(destination_concurrency_limit, CONF_INTEGER, "20", .minimum = 1, .maximum = 1000,
		.help = "deliveries to one domain at the same time, of all messages together"),
	SETTING(reply_rules, CONF_STRING, POSTERN_SYSCONFDIR "/reply_rules", .minimum = 1,
		.help = "table of replies by which servers ask for less"),
	SETTING(connection_cache_limit, CONF_INTEGER, "200", .minimum = 0, .maximum = 10000,
		.help = "sessions with mail servers that are kept open for the next message; 0 = none"),
	SETTING(connection_cache_time_limit, CONF_DURATION, "5s", .minimum = 100, .maximum = 300000,
		.help = "how long such a session may be idle"),
	SETTING(connection_reuse_count_limit, CONF_INTEGER, "100", .minimum = 1, .maximum = 100000,
		.help = "messages over one session"),
	SETTING(connection_reuse_time_limit, CONF_DURATION, "300s", .minimum = 1000, .maximum = 3600000,
		.help = "age after which a session takes no further message"),
	SETTING(hop_count_limit, CONF_INTEGER, "50", .minimum = 5, .maximum = 1000,
		.help = "Received fields beyond which a message is a loop"),
	SETTING(message_size_limit, CONF_SIZE, "50M", .minimum = 1024, .maximum = INT64_C(4) << 30,
		.help = "largest message"),
	SETTING(content_memory, CONF_SIZE, "256M", .minimum = 1 << 20, .maximum = INT64_C(1) << 40,
		.help = "memory for the contents of all messages together"),
	SETTING(recipient_limit, CONF_INTEGER, "1000", .minimum = 1,
		.maximum = TUNNEL_RECIPIENTS_MAX, .help = "recipients of one message"),
	SETTING(sessions, CONF_INTEGER, "1000", .minimum = 1, .maximum = 100000,
		.help = "tunnels in all"),
	SETTING(sessions_per_client, CONF_INTEGER, "300", .minimum = 1, .maximum = 100000,
		.help = "tunnels of one client name"),
	SETTING(handshakes, CONF_INTEGER, "256", .minimum = 4, .maximum = 100000,
		.help = "handshakes under way with peers that know the edge's key; the oldest goes "
			"first"),
	SETTING(handshakes_per_network, CONF_INTEGER, "128", .minimum = 1, .maximum = 100000,
		.help = "the same from one IPv4 /24 or IPv6 /56"),
	SETTING(strangers, CONF_INTEGER, "256", .minimum = 8, .maximum = 100000,
		.help = "connections that have not yet proved to know the edge's key; the oldest "
			"goes first"),
	SETTING(strangers_per_network, CONF_INTEGER, "32", .minimum = 1, .maximum = 100000,
		.help = "the same from one IPv4 /24 or IPv6 /56"),
	SETTING(drain_time, CONF_DURATION, "10s", .minimum = 0, .maximum = 600000,
		.help = "time for running deliveries when the edge is stopped"),
	SETTING(log_target, CONF_CHOICE, "syslog", .choices = target_choices,
		.help = "where the log goes"),
	SETTING(log_recipients, CONF_CHOICE, "domain", .choices = recipients_choices,
		.help = "how much of a recipient address is logged here"),
	SETTING(log_level, CONF_CHOICE, "info", .choices = level_choices,
		.help = "how much is logged"),
	{ .name = NULL },
};

/* No EHLO name was given: this host's own, if it is a full one. */
static int default_ehlo_name(struct edge_conf *conf, const char *path, char *error,
			     size_t error_size)
{
	char name[SMTP_DOMAIN_MAX + 1] = "";
	const char *found = name;

	if (conf->ehlo_name != NULL)
		return 0;
	if (gethostname(name, sizeof(name) - 1) < 0 ||
	    check_ehlo_name(&found, error, error_size) < 0) {
		snprintf(error, error_size,
			 "%s: this host's name \"%.100s\" is no full host name; "
			 "set ehlo_name to the name that this host's A, AAAA and PTR records show",
			 path, name);
		return -1;
	}
	conf->ehlo_name = strdup(name);
	return conf->ehlo_name == NULL ? -1 : 0;
}

int edge_conf_read(struct edge_conf *conf, const char *path, char *error, size_t error_size)
{
	if (conf_defaults(conf, edge_conf_settings, error, error_size) < 0 ||
	    conf_read(conf, edge_conf_settings, path, error, error_size) < 0 ||
	    default_ehlo_name(conf, path, error, error_size) < 0)
		return -1;
	if (conf->message_size_limit > conf->content_memory - CONTENT_SLACK_MAX) {
		snprintf(error, error_size,
			 "%s: message_size_limit must stay %d bytes below content_memory, "
			 "or such a message could never be held; raise content_memory",
			 path, CONTENT_SLACK_MAX);
		return -1;
	}
	return 0;
}
