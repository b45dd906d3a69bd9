/*
 * postfix-route, postfix-bypass: does outbound mail come to postern, and does none of it get past?
 * relayhost is not looked at: the next hop in default_transport comes before it (postconf(5)).
 */
#include <stdio.h>
#include <string.h>

#include "mail_host.h"
#include "mail_route.h"

/* Whom a map that cannot be listed is asked about. */
#define PROBE "gmail.com"
#define PROBE_SENDER "@gmail.com"
#define KNOWN_MAX 16
/* So many lines of a table are told of, of the others their number. */
#define ROWS_SHOWN 20

struct rows {
	struct mail_host *host;
	const char *setting;
	size_t to_postern, past;
	/* Where values lead: many lines have the same, and to find it out may take a connection. */
	struct {
		char value[300];
		enum mail_route route;
	} known[KNOWN_MAX];
	size_t known_count;
};

static enum mail_route find_route(struct rows *rows, const char *value)
{
	size_t at = 0;

	while (at < rows->known_count && strcmp(rows->known[at].value, value) != 0)
		at++;
	if (at == rows->known_count) {
		at = at < KNOWN_MAX ? rows->known_count++ : KNOWN_MAX - 1;
		snprintf(rows->known[at].value, sizeof(rows->known[at].value), "%s", value);
		rows->known[at].route = mail_route_of(rows->host, value);
	}
	return rows->known[at].route;
}

static void take_row(void *context, const char *map, const char *key, const char *value)
{
	struct rows *rows = context;
	enum mail_route route = find_route(rows, value);
	bool is_for_all = strcmp(key, "*") == 0;

	if (route == MAIL_ROUTE_POSTERN)
		rows->to_postern++;
	if (route == MAIL_ROUTE_POSTERN || route == MAIL_ROUTE_LOCAL || (route == MAIL_ROUTE_HOST && !is_for_all))
		return;
	if (rows->past++ >= ROWS_SHOWN || !finding_is_wanted(rows->host->list, "postfix-bypass"))
		return;
	if (route == MAIL_ROUTE_UNKNOWN)
		finding_mend(finding_add(rows->host->list, "postfix-bypass", rows->setting, FINDING_FAIL,
					 "%s: %s names a service that master.cf does not have: %s", map, key, value),
			     "correct it; mail for it is deferred");
	else
		finding_mend(finding_add(rows->host->list, "postfix-bypass", rows->setting, FINDING_FAIL,
					 "%s: mail of %s goes past postern: %s", map, is_for_all ? "everybody" : key, value),
			     "take the line out, or name the host that is meant in brackets: smtp:[mail.partner.example]");
}

static void look_at_maps(struct rows *rows, const char *probe)
{
	const char *maps = postfix_view_get(&rows->host->postfix, rows->setting);
	size_t failures = mail_route_each_row(rows->host, maps, probe, take_row, rows);

	if (rows->past > ROWS_SHOWN)
		finding_mend(finding_add(rows->host->list, "postfix-bypass", rows->setting, FINDING_FAIL,
					 "%zu more lines go past postern", rows->past - ROWS_SHOWN), "as those above");
	if (failures > 0)
		finding_mend(finding_add(rows->host->list, "postfix-bypass", rows->setting, FINDING_UNKNOWN,
					 "%zu of its tables cannot be read", failures),
			     "try: postmap -q %s %s", probe, maps);
	else if (maps[0] != '\0' && rows->past == 0)
		finding_add(rows->host->list, "postfix-bypass", rows->setting, FINDING_OK, "leads nothing past postern");
}

void check_route(struct mail_host *host)
{
	struct rows transports = { .host = host, .setting = "transport_maps" };
	struct rows senders = { .host = host, .setting = "sender_dependent_default_transport_maps" };
	const char *route = postfix_view_get(&host->postfix, "default_transport");
	bool is_default = mail_route_of(host, route) == MAIL_ROUTE_POSTERN;

	look_at_maps(&transports, PROBE);
	look_at_maps(&senders, PROBE_SENDER);
	if (is_default)
		finding_add(host->list, "postfix-route", "default_transport", FINDING_OK, "%s leads to postern", route);
	else if (transports.to_postern + senders.to_postern > 0)
		finding_add(host->list, "postfix-route", "default_transport", FINDING_OK,
			    "%s; %zu lines of tables lead to postern", route, transports.to_postern + senders.to_postern);
	else
		finding_mend(finding_add(host->list, "postfix-route", "default_transport", FINDING_FAIL,
					 "%s: no mail is routed to postern", route),
			     "postconf -e 'default_transport = postern:unix:private/postern-spawn' && postfix reload");
}

/* ---- settings ---- */

/* A filter on this host, which gives mail back? */
static bool is_near(const char *next_hop)
{
	return strncmp(next_hop, "unix:", 5) == 0 || strncmp(next_hop, "[127.", 5) == 0 || strncmp(next_hop, "127.", 4) == 0 ||
	       strncmp(next_hop, "[::1]", 5) == 0 || strncmp(next_hop, "localhost", 9) == 0 ||
	       strncmp(next_hop, "[localhost]", 11) == 0 || strncmp(next_hop, "inet:127.", 9) == 0 ||
	       strncmp(next_hop, "inet:localhost", 14) == 0;
}

static void check_filter(struct mail_host *host)
{
	const char *filter = postfix_view_get(&host->postfix, "content_filter");
	const char *colon = strchr(filter, ':');
	enum mail_route route = mail_route_of(host, filter);

	if (filter[0] == '\0' || route == MAIL_ROUTE_POSTERN)
		return;
	if (route == MAIL_ROUTE_LOCAL || (colon != NULL && is_near(colon + 1)))
		finding_add(host->list, "postfix-bypass", "content_filter", FINDING_OK, "%s is on this host", filter);
	else
		finding_mend(finding_add(host->list, "postfix-bypass", "content_filter", FINDING_FAIL,
					 "%s takes all mail, before any routing", filter),
			     "postconf -X content_filter && postfix reload");
}

/* lmtp(8) would hand mail to it when the transport says that no edge can be reached. */
static void check_fallback(struct mail_host *host)
{
	const struct postfix_service *client =
		mail_route_service(host, postfix_view_get(&host->postfix, "default_transport"));
	const char *value;

	if (client == NULL || strcmp(client->program, "lmtp") != 0)
		return;
	value = postfix_view_get_for(&host->postfix, client, "lmtp_fallback_relay");
	if (value[0] != '\0')
		finding_mend(finding_add(host->list, "postfix-bypass", "lmtp_fallback_relay", FINDING_FAIL,
					 "mail that postern defers is handed to %s", value),
			     "postconf -X lmtp_fallback_relay && postfix reload");
}

static void check_deferred(struct mail_host *host)
{
	const struct postfix_service *client =
		mail_route_service(host, postfix_view_get(&host->postfix, "default_transport"));
	const char *setting = postfix_view_get(&host->postfix, "defer_transports");
	char word[100];

	while (postfix_view_next_word(&setting, "", word, sizeof(word)))
		if (client != NULL && strcmp(word, client->name) == 0)
			finding_mend(finding_add(host->list, "postfix-bypass", "defer_transports", FINDING_FAIL,
						 "mail for %s waits until somebody flushes the queue", word),
				     "postconf -X defer_transports && postfix reload");
}

void check_bypass(struct mail_host *host)
{
	size_t before = host->list->count;

	check_filter(host);
	check_fallback(host);
	check_deferred(host);
	if (host->list->count == before)
		finding_add(host->list, "postfix-bypass", "main.cf", FINDING_OK,
			    "no content_filter, lmtp_fallback_relay or defer_transports is in the way");
}
