/*
 * Gathers what the checks of sending domains need. Domains: myorigin, and those in mydestination,
 * virtual_alias_domains and virtual_mailbox_domains that stand there as they are (not in tables),
 * and those for which a key signs. The name of this host itself is one of them only if there is no
 * other. Of relay_domains nobody knows whether their mail leaves here.
 */
#include "sending_host.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "dns/dns_name.h"
#include "lib/text_file.h"
#include "postfix_view.h"
#include "sending.h"

#define CACHE_MS 60000
#define STS_FETCH POSTERN_LIBEXECDIR "/postern-sts-fetch"

struct gathering {
	struct sending sending;
	struct lookup_patience patience;
	struct lookup_source source;
	struct dkim_signers signers;
	struct postfix_view postfix;
	struct own_mx own;
	struct sending_address addresses[SENDING_ADDRESSES_MAX];
	char edges[SENDING_ADDRESSES_MAX][64], hellos[SENDING_ADDRESSES_MAX][DNS_NAME_MAX + 1];
	char domains[SENDING_DOMAINS_MAX][DNS_NAME_MAX + 1],
		envelopes[SENDING_DOMAINS_MAX][DNS_NAME_MAX + 1];
	size_t domain_count;
};

/* ---- addresses ---- */

/* "NAME: REST": the length of the name, 0 if it is no such thing. */
static size_t prefix_length(const char *subject)
{
	const char *end = strstr(subject, ": ");

	return end != NULL ? (size_t)(end - subject) : 0;
}

/* The name with which an edge greets; a client's own name comes after the edge's. */
static void find_hello(const struct finding_list *edges, const char *edge,
		       char out[DNS_NAME_MAX + 1])
{
	out[0] = '\0';
	for (size_t i = 0; i < edges->count; i++) {
		const char *subject = edges->items[i].subject;
		size_t length = prefix_length(subject);

		if (strcmp(edges->items[i].id, "edge-hello") != 0 || strlen(edge) != length ||
		    strncmp(subject, edge, length) != 0 ||
		    edges->items[i].result == FINDING_UNKNOWN)
			continue;
		if (!dns_name_copy(out, subject + length + 2))
			out[0] = '\0';
	}
}

static bool parse_address(struct sockaddr_storage *address, const char *text)
{
	memset(address, 0, sizeof(*address));
	address->ss_family = strchr(text, ':') != NULL ? AF_INET6 : AF_INET;
	return inet_pton(address->ss_family, text,
			 address->ss_family == AF_INET
				 ? (void *)&((struct sockaddr_in *)address)->sin_addr
				 : (void *)&((struct sockaddr_in6 *)address)->sin6_addr) == 1;
}

static void gather_addresses(struct gathering *all, const struct finding_list *edges)
{
	for (size_t i = 0; i < edges->count && all->sending.address_count < SENDING_ADDRESSES_MAX; i++) {
		const struct finding *finding = &edges->items[i];
		size_t length = prefix_length(finding->subject), at = all->sending.address_count;

		if (strcmp(finding->id, "edge-source") != 0 || finding->result != FINDING_OK ||
		    length == 0 || length >= sizeof(all->edges[at]) ||
		    !parse_address(&all->addresses[at].address, finding->subject + length + 2))
			continue;
		snprintf(all->edges[at], sizeof(all->edges[at]), "%.*s", (int)length,
			 finding->subject);
		find_hello(edges, all->edges[at], all->hellos[at]);
		all->addresses[at].edge = all->edges[at];
		all->addresses[at].hello = all->hellos[at];
		all->sending.address_count++;
	}
	all->sending.list->is_incomplete |= all->sending.address_count == SENDING_ADDRESSES_MAX;
}

/* ---- domains ---- */

/* "FROM" or "FROM=ENVELOPE". */
static bool parse_domain(const char *text, char name[DNS_NAME_MAX + 1],
			 char envelope[DNS_NAME_MAX + 1])
{
	char copy[2 * DNS_NAME_MAX + 3];
	char *equals;

	snprintf(copy, sizeof(copy), "%s", text);
	equals = strchr(copy, '=');
	if (equals != NULL)
		*equals++ = '\0';
	return strchr(copy, '.') != NULL && dns_name_copy(name, copy) &&
	       dns_name_copy(envelope, equals != NULL ? equals : copy);
}

bool sending_host_is_domain(const char *text)
{
	char name[DNS_NAME_MAX + 1], envelope[DNS_NAME_MAX + 1];

	return parse_domain(text, name, envelope);
}

static void add_domain(struct gathering *all, const char *text)
{
	char name[DNS_NAME_MAX + 1], envelope[DNS_NAME_MAX + 1];

	if (!parse_domain(text, name, envelope))
		return;
	for (size_t i = 0; i < all->domain_count; i++)
		if (strcmp(all->domains[i], name) == 0)
			return;
	if (all->domain_count == SENDING_DOMAINS_MAX) {
		all->sending.list->is_incomplete = true;
		return;
	}
	memcpy(all->domains[all->domain_count], name, sizeof(name));
	memcpy(all->envelopes[all->domain_count++], envelope, sizeof(envelope));
}

/* Not a table, no address literal, no pattern, and not only a label. */
static bool is_plain_domain(const char *word)
{
	return strpbrk(word, ":/[]*!=") == NULL && strchr(word, '.') != NULL && word[0] != '.' &&
	       strncasecmp(word, "localhost.", 10) != 0;
}

static void add_setting(struct gathering *all, const struct postfix_view *postfix,
			const char *setting)
{
	const char *hostname = postfix_view_get(postfix, "myhostname");
	const char *value = postfix_view_get(postfix, setting);
	char word[DNS_NAME_MAX + 1];

	while (postfix_view_next_word(&value, "", word, sizeof(word)))
		if (is_plain_domain(word) && strcasecmp(word, hostname) != 0)
			add_domain(all, word);
}

/* myorigin = /etc/mailname: the file's first line. */
static void add_origin(struct gathering *all, const struct postfix_view *postfix)
{
	const char *origin = postfix_view_get(postfix, "myorigin");
	struct text_file file;
	char error[300];

	if (origin[0] != '/') {
		add_setting(all, postfix, "myorigin");
		return;
	}
	if (text_file_read(&file, origin, 4096, NULL, error, sizeof(error)) != 0)
		return;
	file.text[strcspn(file.text, " \t\r\n")] = '\0';
	if (is_plain_domain(file.text) &&
	    strcasecmp(file.text, postfix_view_get(postfix, "myhostname")) != 0)
		add_domain(all, file.text);
	text_file_wipe(&file);
}

static void gather_domains(struct gathering *all)
{
	const struct postfix_view *postfix = &all->postfix;

	if (postfix->is_there) {
		add_origin(all, postfix);
		add_setting(all, postfix, "mydestination");
		add_setting(all, postfix, "virtual_alias_domains");
		add_setting(all, postfix, "virtual_mailbox_domains");
	}
	for (size_t i = 0; i < all->signers.count; i++) {
		const char *at = strrchr(all->signers.items[i].pattern, '@');

		if (at != NULL && is_plain_domain(at + 1))
			add_domain(all, at + 1);
	}
	if (all->domain_count == 0 && postfix->is_there &&
	    is_plain_domain(postfix_view_get(postfix, "myhostname")))
		add_domain(all, postfix_view_get(postfix, "myhostname"));
}

/* ---- all together ---- */

static void check_domains(struct gathering *all)
{
	struct sending *sending = &all->sending;

	sending->validation =
		check_resolver(sending->list, sending->dns, "domain-resolver", "/etc/resolv.conf");
	if (sending->address_count == 0)
		finding_mend(finding_add(sending->list, "domain-spf-covers", "all domains",
					 FINDING_UNKNOWN,
					 "no edge said from which addresses it delivers"),
			     "mend what edge-reachable and edge-source say");
	if (finding_is_wanted(sending->list, "domain-hello-spf"))
		check_hello_spf(sending);
	for (size_t i = 0; i < all->domain_count; i++)
		sending_check_domain(sending, all->domains[i], all->envelopes[i]);
}

void sending_host_check(struct finding_list *list, const struct finding_list *edges,
			char *const *domains, size_t count)
{
	struct gathering *all = calloc(1, sizeof(*all));
	char error[300] = "out of memory";

	/* The resolver's word is taken wherever it is: nothing but a report depends on it. */
	if (all == NULL || (all->patience.resolver = dns_resolver_create(NULL, true, error,
									 sizeof(error))) == NULL) {
		finding_add(list, "domain-resolver", "/etc/resolv.conf", FINDING_UNKNOWN, "%s",
			    error);
		free(all);
		return;
	}
	dns_resolver_keep_answers(all->patience.resolver, CACHE_MS);
	all->source = lookup_from_resolver(&all->patience);
	all->sending = (struct sending){ .list = list,
					 .dns = &all->source,
					 .addresses = all->addresses,
					 .signers = &all->signers,
					 .own = &all->own };
	if (access(STS_FETCH, X_OK) == 0)
		all->sending.sts_fetch = STS_FETCH;
	dkim_signers_read(&all->signers, "");
	postfix_view_read(&all->postfix);
	if (finding_is_wanted(list, "domain-dane"))
		own_mx_read(&all->own, &all->postfix);
	gather_addresses(all, edges);
	for (size_t i = 0; i < count; i++)
		add_domain(all, domains[i]);
	if (count == 0)
		gather_domains(all);
	check_domains(all);
	own_mx_wipe(&all->own);
	postfix_view_wipe(&all->postfix);
	dkim_signers_wipe(&all->signers);
	dns_resolver_destroy(all->patience.resolver);
	free(all);
}
