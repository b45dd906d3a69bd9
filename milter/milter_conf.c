/*
 * The table of milter.conf. One row per setting; manual page and example are checked against it, so
 * a setting that is not here does not exist, and one that is here is documented.
 */
#include "milter_conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/endpoint.h"
#include "lib/smtp_limits.h"

static const char *const mode_choices[] = { "enforce", "log", NULL };
static const char *const target_choices[] = { "syslog", "stderr", NULL };
static const char *const level_choices[] = { "error", "warning", "info", "debug", NULL };

static int check_endpoint(const void *value, char *error, size_t error_size)
{
	const char *text = *(char *const *)value;
	struct endpoint endpoint;

	return text == NULL ? 0 : endpoint_parse(&endpoint, text, NULL, error, error_size);
}

static int check_unix(const void *value, char *error, size_t error_size)
{
	const char *text = *(char *const *)value;

	if (text == NULL || strncmp(text, "unix:/", 6) == 0)
		return check_endpoint(value, error, error_size);
	snprintf(error, error_size, "\"%.100s\" must be \"unix:/path\"", text);
	return -1;
}

static int check_classes(const void *value, char *error, size_t error_size)
{
	static const char *const classes[] = { "bounce", "auto-reply", "disposition-notification", "any" };
	const struct conf_list *list = value;

	for (size_t i = 0; i < list->count; i++) {
		size_t k = 0;

		while (k < sizeof(classes) / sizeof(classes[0]) && strcmp(list->items[i], classes[k]) != 0)
			k++;
		if (k == sizeof(classes) / sizeof(classes[0])) {
			snprintf(error, error_size,
				 "\"%.100s\" is none of \"bounce\", \"auto-reply\", \"disposition-notification\", \"any\"",
				 list->items[i]);
			return -1;
		}
	}
	return 0;
}

/* What is written into a field. */
static int check_name(const void *value, char *error, size_t error_size)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
	const char *name = *(char *const *)value;

	if (name == NULL || (name[strspn(name, allowed)] == '\0' && strlen(name) <= SMTP_DOMAIN_MAX))
		return 0;
	snprintf(error, error_size, "\"%.100s\" is no name such as \"mail.example.com\"", name);
	return -1;
}

/* There is nothing that could be repaired. */
static int check_no_repair(const void *value, char *error, size_t error_size)
{
	if (*(const int *)value != 1 + RULE_REPAIR)
		return 0;
	snprintf(error, error_size, "this rule cannot repair; use \"off\", \"log\", \"tempfail\" or \"reject\"");
	return -1;
}

/* Memory depends on it. */
static int check_always(const void *value, char *error, size_t error_size)
{
	int setting = *(const int *)value;

	if (setting == 0 || setting == 1 + RULE_TEMPFAIL || setting == 1 + RULE_REJECT)
		return 0;
	snprintf(error, error_size, "this rule can only be \"tempfail\" or \"reject\"; raise the limits instead");
	return -1;
}

static const char *const default_transports[] = { "postern", "postern-pipe", NULL };
static const char *const default_classes[] = { "bounce", "auto-reply", "disposition-notification", NULL };
static const char *const default_ip_fields[] = {
	"X-Originating-IP", "X-Originating-Email", "X-Sender-IP", "X-Client-IP", "X-Forwarded-For", "X-Real-IP",
	"X-PHP-Originating-Script", "X-PHP-Script", "X-Source", "X-Source-Args", "X-Source-Dir", "X-Get-Message-Sender-Via",
	"X-Authenticated-Sender", "X-AntiAbuse", "X-MDRemoteIP", "X-Remote-IP", NULL
};
static const char *const default_agent_fields[] = {
	"User-Agent", "X-Mailer", "X-Newsreader", "X-MimeOLE", "Mail-User-Agent", "X-MailGenerator", NULL
};

#define SETTING(member, conf_type, default_value, ...) \
	{ .name = #member, .type = conf_type, .offset = offsetof(struct milter_conf, member), \
	  .default_text = default_value, __VA_ARGS__ }
#define RULE_SETTING(rule_name, number, ...) \
	{ .name = #rule_name, .type = CONF_CHOICE, .offset = offsetof(struct milter_conf, rules[number]), \
	  .default_text = "default", .choices = rule_choices, __VA_ARGS__ }

const struct conf_setting milter_conf_settings[] = {
	SETTING(listen, CONF_STRING, "unix:/var/spool/postfix/postern/milter.sock", .minimum = 1, .check = check_endpoint,
		.help = "where Postfix's milter client connects"),
	SETTING(policy_listen, CONF_STRING, NULL, .minimum = 1, .check = check_unix,
		.help = "where Postfix's check_policy_service connects: tells client certificates"),
	SETTING(socket_group, CONF_STRING, "postfix", .minimum = 1,
		.help = "group that may connect to these sockets"),
	SETTING(control_socket, CONF_STRING, "unix:/run/postern-milter/control.sock", .minimum = 1, .check = check_unix,
		.help = "where `postern limits` connects"),
	SETTING(user, CONF_STRING, "_postern-milter", .minimum = 1, .help = "what root becomes"),
	SETTING(senders, CONF_STRING, POSTERN_SYSCONFDIR "/senders", .minimum = 1,
		.help = "table of who may send as whom: a file, cdb:FILE or socketmap:ENDPOINT:NAME"),
	SETTING(outbound_transports, CONF_STRING_LIST, NULL, .default_items = default_transports, .minimum = 1,
		.help = "Postfix transports by which mail leaves: who uses them must be in senders"),
	SETTING(recipient_delimiter, CONF_STRING, NULL,
		.help = "as in main.cf: an address with an extension counts as the one without"),
	SETTING(null_sender_classes, CONF_STRING_LIST, NULL, .default_items = default_classes, .check = check_classes,
		.help = "messages that may have the null reverse-path (default: all three classes)"),
	SETTING(mode, CONF_CHOICE, "enforce", .choices = mode_choices, .help = "\"log\" only says what would be done"),
	SETTING(profile, CONF_CHOICE, "standard", .choices = rule_profile_choices,
		.help = "defaults of the rules about the header section"),
	RULE_SETTING(unlisted, RULE_UNLISTED, .check = check_no_repair,
		     .help = "a login, or a client sending outside, without a line in senders"),
	RULE_SETTING(envelope_sender, RULE_ENVELOPE_SENDER, .check = check_no_repair,
		     .help = "an envelope sender that is not theirs"),
	RULE_SETTING(null_sender, RULE_NULL_SENDER, .check = check_no_repair,
		     .help = "null reverse-path on something else than null_sender_classes"),
	RULE_SETTING(from_missing, RULE_FROM_MISSING, .help = "no From; repair: add default= of senders"),
	RULE_SETTING(from_duplicate, RULE_FROM_DUPLICATE, .check = check_no_repair, .help = "more than one From"),
	RULE_SETTING(from_syntax, RULE_FROM_SYNTAX, .check = check_no_repair, .help = "From that can be read in two ways, or in none"),
	RULE_SETTING(from_address, RULE_FROM_ADDRESS, .help = "an address in From that is not theirs; repair: default= of senders"),
	RULE_SETTING(sender_address, RULE_SENDER_ADDRESS, .help = "the same of Sender; repair: delete it"),
	RULE_SETTING(resent_address, RULE_RESENT_ADDRESS, .check = check_no_repair, .help = "the same of Resent-From and Resent-Sender"),
	RULE_SETTING(reply_to_syntax, RULE_REPLY_TO_SYNTAX, .help = "Reply-To that is no address list; repair: delete it"),
	RULE_SETTING(reply_to_address, RULE_REPLY_TO_ADDRESS, .help = "an address in Reply-To that is not theirs; repair: delete it"),
	RULE_SETTING(display_name, RULE_DISPLAY_NAME, .help = "a name in From that shows another address; repair: delete the name"),
	RULE_SETTING(from_domain, RULE_FROM_DOMAIN, .check = check_no_repair, .help = "domains of envelope sender and From differ"),
	RULE_SETTING(header_size, RULE_HEADER_SIZE, .check = check_always, .help = "beyond header_count_limit or header_size_limit"),
	RULE_SETTING(field_name, RULE_FIELD_NAME, .check = check_no_repair, .help = "a field name that RFC 5322 does not know"),
	RULE_SETTING(control_character, RULE_CONTROL_CHARACTER, .check = check_no_repair, .help = "control characters in a field"),
	RULE_SETTING(raw_8bit, RULE_RAW_8BIT, .check = check_no_repair, .help = "8-bit in a field without SMTPUTF8"),
	RULE_SETTING(line_length, RULE_LINE_LENGTH, .check = check_no_repair, .help = "a line of more than 998 octets in a field"),
	RULE_SETTING(once_only, RULE_ONCE_ONLY, .check = check_no_repair, .help = "a field twice that may be there once"),
	RULE_SETTING(subject_length, RULE_SUBJECT_LENGTH, .check = check_no_repair, .help = "more than subject_length_limit"),
	RULE_SETTING(date_missing, RULE_DATE_MISSING, .help = "no Date; repair: now"),
	RULE_SETTING(message_id_missing, RULE_MESSAGE_ID_MISSING, .help = "no Message-ID; repair: a new one"),
	RULE_SETTING(bcc, RULE_BCC, .help = "Bcc, Resent-Bcc; repair: delete"),
	RULE_SETTING(return_path, RULE_RETURN_PATH, .help = "Return-Path; repair: delete"),
	RULE_SETTING(authentication_results, RULE_AUTHENTICATION_RESULTS, .help = "Authentication-Results in our name; repair: delete"),
	RULE_SETTING(originating_ip, RULE_ORIGINATING_IP, .help = "originating_ip_fields; repair: delete"),
	RULE_SETTING(user_agent, RULE_USER_AGENT, .help = "user_agent_fields; repair: delete"),
	RULE_SETTING(received_client, RULE_RECEIVED_CLIENT, .help = "Received fields that came with the message; repair: delete"),
	SETTING(authserv_id, CONF_STRING, NULL, .minimum = 1, .check = check_name, .help = "our name in Authentication-Results (default: this host's)"),
	SETTING(message_id_domain, CONF_STRING, NULL, .minimum = 1, .check = check_name, .help = "in Message-ID fields that are added (default: that of From)"),
	SETTING(originating_ip_fields, CONF_STRING_LIST, NULL, .default_items = default_ip_fields,
		.help = "fields that tell the sender's address"),
	SETTING(user_agent_fields, CONF_STRING_LIST, NULL, .default_items = default_agent_fields,
		.help = "fields that tell the sender's program"),
	SETTING(subject_length_limit, CONF_INTEGER, "0", .minimum = 0, .maximum = 100000, .help = "characters; 0: no limit"),
	SETTING(header_count_limit, CONF_INTEGER, "1000", .minimum = 20, .maximum = 10000, .help = "fields of one message"),
	SETTING(header_size_limit, CONF_SIZE, "512k", .minimum = 4096, .maximum = 16 << 20, .help = "bytes of all fields of one message"),
	SETTING(limits, CONF_STRING, POSTERN_SYSCONFDIR "/limits", .minimum = 1, .help = "table of rates and sizes"),
	SETTING(state_directory, CONF_STRING, "/var/lib/postern-milter", .minimum = 1, .help = "where the state of the limits is kept"),
	SETTING(idle_timeout, CONF_DURATION, "1h", .minimum = 1000, .maximum = 86400000,
		.help = "how long a connection of Postfix may be silent"),
	SETTING(connections, CONF_INTEGER, "1000", .minimum = 1, .maximum = 100000, .help = "connections of Postfix at the same time"),
	SETTING(drain_time, CONF_DURATION, "5s", .minimum = 0, .maximum = 600000, .help = "time for messages under way when stopped"),
	SETTING(log_target, CONF_CHOICE, "syslog", .choices = target_choices, .help = "where the log goes"),
	SETTING(log_level, CONF_CHOICE, "info", .choices = level_choices, .help = "how much is logged"),
	{ .name = NULL },
};

static int default_authserv_id(struct milter_conf *conf)
{
	char name[SMTP_DOMAIN_MAX + 1] = "";

	if (conf->authserv_id != NULL)
		return 0;
	if (gethostname(name, sizeof(name) - 1) < 0 || name[0] == '\0')
		snprintf(name, sizeof(name), "localhost");
	conf->authserv_id = strdup(name);
	return conf->authserv_id == NULL ? -1 : 0;
}

int milter_conf_read(struct milter_conf *conf, const char *path, char *error, size_t error_size)
{
	if (conf_defaults(conf, milter_conf_settings, error, error_size) < 0 ||
	    conf_read(conf, milter_conf_settings, path, error, error_size) < 0)
		return -1;
	if (default_authserv_id(conf) < 0) {
		snprintf(error, error_size, "%s: out of memory", path);
		return -1;
	}
	return 0;
}

enum rule_action milter_conf_action(const struct milter_conf *conf, enum rule rule)
{
	enum rule_action action = conf->rules[rule] > 0 ? (enum rule_action)(conf->rules[rule] - 1) :
							  rule_default(rule, (enum rule_profile)conf->profile);

	return conf->mode == MILTER_MODE_LOG && action != RULE_OFF ? RULE_LOG : action;
}
