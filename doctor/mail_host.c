/* What the checks of a mail host need, and their order. */
#include "mail_host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "program.h"

static const struct {
	const char *words[3];	/* ids or groups of what it may find; the rest NULL */
	void (*check)(struct mail_host *host);
	bool needs_postfix;
} checks[] = {
	{ { "host-config" }, check_config, false },
	{ { "host-files" }, check_files, false },
	{ { "host-program" }, check_program, false },
	{ { "host-port25" }, check_port25, false },
	{ { "postfix-config" }, check_postfix, true },
	{ { "postfix-transport", "postfix-timeouts" }, check_transport, true },
	{ { "postfix-route", "postfix-bypass" }, check_route, true },
	{ { "postfix-bypass" }, check_bypass, true },
	{ { "postfix-milter", "milter" }, check_milter, false },
	{ { "postfix-relay" }, check_open_relay, true },
	{ { "postfix-queue" }, check_queue, true },
};

#define CHECKS (sizeof(checks) / sizeof(checks[0]))

static bool is_wanted(const struct finding_list *list, const char *const *words)
{
	for (; *words != NULL; words++)
		if (finding_is_wanted(list, *words))
			return true;
	return false;
}

static void check_all(struct mail_host *host)
{
	/* Sendmail and Exim run the transport, too. */
	bool has_postfix = program_is_installed("postconf");

	if (!has_postfix && finding_is_wanted(host->list, "postfix"))
		finding_add(host->list, "postfix-config", "postconf", FINDING_OK, "is not there: this host has no Postfix to look at");
	for (size_t i = 0; i < CHECKS; i++) {
		if (!is_wanted(host->list, checks[i].words) || (checks[i].needs_postfix && !has_postfix))
			continue;
		if (checks[i].needs_postfix && !host->postfix.is_there)
			finding_add(host->list, checks[i].words[0], "postconf", FINDING_UNKNOWN, "%s", host->postfix.error);
		else
			checks[i].check(host);
	}
}

char *mail_host_find_conf(char *out, size_t size)
{
	struct transport_entry entry;
	struct postfix_view view;

	postfix_view_read(&view);
	transport_entry_find(&entry, &view);
	snprintf(out, size, "%s", entry.conf_path[0] != '\0' ? entry.conf_path : TRANSPORT_CONF_PATH);
	postfix_view_wipe(&view);
	return out;
}

void mail_host_check(struct finding_list *list, const char *conf_path, const char *milter_conf_path)
{
	struct mail_host host = { .list = list, .conf_path = conf_path, .milter_conf_path = milter_conf_path };
	char error[512];

	postfix_view_read(&host.postfix);
	transport_entry_find(&host.entry, &host.postfix);
	host.has_conf = transport_conf_read(&host.conf, host.conf_path, error, sizeof(error)) == 0;
	check_all(&host);
	postfix_view_wipe(&host.postfix);
	transport_conf_wipe(&host.conf);
}
