/*
 * The addresses that mail leaves from, as receivers look at them: a PTR record, whose name leads
 * back (forward-confirmed), and a name in EHLO that has this address (RFC 5321 4.1.4, RFC 8501).
 *
 * An IPv6 address of our own is not used for mail while `ipv6 = "auto"` and its name does not lead
 * back: then what is wrong with it is a warning.
 */
#include "host_check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "dns/dns_reverse.h"
#include "lib/endpoint.h"
#include "own_address.h"

/* PTR records that are followed: who has more means nobody. */
#define NAMES_MAX 5

struct sender {
	struct sockaddr_storage address;
	char text[SOCKADDR_TEXT_MAX];
	const char *hello;
	const char *record;	/* "A" or "AAAA" */
	enum dns_type type;
	bool is_used;
	/* what was found */
	enum finding_result ptr, forward;
	char names[400];	/* of the PTR records */
	char first[DNS_NAME_MAX + 1];
	char error[DNS_ERROR_MAX];
};

static void begin(struct sender *sender, const struct sockaddr_storage *address, const char *hello)
{
	memset(sender, 0, sizeof(*sender));
	sender->address = *address;
	sender->hello = hello;
	sender->is_used = true;
	sender->record = address->ss_family == AF_INET ? "A" : "AAAA";
	sender->type = address->ss_family == AF_INET ? DNS_TYPE_A : DNS_TYPE_AAAA;
	endpoint_print_address((const struct sockaddr *)address, sender->text, sizeof(sender->text));
}

/* OK, FAIL, or UNKNOWN with sender->error: does this name have the address? *count_out: how many it has. */
static enum finding_result leads_to(struct host_check *check, struct sender *sender, const char *name, size_t *count_out)
{
	enum finding_result result = FINDING_FAIL;
	struct dns_answer answer;

	host_check_lookup(check, name, sender->type, &answer);
	*count_out = answer.count;
	if (answer.result == DNS_ERROR) {
		result = FINDING_UNKNOWN;
		snprintf(sender->error, sizeof(sender->error), "%s", answer.error);
	}
	for (size_t i = 0; i < answer.count; i++)
		if (endpoint_is_same_address(&answer.addresses[i], &sender->address))
			result = FINDING_OK;
	dns_answer_wipe(&answer);
	return result;
}

/* The best of what its names say: one that leads back is enough. */
static void follow_names(struct host_check *check, struct sender *sender, const struct dns_answer *names)
{
	enum finding_result one;
	size_t count, used = 0;

	sender->forward = FINDING_FAIL;
	for (size_t i = 0; i < names->count && i < NAMES_MAX; i++) {
		const char *name = names->mx[i].exchange;

		if (used < sizeof(sender->names))
			used += (size_t)snprintf(sender->names + used, sizeof(sender->names) - used, "%s%s",
						 used > 0 ? ", " : "", name);
		one = leads_to(check, sender, name, &count);
		if (one == FINDING_OK || (one == FINDING_UNKNOWN && sender->forward == FINDING_FAIL))
			sender->forward = one;
	}
	snprintf(sender->first, sizeof(sender->first), "%s", names->mx[0].exchange);
	/* If one of them is the name in EHLO, that is the one that is meant. */
	for (size_t i = 0; i < names->count; i++)
		if (strcasecmp(names->mx[i].exchange, sender->hello) == 0)
			snprintf(sender->first, sizeof(sender->first), "%s", names->mx[i].exchange);
}

static void look_back(struct host_check *check, struct sender *sender)
{
	char reverse[DNS_REVERSE_MAX];
	struct dns_answer names;

	dns_reverse_name(reverse, sizeof(reverse), &sender->address, NULL);
	host_check_lookup(check, reverse, DNS_TYPE_PTR, &names);
	if (names.result == DNS_ERROR) {
		sender->ptr = sender->forward = FINDING_UNKNOWN;
		snprintf(sender->error, sizeof(sender->error), "%s", names.error);
	} else if (names.count == 0) {
		sender->ptr = sender->forward = FINDING_FAIL;
	} else {
		sender->ptr = FINDING_OK;
		follow_names(check, sender, &names);
	}
	dns_answer_wipe(&names);
}

/* ---- what it means ---- */

static enum finding_result weigh(const struct sender *sender, enum finding_result result)
{
	return result == FINDING_FAIL && !sender->is_used ? FINDING_WARN : result;
}

static void tell_ptr(struct host_check *check, const struct sender *sender)
{
	char mend[700], reverse[DNS_REVERSE_MAX];

	snprintf(mend, sizeof(mend), "in the panel of the VPS's provider, set the reverse DNS of %s to %s:\n%s. PTR %s.",
		 sender->text, sender->hello, dns_reverse_name(reverse, sizeof(reverse), &sender->address, NULL),
		 sender->hello);
	if (sender->ptr == FINDING_UNKNOWN)
		host_check_add(check, "edge-ptr", sender->text, FINDING_UNKNOWN, "", "%s", sender->error);
	else if (sender->ptr == FINDING_FAIL)
		host_check_add(check, "edge-ptr", sender->text, weigh(sender, FINDING_FAIL), mend,
			       "has no PTR record%s",
			       sender->is_used ? "; many servers refuse mail from it" : "; mail goes over IPv4 alone");
	else if (strcasecmp(sender->first, sender->hello) != 0)
		host_check_add(check, "edge-ptr", sender->text, FINDING_WARN, mend,
			       "its PTR record names %s, but the edge calls itself %s", sender->names, sender->hello);
	else
		host_check_add(check, "edge-ptr", sender->text, FINDING_OK, "", "its PTR record names %s", sender->names);
}

static void tell_forward(struct host_check *check, const struct sender *sender)
{
	char mend[700];

	snprintf(mend, sizeof(mend), "%s. %s %s", sender->first, sender->record, sender->text);
	if (sender->ptr == FINDING_FAIL)
		return; /* edge-ptr says all */
	if (sender->forward == FINDING_UNKNOWN)
		host_check_add(check, "edge-forward", sender->text, FINDING_UNKNOWN, "", "%s", sender->error);
	else if (sender->forward == FINDING_FAIL)
		host_check_add(check, "edge-forward", sender->text, weigh(sender, FINDING_FAIL), mend,
			       "the name in its PTR record, %s, does not lead back to it%s", sender->names,
			       sender->is_used ? "" : "; mail goes over IPv4 alone");
	else
		host_check_add(check, "edge-forward", sender->text, FINDING_OK, "", "its PTR record leads back to it");
}

static void tell_name(struct host_check *check, struct sender *sender)
{
	char mend[700];
	size_t count;
	enum finding_result result = leads_to(check, sender, sender->hello, &count);

	snprintf(mend, sizeof(mend), "%s. %s %s", sender->hello, sender->record, sender->text);
	if (result == FINDING_UNKNOWN)
		host_check_add(check, "edge-name", sender->text, FINDING_UNKNOWN, "", "%s", sender->error);
	else if (result == FINDING_FAIL)
		host_check_add(check, "edge-name", sender->text, weigh(sender, FINDING_FAIL), mend,
			       count > 0 ? "the %2$s records of %1$s, the name in EHLO, are of other addresses"
					 : "%1$s, the name in EHLO, has no %2$s record",
			       sender->hello, sender->record);
	else
		host_check_add(check, "edge-name", sender->text, FINDING_OK, "", "%s, the name in EHLO, leads to it",
			       sender->hello);
}

static void check_sender(struct host_check *check, struct sender *sender)
{
	if (finding_is_wanted(check->list, "edge-ptr") || finding_is_wanted(check->list, "edge-forward"))
		tell_ptr(check, sender);
	if (finding_is_wanted(check->list, "edge-forward"))
		tell_forward(check, sender);
	if (finding_is_wanted(check->list, "edge-name"))
		tell_name(check, sender);
	if (finding_is_wanted(check->list, "edge-listed"))
		host_check_listed(check, &sender->address, sender->is_used);
}

/* ---- our own ---- */

/* Behind a translation of addresses the name in EHLO is all we know of what the world sees. */
static bool take_public(struct host_check *check, struct sender *sender)
{
	struct dns_answer answer;
	bool is_found;

	host_check_lookup(check, sender->hello, sender->type, &answer);
	is_found = answer.count > 0;
	host_check_add(check, "edge-source", sender->text, FINDING_WARN, "",
		       "a private address: mail leaves from another one%s%s", is_found ? ", taken to be that of " : "",
		       is_found ? sender->hello : "");
	if (is_found)
		begin(sender, &answer.addresses[0], sender->hello);
	dns_answer_wipe(&answer);
	return is_found;
}

static void tell_none(struct host_check *check, int family, bool is_on)
{
	if (family == AF_INET)
		host_check_add(check, "edge-source", "IPv4", FINDING_FAIL,
			       "give it one, and a way out: ip -4 address; ip -4 route",
			       "this host has no address to send from; few mail servers can be reached over IPv6 alone");
	else if (is_on)
		host_check_add(check, "edge-source", "IPv6", FINDING_FAIL,
			       "give it one, and a way out (ip -6 address; ip -6 route), or take the line out of edge.conf",
			       "this host has no address to send from, but ipv6 = \"on\"");
	else
		host_check_add(check, "edge-source", "IPv6", FINDING_WARN, "",
			       "this host has no address to send from; mail goes over IPv4 alone");
}

static void check_own(struct host_check *check, int family)
{
	const struct edge_conf *conf = &check->setup->conf;
	const char *family_name = family == AF_INET ? "IPv4" : "IPv6";
	struct sockaddr_storage address;
	struct sender sender;
	char port[40];

	if (own_address_find(family, &address) < 0) {
		tell_none(check, family, conf->ipv6 == EDGE_IPV6_ON);
		return;
	}
	begin(&sender, &address, conf->ehlo_name);
	if (own_address_is_private(&address) && !take_public(check, &sender))
		return;
	look_back(check, &sender);
	sender.is_used = family == AF_INET || conf->ipv6 == EDGE_IPV6_ON || sender.forward == FINDING_OK;
	host_check_add(check, "edge-source", sender.text, sender.is_used ? FINDING_OK : FINDING_WARN, "",
		       sender.is_used ? "mail leaves from it over %s"
				      : "mail would leave from it over %s if its PTR record led back to it",
		       family_name);
	check_sender(check, &sender);
	snprintf(port, sizeof(port), "port 25 over %s", family_name);
	if (sender.is_used && finding_is_wanted(check->list, "edge-egress"))
		host_check_egress(check, family, NULL, port);
}

void host_check_own_addresses(struct host_check *check)
{
	check_own(check, AF_INET);
	if (check->setup->conf.ipv6 != EDGE_IPV6_OFF)
		check_own(check, AF_INET6);
}

/* ---- a tenant's ---- */

static bool can_bind(const struct sockaddr_storage *address)
{
	int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), reason;
	bool is_good = fd >= 0 && bind(fd, (const struct sockaddr *)address,
				       address->ss_family == AF_INET ? sizeof(struct sockaddr_in)
								     : sizeof(struct sockaddr_in6)) == 0;

	reason = errno;
	if (fd >= 0)
		close(fd);
	errno = reason;
	return is_good;
}

static void check_source(struct host_check *check, const struct tenant *tenant, int family)
{
	struct sockaddr_storage address;
	char subject[CLIENT_NAME_MAX + 60];
	struct sender sender;

	if (tenant_source(tenant, family, &address) == NULL)
		return;
	begin(&sender, &address, tenant_hello(tenant, check->setup->conf.ehlo_name));
	if (!can_bind(&address)) {
		snprintf(subject, sizeof(subject), "%s of client %s", family == AF_INET ? "source4" : "source6",
			 tenant->name);
		host_check_add(check, "edge-source", subject, FINDING_FAIL,
			       "give the VPS this address, or correct the client's line in the allow-list", "%s: %s",
			       sender.text, strerror(errno));
		return;
	}
	host_check_add(check, "edge-source", sender.text, FINDING_OK, "", "mail of client %s leaves from it",
		       tenant->name);
	look_back(check, &sender);
	check_sender(check, &sender);
	snprintf(subject, sizeof(subject), "port 25 from %s", sender.text);
	if (finding_is_wanted(check->list, "edge-egress"))
		host_check_egress(check, family, &address, subject);
}

void host_check_tenant(struct host_check *check, const struct tenant *tenant)
{
	check_source(check, tenant, AF_INET);
	check_source(check, tenant, AF_INET6);
	if (tenant->hello[0] != '\0')
		host_check_hello(check, tenant->hello);
}
