/*
 * The settings of edge.conf; postern-edge.conf(5) is their manual, checked against the table by a
 * test.
 */
#ifndef EDGE_CONF_H
#define EDGE_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/conf.h"

enum edge_ipv6 { EDGE_IPV6_AUTO, EDGE_IPV6_ON, EDGE_IPV6_OFF };
enum edge_log_recipients {
	EDGE_LOG_RECIPIENTS_DOMAIN,
	EDGE_LOG_RECIPIENTS_FULL,
	EDGE_LOG_RECIPIENTS_NONE
};
enum edge_journal_sync { EDGE_JOURNAL_SYNC_GROUP, EDGE_JOURNAL_SYNC_NONE };
enum edge_log_target { EDGE_LOG_SYSLOG, EDGE_LOG_STDERR };

struct edge_conf {
	/* identity */
	char *ehlo_name;
	char *key_file;
	char *authorized_clients;
	char *enrolled_clients;
	char *user;
	char *control_socket;		/* "unix:/path" */
	/* network */
	struct conf_list listen;
	struct conf_list resolvers;
	bool resolvers_trusted;
	int64_t dns_cache_time_limit;	/* ms; 0: no cache */
	int ipv6;			/* enum edge_ipv6 */
	struct conf_list allow_destinations;
	/* delivery */
	int tls_security_level;		/* enum tls_level */
	char *tls_policy;		/* path of the table */
	char *relay, *relay_passwords;	/* likewise */
	bool mta_sts;
	char *tls_ca_file;		/* NULL = the system's */
	char *tls_protocols, *tls_mandatory_protocols;
	int tls_ciphers, tls_mandatory_ciphers;	/* enum tls_ciphers */
	char *state_directory;
	bool tls_reports;
	int64_t journal_size;		/* bytes */
	int64_t journal_keep;		/* ms */
	int journal_sync;		/* enum edge_journal_sync */
	int64_t delivery_time_limit;	/* ms */
	int64_t data_done_timeout;	/* ms */
	int64_t wait_limit;		/* ms */
	int64_t parallel_destinations;
	int64_t delivery_threads;
	int64_t destination_concurrency_limit;
	char *reply_rules;		/* path of the table */
	int64_t connection_cache_limit;
	int64_t connection_cache_time_limit;	/* ms */
	int64_t connection_reuse_count_limit;
	int64_t connection_reuse_time_limit;	/* ms */
	int64_t hop_count_limit;
	/* limits */
	int64_t message_size_limit;	/* bytes */
	int64_t content_memory;		/* bytes, all messages together */
	int64_t recipient_limit;
	int64_t sessions;
	int64_t sessions_per_client;
	int64_t handshakes;
	int64_t handshakes_per_network;
	int64_t strangers;
	int64_t strangers_per_network;
	int64_t drain_time;		/* ms */
	/* log */
	int log_target;			/* enum edge_log_target */
	int log_recipients;		/* enum edge_log_recipients */
	int log_level;			/* enum log_level */
};

extern const struct conf_setting edge_conf_settings[];

/*
 * Reads path, fills in what depends on the machine (ehlo_name) and checks what one setting alone
 * cannot show. 0, or -1 with "PATH:LINE: ..." or "PATH: ..." in error. *conf is to be wiped with
 * conf_wipe() in either case.
 */
int edge_conf_read(struct edge_conf *conf, const char *path, char *error, size_t error_size);

#endif
