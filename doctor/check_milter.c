/*
 * postfix-milter, milter-config, milter-files: on a host that has milter.conf, the milter's own
 * check of its files; and whether Postfix asks it: in both settings, before filters that sign, at a
 * socket that smtpd(8) reaches, in a chroot too.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/conf.h"
#include "lib/endpoint.h"
#include "mail_host.h"
#include "mail_route.h"
#include "program.h"
#include "user_access.h"

#define ID "postfix-milter"
#define PROGRAM POSTERN_SBINDIR "/postern-milter"
#define LISTEN "unix:/var/spool/postfix/postern/milter.sock"
#define USER "_postern-milter"
#define TIME_LIMIT_MS 10000
#define CONNECT_MS 3000

static void check_config_of_milter(struct mail_host *host)
{
	const char *path = host->milter_conf_path;
	const char *const arguments[] = { PROGRAM, "-c", path, "--check", NULL };
	struct program_output output;
	char error[300];

	if (program_run(&output, arguments, NULL, PROGRAM_STDERR_TOO, TIME_LIMIT_MS, error, sizeof(error)) < 0) {
		finding_add(host->list, "milter-config", path, FINDING_UNKNOWN, "%s", error);
		return;
	}
	if (output.exit_code == 0)
		finding_add(host->list, "milter-config", path, FINDING_OK, "%s", program_last_sentence(&output));
	else
		finding_mend(finding_add(host->list, "milter-config", path, FINDING_FAIL, "%s", program_last_sentence(&output)),
			     "mend it, then: postern-milter -c %s --check && systemctl reload postern-milter", path);
	program_output_wipe(&output);
}

/* A setting of milter.conf, on the heap; the default where it has none. */
static char *look_up(const struct mail_host *host, const char *name, const char *otherwise)
{
	char *value = NULL, error[300];

	if (conf_look_up(host->milter_conf_path, name, &value, error, sizeof(error)) < 0 || value == NULL)
		value = strdup(otherwise);
	return value;
}

static void check_files_of_milter(struct mail_host *host)
{
	char *user = look_up(host, "user", USER), *senders = look_up(host, "senders", POSTERN_SYSCONFDIR "/senders");
	char *state = look_up(host, "state_directory", "/var/lib/postern-milter");
	struct user_access questions[] = {
		{ .path = host->milter_conf_path, .mode = R_OK },
		{ .path = senders != NULL && senders[0] == '/' ? senders : host->milter_conf_path, .mode = R_OK },
		{ .path = state != NULL ? state : "/", .mode = R_OK | W_OK | X_OK },
	};
	char error[300];
	size_t denied = 0;

	if (user == NULL || user_access_ask(user, questions, 3, error, sizeof(error)) < 0) {
		finding_add(host->list, "milter-files", host->milter_conf_path, FINDING_UNKNOWN, "%s",
			    user != NULL ? error : "out of memory");
	} else {
		for (size_t i = 0; i < 3; i++)
			/* The directory is made by the service manager, or by the milter at its start. */
			if (questions[i].error != 0 && !(i == 2 && questions[i].error == ENOENT)) {
				finding_mend(finding_add(host->list, "milter-files", questions[i].path, FINDING_FAIL,
							 "user %s cannot %s it: %s: %s", user, i == 2 ? "write" : "read",
							 questions[i].where, strerror(questions[i].error)),
					     "%s%s%s %s", i == 2 ? "chown " : "chmod a+r", i == 2 ? user : "", i == 2 ? ":" : "",
					     questions[i].where);
				denied++;
			}
		if (denied == 0)
			finding_add(host->list, "milter-files", host->milter_conf_path, FINDING_OK,
				    "user %s can read its files and write its state", user);
	}
	free(user);
	free(senders);
	free(state);
}

/* ---- Postfix ---- */

/* The path of a unix socket as it lies on this host, or the text itself, so that two can be compared. */
static void resolve(const struct mail_host *host, const char *text, char *out, size_t size)
{
	char endpoint[PATH_MAX + 10], real[PATH_MAX];

	mail_route_endpoint(host, text, endpoint, sizeof(endpoint));
	if (strncmp(endpoint, "unix:", 5) == 0 && realpath(endpoint + 5, real) != NULL)
		snprintf(out, size, "unix:%s", real);
	else
		snprintf(out, size, "%s", strncmp(endpoint, "inet:", 5) == 0 ? endpoint + 5 : endpoint);
}

/* Which of the milters in a setting is ours: its position from 0; -1: none. The word goes to `word_out`. */
static int find_milter(const struct mail_host *host, const char *setting, const char *listen, char *word_out, size_t size)
{
	char word[PATH_MAX], ours[PATH_MAX + 10], one[PATH_MAX + 10];
	int position = 0;

	resolve(host, listen, ours, sizeof(ours));
	/* { inet:host:port, options } */
	while (postfix_view_next_word(&setting, "{}", word, sizeof(word))) {
		if (strncmp(word, "unix:", 5) != 0 && strncmp(word, "inet:", 5) != 0 && strncmp(word, "local:", 6) != 0)
			continue;
		resolve(host, word, one, sizeof(one));
		if (strcmp(one, ours) == 0) {
			snprintf(word_out, size, "%s", word);
			return position;
		}
		position++;
	}
	return -1;
}

static const char *relative(const struct mail_host *host, const char *listen)
{
	const char *queue = postfix_view_get(&host->postfix, "queue_directory");

	if (strncmp(listen, "unix:", 5) == 0 && strncmp(listen + 5, queue, strlen(queue)) == 0 &&
	    listen[5 + strlen(queue)] == '/')
		return listen + 5 + strlen(queue) + 1;
	return NULL;
}

/* As main.cf should name it. */
static void print_ours(const struct mail_host *host, const char *listen, char *out, size_t size)
{
	const char *path = relative(host, listen);

	snprintf(out, size, "%s%s", path != NULL ? "unix:" : "", path != NULL ? path : listen);
}

static bool check_setting(struct mail_host *host, const char *name, const char *listen, char *word, size_t size)
{
	const char *value = postfix_view_get(&host->postfix, name);
	int position = find_milter(host, value, listen, word, size);
	char ours[PATH_MAX + 10];

	print_ours(host, listen, ours, sizeof(ours));
	if (position < 0)
		finding_mend(finding_add(host->list, ID, name, FINDING_FAIL, "does not name postern-milter: nothing is checked"),
			     "postconf -e '%s = %s%s%s' && postfix reload", name, ours, value[0] != '\0' ? ", " : "", value);
	else if (position > 0)
		finding_mend(finding_add(host->list, ID, name, FINDING_WARN,
					 "another filter comes before postern-milter: what it signs may be changed afterwards"),
			     "put %s first in %s", ours, name);
	else
		finding_add(host->list, ID, name, FINDING_OK, "%s comes first", word);
	return position >= 0;
}

static bool is_chrooted(const struct mail_host *host, const struct postfix_service *service)
{
	/* Before level 1 "-" was y. */
	return service->chroot[0] == 'y' ||
	       (service->chroot[0] == '-' && atoi(postfix_view_get(&host->postfix, "compatibility_level")) < 1);
}

/* In a chroot an absolute path leads elsewhere. False: told. */
static bool check_chroot(struct mail_host *host, const char *word)
{
	for (size_t i = 0; i < host->postfix.service_count; i++) {
		const struct postfix_service *service = &host->postfix.services[i];

		if (strcmp(service->program, "smtpd") != 0 || strncmp(word, "unix:/", 6) != 0 || !is_chrooted(host, service))
			continue;
		finding_mend(finding_add(host->list, ID, "smtpd_milters", FINDING_FAIL,
					 "%s/%s runs in a chroot, where %s is another file", service->name, service->type, word + 5),
			     "name it from the queue directory on: unix:postern/milter.sock");
		return false;
	}
	return true;
}

static void check_services(struct mail_host *host, const char *listen)
{
	char word[PATH_MAX + 10], subject[200];

	for (size_t i = 0; i < host->postfix.service_count; i++) {
		const struct postfix_service *service = &host->postfix.services[i];
		const char *value = postfix_view_get_for(&host->postfix, service, "smtpd_milters");

		if (strcmp(service->program, "smtpd") != 0 || strcmp(value, postfix_view_get(&host->postfix, "smtpd_milters")) == 0 ||
		    find_milter(host, value, listen, word, sizeof(word)) >= 0)
			continue;
		snprintf(subject, sizeof(subject), "%s/%s", service->name, service->type);
		finding_mend(finding_add(host->list, ID, subject, FINDING_WARN,
					 "its own smtpd_milters does not name postern-milter%s%s", value[0] != '\0' ? ": " : "", value),
			     "right for mail that comes back from a content filter; otherwise take it out of master.cf");
	}
}

static void check_socket(struct mail_host *host, const char *listen)
{
	const char *user = postfix_view_get(&host->postfix, "mail_owner");
	struct user_access question = { .path = listen + 5, .mode = W_OK };
	struct endpoint endpoint;
	char error[600];
	int fd = -1;

	if (endpoint_parse(&endpoint, listen, NULL, error, sizeof(error)) == 0)
		fd = endpoint_connect(&endpoint, deadline_in_ms(CONNECT_MS), error, sizeof(error));
	if (fd < 0) {
		finding_mend(finding_add(host->list, ID, listen, FINDING_FAIL, "postern-milter does not answer: %s", error),
			     "systemctl start postern-milter");
		return;
	}
	close(fd);
	if (endpoint.is_unix && user_access_ask(user[0] != '\0' ? user : "postfix", &question, 1, error, sizeof(error)) == 0 &&
	    question.error != 0)
		finding_mend(finding_add(host->list, ID, listen, FINDING_FAIL, "Postfix's user %s cannot connect: %s: %s", user,
					 question.where, strerror(question.error)),
			     "install -d -o _postern-milter -g postfix -m 2750 %s/postern && systemctl restart postern-milter",
			     postfix_view_get(&host->postfix, "queue_directory"));
	else
		finding_add(host->list, ID, listen, FINDING_OK, "postern-milter answers");
}

static void check_default_action(struct mail_host *host)
{
	const char *value = postfix_view_get(&host->postfix, "milter_default_action");

	if (strcmp(value, "accept") == 0)
		finding_mend(finding_add(host->list, ID, "milter_default_action", FINDING_WARN,
					 "accept: while postern-milter does not run mail passes unchecked"),
			     "postconf -e 'milter_default_action = tempfail' && postfix reload");
}

static void check_wiring(struct mail_host *host)
{
	char *listen = look_up(host, "listen", LISTEN), word[PATH_MAX + 10] = "", other[PATH_MAX + 10];
	bool is_named;

	if (listen == NULL)
		return;
	is_named = check_setting(host, "smtpd_milters", listen, word, sizeof(word));
	is_named |= check_setting(host, "non_smtpd_milters", listen, other, sizeof(other));
	if (check_chroot(host, word))
		check_socket(host, listen);
	if (is_named) {
		check_services(host, listen);
		check_default_action(host);
	}
	free(listen);
}

void check_milter(struct mail_host *host)
{
	/* A host may do without it. */
	if (access(host->milter_conf_path, F_OK) != 0 && errno == ENOENT) {
		finding_add(host->list, "milter-config", host->milter_conf_path, FINDING_OK, "is not there: nobody's sender is checked");
		return;
	}
	if (finding_is_wanted(host->list, "milter-config"))
		check_config_of_milter(host);
	if (finding_is_wanted(host->list, "milter-files"))
		check_files_of_milter(host);
	if (finding_is_wanted(host->list, ID) && host->postfix.is_there)
		check_wiring(host);
}
