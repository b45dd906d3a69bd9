/*
 * postfix-transport, postfix-timeouts: the two services of master.cf, spawn(8) that runs the
 * transport and lmtp(8) that talks to it, or pipe(8); and whether the transport answers there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lmtp_greeting.h"
#include "mail_host.h"
#include "mail_route.h"

#define ID "postfix-transport"
/* The transport gives up after 960 s; conf.examples/master.cf says why. */
#define DATA_DONE_S 1020
#define SPAWN_LIMIT_S 86400

static void fail(struct mail_host *host, const char *id, enum finding_result result, const char *subject,
		 const char *seen, const char *mend)
{
	finding_mend(finding_add(host->list, id, subject, result, "%s", seen), "%s", mend);
}

/* False: told. */
static bool check_spawn(struct mail_host *host)
{
	const struct postfix_service *service = host->entry.service;
	char subject[200], mend[500];

	snprintf(subject, sizeof(subject), "%s/%s", service->name, service->type);
	if (strcmp(host->entry.user, "root") == 0) {
		fail(host, ID, FINDING_FAIL, subject, "it is to run as root, which Postfix refuses",
		     "user=_postern in master.cf");
		return false;
	}
	if (strcmp(service->unprivileged, "n") != 0 || strcmp(service->chroot, "y") == 0) {
		snprintf(mend, sizeof(mend), "postconf -F %s/unprivileged=n %s/chroot=n && postfix reload", subject, subject);
		fail(host, ID, FINDING_FAIL, subject,
		     strcmp(service->chroot, "y") == 0 ? "it is started in a chroot, where the program and its tables are not"
						       : "unpriv is not n: it cannot become the transport's user", mend);
		return false;
	}
	if (!host->entry.is_pipe && strcmp(service->limit, "0") != 0) {
		snprintf(mend, sizeof(mend), "postconf -F %s/process_limit=0 && postfix reload", subject);
		fail(host, ID, FINDING_WARN, subject, "maxproc is not 0: a burst waits for sessions that lmtp(8) keeps open", mend);
		return false;
	}
	return true;
}

/* Whoever connects is greeted by the transport, or told what is wrong. */
static void check_answer(struct mail_host *host)
{
	char path[600], endpoint[600], line[600];
	const char *name = host->entry.service->name;

	snprintf(path, sizeof(path), "unix:%s/%s",
		 strcmp(host->entry.service->privileged, "n") == 0 ? "public" : "private", name);
	mail_route_endpoint(host, path, endpoint, sizeof(endpoint));
	if (lmtp_greeting_read(endpoint, line, sizeof(line)) < 0)
		finding_mend(finding_add(host->list, ID, endpoint, FINDING_FAIL, "nobody answers: %s", line),
			     "postfix status || postfix start\nthen: grep %s /var/log/mail.log", name);
	else if (strncmp(line, "220 ", 4) != 0)
		finding_mend(finding_add(host->list, ID, endpoint, FINDING_FAIL, "the transport takes no mail: %s", line),
			     "mend what it says; mail waits until then");
	else if (!lmtp_greeting_is_postern(line))
		finding_mend(finding_add(host->list, ID, endpoint, FINDING_FAIL, "somebody else answers: %s", line),
			     "in master.cf, have the service %s run " POSTERN_LIBEXECDIR "/postern-transport, see postern-transport(8)", name);
	else
		finding_add(host->list, ID, endpoint, FINDING_OK, "the transport answers there");
}

/* The lmtp(8) that mail is routed to; NULL: none. */
static const struct postfix_service *find_client(const struct mail_host *host)
{
	const char *route = postfix_view_get(&host->postfix, "default_transport");

	if (mail_route_of(host, route) == MAIL_ROUTE_POSTERN)
		return mail_route_service(host, route);
	return postfix_view_find(&host->postfix, "postern", "unix");
}

static void check_client(struct mail_host *host, const struct postfix_service *client)
{
	char subject[200], name[200], mend[500];

	snprintf(subject, sizeof(subject), "%s/%s", client->name, client->type);
	snprintf(name, sizeof(name), "%s_destination_concurrency_limit", client->name);
	if (strcmp(postfix_view_get_for(&host->postfix, client, "lmtp_send_xforward_command"), "yes") != 0) {
		snprintf(mend, sizeof(mend), "postconf -P %s/lmtp_send_xforward_command=yes && postfix reload", subject);
		fail(host, ID, FINDING_FAIL, subject,
		     "lmtp_send_xforward_command is not yes: the logs of both hosts have no queue id in common, and outcomes are not found again",
		     mend);
	} else if (atoi(postfix_view_get(&host->postfix, name)) <= 20) {
		snprintf(mend, sizeof(mend), "postconf -e '%s = 100' '%s_initial_destination_concurrency = 100' && postfix reload", name,
			 client->name);
		finding_mend(finding_add(host->list, ID, subject, FINDING_WARN,
					 "%s is %s: all mail has one next hop, so no more are delivered at a time", name,
					 postfix_view_get(&host->postfix, name)), "%s", mend);
	} else {
		finding_add(host->list, ID, subject, FINDING_OK, "lmtp(8) tells queue ids, %s at a time",
			    postfix_view_get(&host->postfix, name));
	}
}

static void check_data_done(struct mail_host *host, const struct postfix_service *client)
{
	const char *value = postfix_view_get_for(&host->postfix, client, "lmtp_data_done_timeout");
	char subject[200];

	snprintf(subject, sizeof(subject), "%s/%s", client->name, client->type);
	if (postfix_view_seconds(value, 's') >= DATA_DONE_S)
		finding_add(host->list, "postfix-timeouts", subject, FINDING_OK, "lmtp_data_done_timeout is %s", value);
	else
		finding_mend(finding_add(host->list, "postfix-timeouts", subject, FINDING_FAIL,
					 "lmtp_data_done_timeout is %s: slow deliveries are given up here while they go on there, and made twice",
					 value),
			     "postconf -P %s/lmtp_data_done_timeout=%ds && postfix reload", subject, DATA_DONE_S);
}

static void check_time_limit(struct mail_host *host)
{
	char name[200];
	const char *value;

	snprintf(name, sizeof(name), "%s_time_limit", host->entry.service->name);
	value = postfix_view_get(&host->postfix, name);
	if (value[0] == '\0')
		value = postfix_view_get(&host->postfix, "command_time_limit");
	if (postfix_view_seconds(value, 's') >= SPAWN_LIMIT_S)
		finding_add(host->list, "postfix-timeouts", name, FINDING_OK, "%s", value);
	else
		finding_mend(finding_add(host->list, "postfix-timeouts", name, FINDING_FAIL,
					 "is %s: spawn(8) kills the transport then, whatever it is doing", value),
			     "postconf -e '%s = %d' && postfix reload", name, SPAWN_LIMIT_S);
}

void check_transport(struct mail_host *host)
{
	const struct postfix_service *client = find_client(host);

	if (host->entry.service == NULL) {
		if (mail_route_of(host, postfix_view_get(&host->postfix, "default_transport")) == MAIL_ROUTE_POSTERN)
			finding_add(host->list, ID, "default_transport", FINDING_OK, "a transport that Postfix does not start answers");
		else
			finding_mend(finding_add(host->list, ID, "master.cf", FINDING_FAIL, "no service runs postern-transport"),
				     "postconf -M 'postern-spawn/unix=postern-spawn unix - n n - 0 spawn user=%s argv=%s'",
				     host->entry.user, host->entry.program);
	} else if (check_spawn(host) && !host->entry.is_pipe) {
		check_answer(host);
	}
	if (host->entry.service != NULL && !host->entry.is_pipe)
		check_time_limit(host);
	if (client != NULL && strcmp(client->program, "lmtp") == 0) {
		check_client(host, client);
		check_data_done(host, client);
	}
}
