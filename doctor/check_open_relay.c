/*
 * postfix-relay: would Postfix send strangers' mail to other strangers? For each smtpd(8) of
 * master.cf: the two lists of restrictions that decide it, read as Postfix does, from left to right;
 * and how many of the world mynetworks lets in. Postfix itself refuses to start without a
 * restriction that rejects.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mail_host.h"

#define WORD_MAX 300

/* Wider than this is no network of anybody's own (10.0.0.0/8 is). */
#define IPV4_PREFIX_MIN 8
#define IPV6_PREFIX_MIN 20

enum list_end { LIST_REJECTS, LIST_PERMITS, LIST_ENDS };

static bool is_one_of(const char *word, const char *const *words)
{
	for (; *words != NULL; words++)
		if (strcmp(word, *words) == 0)
			return true;
	return false;
}

/* How a stranger fares who writes to a stranger. */
static enum list_end read_list(const char *value, bool *trusts_networks)
{
	static const char *const rejecting[] = { "reject_unauth_destination", "defer_unauth_destination", "reject", "defer",
						 "defer_if_permit", NULL };
	char word[WORD_MAX];

	while (postfix_view_next_word(&value, "", word, sizeof(word))) {
		if (strcmp(word, "permit_mynetworks") == 0)
			*trusts_networks = true;
		if (is_one_of(word, rejecting))
			return LIST_REJECTS;
		if (strcmp(word, "permit") == 0)
			return LIST_PERMITS;
	}
	return LIST_ENDS;
}

/* Is there too wide a network in mynetworks? Then it is `word'. */
static bool find_wide_network(const char *value, char *word, size_t size)
{
	while (postfix_view_next_word(&value, "", word, size)) {
		const char *slash = strchr(word, '/');
		int minimum = word[0] == '[' ? IPV6_PREFIX_MIN : IPV4_PREFIX_MIN;

		/* An exclusion, a file, a table. */
		if (slash == NULL || word[0] == '!' || word[0] == '/' || !(isxdigit((unsigned char)word[0]) || word[0] == '['))
			continue;
		if (isdigit((unsigned char)slash[1]) && atoi(slash + 1) < minimum && strcmp(word, "[fe80::]/10") != 0)
			return true;
	}
	return false;
}

/* True: told. */
static bool check_service(struct mail_host *host, const struct postfix_service *service)
{
	const struct postfix_view *view = &host->postfix;
	const char *relay = postfix_view_get_for(view, service, "smtpd_relay_restrictions");
	const char *recipient = postfix_view_get_for(view, service, "smtpd_recipient_restrictions");
	const char *networks = postfix_view_get_for(view, service, "mynetworks");
	char subject[200], network[WORD_MAX];
	bool trusts = false;
	enum list_end of_relay = read_list(relay, &trusts), of_recipient = read_list(recipient, &trusts);

	snprintf(subject, sizeof(subject), "%s/%s", service->name, service->type);
	if (of_relay != LIST_REJECTS && of_recipient != LIST_REJECTS) {
		finding_mend(finding_add(host->list, "postfix-relay", subject, FINDING_FAIL,
					 "anybody may send to anybody: smtpd_relay_restrictions = %s", relay),
			     "postconf -e 'smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination' && postfix reload");
		return true;
	}
	if (trusts && find_wide_network(networks, network, sizeof(network))) {
		finding_mend(finding_add(host->list, "postfix-relay", subject, FINDING_FAIL,
					 "mynetworks has %s: strangers may send to anybody", network),
			     "postconf -e 'mynetworks = 127.0.0.0/8 [::1]/128' && postfix reload");
		return true;
	}
	return false;
}

void check_open_relay(struct mail_host *host)
{
	bool is_told = false;

	for (size_t i = 0; i < host->postfix.service_count; i++)
		if (strcmp(host->postfix.services[i].program, "smtpd") == 0)
			is_told |= check_service(host, &host->postfix.services[i]);
	if (!is_told)
		finding_add(host->list, "postfix-relay", "master.cf", FINDING_OK, "strangers may not send to strangers");
}
