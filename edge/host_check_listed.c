/*
 * Block lists (RFC 5782). An answer means something only if the list answers for its own test entry,
 * 127.0.0.2, too: some refuse questions that come by way of large public resolvers, some have ended
 * and say yes to everything or nothing to anybody. 127.255.255.x is Spamhaus' way to say
 * that it does not answer this resolver.
 */
#include "host_check.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "dns/dns_reverse.h"
#include "lib/endpoint.h"

static const struct block_list {
	const char *zone;
	const char *removal;
	bool has_ipv6;
} block_lists[] = {
	{ "zen.spamhaus.org", "https://check.spamhaus.org/", true },
	{ "bl.spamcop.net", "https://www.spamcop.net/bl.shtml", false },
	{ "psbl.surriel.com", "https://psbl.org/remove", false },
};

enum entry { ENTRY_LISTED, ENTRY_ABSENT, ENTRY_REFUSED, ENTRY_UNKNOWN };

static enum entry look_up(struct host_check *check, const char *name, char *text, size_t size)
{
	enum entry entry = ENTRY_UNKNOWN;
	struct dns_answer answer;
	uint32_t code;

	host_check_lookup(check, name, DNS_TYPE_A, &answer);
	if (answer.result == DNS_ERROR) {
		snprintf(text, size, "%s", answer.error);
	} else if (answer.count == 0) {
		entry = ENTRY_ABSENT;
	} else {
		code = ntohl(((const struct sockaddr_in *)(const void *)&answer.addresses[0])->sin_addr.s_addr);
		endpoint_print_address((const struct sockaddr *)&answer.addresses[0], text, size);
		entry = code >> 8 == 0x7fffff ? ENTRY_REFUSED : code >> 24 == 127 ? ENTRY_LISTED : ENTRY_UNKNOWN;
	}
	dns_answer_wipe(&answer);
	return entry;
}

/* Does it answer us at all? */
static enum entry look_up_test_entry(struct host_check *check, const struct block_list *list, char *text, size_t size)
{
	char name[DNS_REVERSE_MAX];

	snprintf(name, sizeof(name), "2.0.0.127.%s", list->zone);
	return look_up(check, name, text, size);
}

static void check_list(struct host_check *check, const struct block_list *list, const struct sockaddr_storage *address,
		       const char *address_text, bool is_used)
{
	char name[DNS_REVERSE_MAX], text[DNS_ERROR_MAX] = "", subject[200], mend[300];
	enum entry entry = look_up_test_entry(check, list, text, sizeof(text));

	snprintf(subject, sizeof(subject), "%s on %s", address_text, list->zone);
	if (entry == ENTRY_LISTED)
		entry = look_up(check, dns_reverse_name(name, sizeof(name), address, list->zone), text, sizeof(text));
	else if (entry == ENTRY_ABSENT) {
		host_check_add(check, "edge-listed", subject, FINDING_UNKNOWN, "use a resolver of your own on the VPS",
			       "the list does not answer this resolver: its test entry is missing");
		return;
	}
	snprintf(mend, sizeof(mend), "find out why, stop it, then ask for removal: %s", list->removal);
	switch (entry) {
	case ENTRY_LISTED:
		host_check_add(check, "edge-listed", subject, is_used ? FINDING_FAIL : FINDING_WARN, mend, "listed (%s)", text);
		return;
	case ENTRY_ABSENT:
		host_check_add(check, "edge-listed", subject, FINDING_OK, "", "not listed");
		return;
	case ENTRY_REFUSED:
		host_check_add(check, "edge-listed", subject, FINDING_UNKNOWN, "use a resolver of your own on the VPS",
			       "the list does not answer this resolver (%s)", text);
		return;
	case ENTRY_UNKNOWN:
		host_check_add(check, "edge-listed", subject, FINDING_UNKNOWN, "", "no sound answer: %s", text);
	}
}

void host_check_listed(struct host_check *check, const struct sockaddr_storage *address, bool is_used)
{
	char text[SOCKADDR_TEXT_MAX];

	endpoint_print_address((const struct sockaddr *)address, text, sizeof(text));
	for (size_t i = 0; i < sizeof(block_lists) / sizeof(block_lists[0]); i++)
		if (address->ss_family == AF_INET || block_lists[i].has_ipv6)
			check_list(check, &block_lists[i], address, text, is_used);
}
