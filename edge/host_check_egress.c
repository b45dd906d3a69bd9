/*
 * The way out: TCP connections to port 25 of mail servers that everybody knows. The connection is
 * closed before anything is said: whoever speaks before the greeting is taken for a spammer.
 */
#include "host_check.h"

#include <stdio.h>
#include <unistd.h>

#include "lib/endpoint.h"
#include "mx_list.h"
#include "tcp_connect.h"

#define LOOKUP_MS 5000
#define CONNECT_MS 3000
/* From one address, all domains together. */
#define EGRESS_MS 10000
/* Of one domain: more would say no more. */
#define ADDRESSES_PER_DOMAIN 2

static char *const known_domains[] = { "gmail.com", "outlook.com", "yahoo.com", NULL };

struct egress {
	struct host_check *check;
	enum mx_family family;
	const struct sockaddr_storage *source;
	const char *subject;
	struct deadline deadline;
	bool has_tried;			/* to connect, with time enough for it */
	char last[600];			/* what was tried last, and what came of it */
};

static bool try_address(struct egress *egress, const struct mx_list *list, const struct mx_address *address)
{
	const char *host = list->hosts[address->host].exchange, *refusal;
	char text[SOCKADDR_TEXT_MAX], reason[200];
	int fd;

	endpoint_print_address((const struct sockaddr *)&address->address, text, sizeof(text));
	refusal = address_guard_refuses(egress->check->setup->guard, (const struct sockaddr *)&address->address);
	if (refusal != NULL) {
		snprintf(egress->last, sizeof(egress->last), "%s[%s]: %s", host, text, refusal);
		return false;
	}
	fd = tcp_connect(&address->address, egress->source, deadline_earlier(egress->deadline, deadline_in_ms(CONNECT_MS)), -1,
			 reason, sizeof(reason));
	if (fd < 0) {
		/* Says nothing about the port. */
		bool is_late = deadline_has_passed(egress->check->deadline);

		egress->has_tried |= !is_late;
		snprintf(egress->last, sizeof(egress->last), "%s[%s]: %s", host, text, is_late ? "no time is left" : reason);
		return false;
	}
	close(fd);
	host_check_add(egress->check, "edge-egress", egress->subject, FINDING_OK, "", "%s[%s] can be connected to", host, text);
	return true;
}

static bool try_domain(struct egress *egress, const char *domain)
{
	struct delivery_status status;
	struct mx_list list;
	bool is_open = false;

	if (mx_list_resolve(&list, &(struct mx_request){
			.domain = domain,
			.port = 25,
			.family = egress->family,
			.resolver = egress->check->setup->resolver,
			.deadline = deadline_earlier(egress->deadline, deadline_in_ms(LOOKUP_MS)),
		}, &status) < 0 && !egress->has_tried)
		snprintf(egress->last, sizeof(egress->last), "%s", status.reason);
	for (size_t i = 0; i < list.address_count && i < ADDRESSES_PER_DOMAIN && !is_open; i++)
		is_open = try_address(egress, &list, &list.addresses[i]);
	mx_list_wipe(&list);
	return is_open;
}

void host_check_egress(struct host_check *check, int family, const struct sockaddr_storage *source,
		       const char *subject)
{
	struct egress egress = { .check = check, .family = family == AF_INET ? MX_FAMILY_IPV4 : MX_FAMILY_IPV6,
				 .source = source, .subject = subject,
				 .deadline = deadline_earlier(check->deadline, deadline_in_ms(EGRESS_MS)) };
	char *const *domains = check->domains != NULL ? check->domains : known_domains;

	/* Domains would be looked up one after the other for nothing. */
	if (host_check_is_cut_off(check))
		snprintf(egress.last, sizeof(egress.last), "no resolver answers");
	for (; *domains != NULL && !host_check_is_cut_off(check); domains++)
		if (try_domain(&egress, *domains))
			return;
	if (!egress.has_tried)
		host_check_add(check, "edge-egress", subject, FINDING_UNKNOWN, "", "no mail server to try: %s",
			       egress.last);
	else
		host_check_add(check, "edge-egress", subject, FINDING_FAIL,
			       "ask the provider of the VPS to open outgoing port 25",
			       "no mail server can be connected to; the last was %s; many providers block the port until they are asked",
			       egress.last);
}
