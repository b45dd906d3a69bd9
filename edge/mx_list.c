/*
 * Where to deliver the mail of a domain, or of a host that was chosen: RFC 5321 5.1, null MX RFC 7505, internationalised domains
 * RFC 5891 (non-transitional).
 *
 * Failure is never taken for absence: an MX lookup that fails is not followed by a try at the
 * domain's own address (that would hand the mail to whoever can break one lookup), and no outcome
 * is permanent while some lookup failed. A mail exchanger that is an alias is followed, as
 * everybody does, though RFC 5321 forbids it. A mail exchanger that is an address in disguise
 * ("192.0.2.1.") has no address records, hence is skipped.
 *
 * Everything is bounded: hosts looked up, addresses kept, time. Which of the addresses may be
 * connected to is decided later, by address_guard on the very address that is connected to.
 */
#include "mx_list.h"

#include <arpa/inet.h>
#include <errno.h>
#include <idn2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "dns/dns_name.h"
#include "lib/ascii.h"
#include "lib/log.h"
#include "lib/mail_address.h"

#define LOOKUP_TIMEOUT_MS 60000
/* Once there is an address, further hosts with slow DNS are not waited for longer than this. */
#define ENOUGH_TIMEOUT_MS 10000

#define NO_SUCH_DOMAIN ENHANCED_STATUS(5, 1, 2)
#define NULL_MX ENHANCED_STATUS(5, 1, 10)
#define UNROUTABLE ENHANCED_STATUS(5, 4, 4)
#define LOOKUP_FAILED ENHANCED_STATUS(4, 4, 3)
#define VALIDATION_FAILED ENHANCED_STATUS(4, 7, 0)
#define NO_MEMORY ENHANCED_STATUS(4, 3, 0)

struct mx_search {
	const struct mx_request *request;
	char domain[DNS_NAME_MAX + 1]; /* in A-labels */
	struct deadline deadline;
	bool is_bogus; /* the failure recorded in failed_host is one of DNSSEC */
	struct mx_list *list;
};

/* Uniform, without the bias of a remainder. */
static uint32_t random_below_bound(uint32_t bound)
{
	uint32_t limit = UINT32_MAX - UINT32_MAX % bound, number;

	do {
		while (getrandom(&number, sizeof(number), 0) != sizeof(number))
			if (errno != EINTR)
				log_panic("getrandom: %m");
	} while (number >= limit);
	return number % bound;
}

static int compare_preference(const void *a, const void *b)
{
	const struct dns_mx *x = a, *y = b;

	return (x->preference > y->preference) - (x->preference < y->preference);
}

void mx_list_order(struct dns_mx *mx, size_t count, uint32_t (*random_below)(uint32_t bound))
{
	size_t start = 0;

	if (count > 1)
		qsort(mx, count, sizeof(*mx), compare_preference);
	/* Fisher and Yates, inside each run of equals. */
	for (size_t i = 1; i < count; i++) {
		struct dns_mx moved = mx[i];
		size_t j;

		if (moved.preference != mx[start].preference) {
			start = i;
			continue;
		}
		j = start + random_below((uint32_t)(i - start + 1));
		mx[i] = mx[j];
		mx[j] = moved;
	}
}

static void shuffle_addresses(struct sockaddr_storage *addresses, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		struct sockaddr_storage moved = addresses[i];
		size_t j = random_below_bound((uint32_t)(i + 1));

		addresses[i] = addresses[j];
		addresses[j] = moved;
	}
}

static int fail_lookup(struct delivery_status *status, bool is_bogus, const char *error)
{
	delivery_status_set_local(status, STAGE_DNS, is_bogus ? VALIDATION_FAILED : LOOKUP_FAILED,
				  "%s%s", is_bogus ? "" : "DNS lookup: ", error);
	return -1;
}

static int fail_memory(struct delivery_status *status)
{
	delivery_status_set_local(status, STAGE_DNS, NO_MEMORY,
				  "out of memory for the mail exchangers");
	return -1;
}

static struct mx_host *add_host(struct mx_list *list, const char *exchange, uint16_t preference)
{
	struct mx_host *host = &list->hosts[list->host_count++];

	snprintf(host->exchange, sizeof(host->exchange), "%s", exchange);
	snprintf(host->expanded, sizeof(host->expanded), "%s", exchange);
	host->preference = preference;
	return host;
}

static bool has_address(const struct mx_list *list, const struct sockaddr_storage *address)
{
	for (size_t i = 0; i < list->address_count; i++)
		if (memcmp(&list->addresses[i].address, address, sizeof(*address)) == 0)
			return true;
	return false;
}

/*
 * Of the host added last. The address is one of dns_lookup's: all bytes that do not matter are
 * zero.
 */
static void add_address(struct mx_list *list, struct sockaddr_storage *address, int port)
{
	struct mx_address *added = &list->addresses[list->address_count];

	if (address->ss_family == AF_INET)
		((struct sockaddr_in *)address)->sin_port = htons((uint16_t)port);
	else
		((struct sockaddr_in6 *)address)->sin6_port = htons((uint16_t)port);
	if (has_address(list, address))
		return;
	added->host = list->host_count - 1;
	added->address = *address;
	list->address_count++;
}

/* Both families in turn, IPv6 first. */
static void add_addresses(struct mx_search *search, struct dns_answer *v6, struct dns_answer *v4)
{
	size_t first = search->list->address_count;

	shuffle_addresses(v6->addresses, v6->count);
	shuffle_addresses(v4->addresses, v4->count);
	for (size_t i = 0; i < 2 * DNS_RECORDS_MAX; i++) {
		struct dns_answer *answer = i % 2 == 0 ? v6 : v4;

		if (search->list->address_count == MX_ADDRESSES_MAX ||
		    search->list->address_count - first == MX_HOST_ADDRESSES_MAX)
			return;
		if (i / 2 < answer->count)
			add_address(search->list, &answer->addresses[i / 2], search->request->port);
	}
}

static void note_failure(struct mx_search *search, const struct dns_answer *answer)
{
	if (answer->result != DNS_ERROR || search->list->has_failed_host)
		return;
	search->list->has_failed_host = true;
	search->is_bogus = answer->trust == DNS_BOGUS;
	snprintf(search->list->failed_host, sizeof(search->list->failed_host), "%s", answer->error);
}

/* The less one of two; the enum is in falling order. */
static enum dns_trust weaker(enum dns_trust a, enum dns_trust b)
{
	return a > b ? a : b;
}

/* A host's answers of this worth have been heard; NOTHING: none at all. */
enum worth { WORTH_NOTHING, WORTH_FAILURE, WORTH_DENIAL, WORTH_RECORDS };

static enum worth worth_of(const struct dns_answer *answer)
{
	return answer->result == DNS_FOUND   ? WORTH_RECORDS
	       : answer->result == DNS_ERROR ? WORTH_FAILURE
					     : WORTH_DENIAL;
}

/*
 * What is known of the host is what its best answers say. A failure says nothing beside an answer,
 * and a denial nothing beside the records that are going to be used: resolvers call the denials of
 * some signed zones insecure (NSEC3 with many iterations, RFC 9276 3.2), and a host without IPv6
 * there is no less secure for that.
 */
static void hear_answer(struct mx_host *host, const struct dns_answer *answer, enum worth *heard)
{
	enum worth worth = worth_of(answer);

	if (worth == *heard)
		host->trust = weaker(host->trust, answer->trust);
	if (worth <= *heard)
		return;
	*heard = worth;
	host->trust = answer->trust;
	if (worth > WORTH_FAILURE && answer->name[0] != '\0')
		memcpy(host->expanded, answer->name, sizeof(host->expanded));
}

static void look_up_host(struct mx_search *search, const char *exchange, uint16_t preference)
{
	struct mx_host *host = add_host(search->list, exchange, preference);
	struct dns_answer v6 = { 0 }, v4 = { 0 };
	size_t first = search->list->address_count;
	enum worth heard = WORTH_NOTHING;

	if (search->request->family != MX_FAMILY_IPV4) {
		dns_lookup(search->request->resolver, exchange, DNS_TYPE_AAAA, search->deadline,
			   &v6);
		hear_answer(host, &v6, &heard);
	}
	if (search->request->family != MX_FAMILY_IPV6) {
		dns_lookup(search->request->resolver, exchange, DNS_TYPE_A, search->deadline, &v4);
		hear_answer(host, &v4, &heard);
	}
	add_addresses(search, &v6, &v4);
	if (search->list->address_count == first) {
		note_failure(search, &v4);
		note_failure(search, &v6);
	}
	dns_answer_wipe(&v6);
	dns_answer_wipe(&v4);
}

static bool is_worth_looking_up(const struct mx_list *list, const char *exchange)
{
	struct in_addr ignored;

	if (inet_pton(AF_INET, exchange, &ignored) == 1)
		return false;
	for (size_t i = 0; i < list->host_count; i++)
		if (strcmp(list->hosts[i].exchange, exchange) == 0)
			return false;
	return true;
}

static void look_up_hosts(struct mx_search *search, const struct dns_mx *mx, size_t count)
{
	struct deadline enough = deadline_in_ms(ENOUGH_TIMEOUT_MS);
	struct mx_list *list = search->list;

	for (size_t i = 0;
	     i < count && list->host_count < MX_HOSTS_MAX && list->address_count < MX_ADDRESSES_MAX;
	     i++) {
		if (list->address_count > 0 && deadline_has_passed(enough))
			return;
		if (is_worth_looking_up(list, mx[i].exchange))
			look_up_host(search, mx[i].exchange, mx[i].preference);
	}
}

/* Removes null MX records; returns how many records remain. */
static size_t drop_null_mx(struct dns_mx *mx, size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++)
		if (mx[i].exchange[0] != '\0')
			mx[kept++] = mx[i];
	return kept;
}

static const char *family_words(enum mx_family family)
{
	switch (family) {
	case MX_FAMILY_BOTH:
		return "address";
	case MX_FAMILY_IPV4:
		return "IPv4 address (IPv6 is off)";
	case MX_FAMILY_IPV6:
		return "IPv6 address (IPv4 is off)";
	}
	return "address";
}

/* Are there addresses? If not, why not. */
static int conclude(const struct mx_search *search, struct delivery_status *status)
{
	const struct mx_list *list = search->list;

	if (list->address_count > 0)
		return 0;
	if (list->has_failed_host)
		return fail_lookup(status, search->is_bogus, list->failed_host);
	if (search->request->is_host) {
		delivery_status_set_local(status, STAGE_DNS, UNROUTABLE, "host %s has no %s",
					  search->domain, family_words(search->request->family));
		return -1;
	}
	delivery_status_set_local(status, STAGE_DNS, UNROUTABLE,
				  list->is_implicit ? "domain %s has no mail exchanger and no %s"
						    : "no mail exchanger of domain %s has an %s",
				  search->domain, family_words(search->request->family));
	return -1;
}

static int use_mx_answer(struct mx_search *search, struct dns_answer *answer,
			 struct delivery_status *status)
{
	struct mx_list *list = search->list;
	size_t count;

	list->trust = answer->trust;
	switch (answer->result) {
	case DNS_ERROR:
		return fail_lookup(status, answer->trust == DNS_BOGUS, answer->error);
	case DNS_NXDOMAIN:
		delivery_status_set_local(status, STAGE_DNS, NO_SUCH_DOMAIN,
					  "domain %s does not exist", search->domain);
		return -1;
	case DNS_NODATA:
		list->is_implicit = true;
		look_up_host(search, search->domain, 0);
		return conclude(search, status);
	case DNS_FOUND:
		break;
	}
	count = drop_null_mx(answer->mx, answer->count);
	if (count == 0) {
		list->is_null_mx = true;
		delivery_status_set_local(status, STAGE_DNS, NULL_MX,
					  "domain %s does not accept mail (null MX)",
					  search->domain);
		return -1;
	}
	mx_list_order(answer->mx, count, random_below_bound);
	look_up_hosts(search, answer->mx, count);
	return conclude(search, status);
}

static int use_literal(struct mx_search *search, struct delivery_status *status)
{
	struct sockaddr_storage address = { 0 };
	struct mailbox mailbox = { .is_literal = true };
	char text[INET6_ADDRSTRLEN], printable[SMTP_DOMAIN_MAX + 1];
	const char *domain = search->request->domain;
	enum mx_family other = MX_FAMILY_IPV6;

	snprintf(mailbox.domain, sizeof(mailbox.domain), "%s", domain);
	log_printable(printable, sizeof(printable), domain, strlen(domain));
	if (mailbox_literal_address(&mailbox, text, sizeof(text)) != 0) {
		delivery_status_set_local(status, STAGE_DNS, NO_SUCH_DOMAIN,
					  "%s is not an address literal for mail", printable);
		return -1;
	}
	address.ss_family = AF_INET;
	if (inet_pton(AF_INET, text, &((struct sockaddr_in *)&address)->sin_addr) != 1) {
		address.ss_family = AF_INET6;
		other = MX_FAMILY_IPV4;
		inet_pton(AF_INET6, text, &((struct sockaddr_in6 *)&address)->sin6_addr);
	}
	if (search->request->family == other) {
		delivery_status_set_local(status, STAGE_DNS, UNROUTABLE, "%s is no %s", printable,
					  family_words(other));
		return -1;
	}
	memcpy(search->list->domain, printable, sizeof(search->list->domain));
	search->list->trust = DNS_INSECURE;
	add_host(search->list, printable, 0)->trust = DNS_INSECURE;
	add_address(search->list, &address, search->request->port);
	return 0;
}

int mx_list_a_labels(char out[DNS_NAME_MAX + 1], const char *domain)
{
	char *a_labels = NULL;
	bool is_good;

	if (domain[0] == '[') {
		snprintf(out, DNS_NAME_MAX + 1, "%s", domain);
		for (char *at = out; *at != '\0'; at++)
			*at = ascii_lower(*at);
		return 0;
	}
	if (dns_name_copy(out, domain))
		return 0;
	if (idn2_lookup_u8((const uint8_t *)domain, (uint8_t **)&a_labels,
			   IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) != IDN2_OK)
		return -1;
	is_good = dns_name_copy(out, a_labels);
	idn2_free(a_labels);
	return is_good ? 0 : -1;
}

/* A delivery keeps the list to its end, and most domains have one host or two. */
static void give_back_room(struct mx_list *list)
{
	struct mx_host *hosts = realloc(list->hosts, (list->host_count + 1) * sizeof(*hosts));

	if (hosts != NULL)
		list->hosts = hosts;
}

int mx_list_resolve(struct mx_list *list, const struct mx_request *request,
		    struct delivery_status *status)
{
	struct mx_search search = { .request = request, .list = list };
	char printable[SMTP_DOMAIN_MAX + 1];
	struct dns_answer answer;
	int result;

	memset(list, 0, sizeof(*list));
	list->hosts = calloc(MX_HOSTS_MAX, sizeof(*list->hosts));
	if (list->hosts == NULL)
		return fail_memory(status);
	if (request->domain[0] == '[')
		return use_literal(&search, status);
	if (mx_list_a_labels(search.domain, request->domain) != 0) {
		delivery_status_set_local(status, STAGE_DNS, NO_SUCH_DOMAIN,
					  "\"%s\" is not a domain name",
					  log_printable(printable, sizeof(printable),
							request->domain, strlen(request->domain)));
		return -1;
	}
	memcpy(list->domain, search.domain, sizeof(list->domain));
	search.deadline = deadline_earlier(request->deadline, deadline_in_ms(LOOKUP_TIMEOUT_MS));
	if (request->is_host) {
		list->trust = DNS_SECURE;
		look_up_host(&search, search.domain, 0);
		return conclude(&search, status);
	}
	dns_lookup(request->resolver, search.domain, DNS_TYPE_MX, search.deadline, &answer);
	result = use_mx_answer(&search, &answer, status);
	dns_answer_wipe(&answer);
	give_back_room(list);
	return result;
}

void mx_list_wipe(struct mx_list *list)
{
	free(list->hosts);
	memset(list, 0, sizeof(*list));
}
