/*
 * The settings of milter.conf; postern-milter.conf(5) is their manual, checked against the table by
 * a test.
 */
#ifndef MILTER_CONF_H
#define MILTER_CONF_H

#include <stddef.h>
#include <stdint.h>

#include "lib/conf.h"
#include "rule.h"

enum milter_mode { MILTER_MODE_ENFORCE, MILTER_MODE_LOG };
enum milter_log_target { MILTER_LOG_SYSLOG, MILTER_LOG_STDERR };

struct milter_conf {
	/* where Postfix finds us */
	char *listen;			/* "unix:/path" or "inet:host:port": the milter protocol */
	char *policy_listen;		/* "unix:/path": Postfix's policy protocol, for certificates; NULL: none */
	char *socket_group;		/* may connect to the two sockets */
	char *control_socket;		/* `postern limits` */
	char *user;
	/* who may send as whom */
	char *senders;			/* "/path", "cdb:/path", "socketmap:unix:/path:name" */
	struct conf_list outbound_transports;	/* Postfix transports by which mail leaves */
	char *recipient_delimiter;	/* as in main.cf; NULL: none */
	struct conf_list null_sender_classes;	/* "bounce", "auto-reply", "disposition-notification" */
	/* rules */
	int mode;			/* enum milter_mode */
	int profile;			/* enum rule_profile */
	int rules[RULE_COUNT];		/* 0 or 1 + enum rule_action; milter_conf_action() resolves it */
	char *authserv_id;		/* NULL: this host's name */
	char *message_id_domain;	/* NULL: that of the From address */
	struct conf_list originating_ip_fields;
	struct conf_list user_agent_fields;
	int64_t subject_length_limit;	/* characters; 0: none */
	int64_t header_count_limit;
	int64_t header_size_limit;	/* bytes */
	/* limits */
	char *limits;			/* path of the table; a file that does not exist: no limits */
	char *state_directory;
	/* process */
	int64_t idle_timeout;		/* ms that a connection of Postfix may be silent */
	int64_t connections;		/* at the same time */
	int64_t drain_time;		/* ms for messages under way when stopped */
	int log_target;			/* enum milter_log_target */
	int log_level;			/* enum log_level */
};

extern const struct conf_setting milter_conf_settings[];

/* Defaults, then the file, then checks across settings. 0, or -1 with a message; wipe in both cases. */
int milter_conf_read(struct milter_conf *conf, const char *path, char *error, size_t error_size);
/*
 * What a rule does: its setting or its profile's default; in mode `log` whatever is not off only
 * logs.
 */
enum rule_action milter_conf_action(const struct milter_conf *conf, enum rule rule);

#endif
