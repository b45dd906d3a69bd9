/*
 * mx_list: the outcomes of CATALOGUE B2, order and interleaving, bounds, literals and
 * internationalised domains.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "edge/mx_list.h"
#include "lib/endpoint.h"
#include "tests/fake/fake_dns.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct dns_resolver *resolver_of(const struct fake_dns *dns)
{
	char *items[] = { (char *)(uintptr_t)dns->address }, error[200] = "";
	struct conf_list list = { .items = items, .count = 1 };
	struct dns_resolver *resolver = dns_resolver_create(&list, false, error, sizeof(error));

	if (resolver == NULL)
		fail_msg("%s", error);
	return resolver;
}

/* "host address host address", in the order in which they are tried. */
static char *print_list(const struct mx_list *list, char *out, size_t size)
{
	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 0; i < list->address_count && used < size; i++) {
		char text[SOCKADDR_TEXT_MAX];

		endpoint_print_address((const struct sockaddr *)&list->addresses[i].address, text,
				       sizeof(text));
		used += (size_t)snprintf(out + used, size - used, "%s%s %s", i > 0 ? " " : "",
					 list->hosts[list->addresses[i].host].exchange, text);
	}
	return out;
}

static const char replay[] = "query plain.example MX\n"
			     "answer @ 300 IN MX 20 mx2.example.\n"
			     "answer @ 300 IN MX 10 mx1.example.\n"
			     "query mx1.example A\n"
			     "ad\n"
			     "answer @ 300 IN A 192.0.2.1\n"
			     "query mx1.example AAAA\n"
			     "ad\n"
			     "answer @ 300 IN AAAA 2001:db8::1\n"
			     "query mx2.example A\n"
			     "answer @ 300 IN A 192.0.2.2\n"
			     "query mx2.example AAAA\n"
			     "query alias-mx.example MX\n"
			     "answer @ 300 IN MX 10 alias.example.\n"
			     "query alias.example A\n"
			     "answer @ 300 IN CNAME mx2.example.\n"
			     "answer mx2.example. 300 IN A 192.0.2.2\n"
			     "query alias.example AAAA\n"
			     "answer @ 300 IN CNAME mx2.example.\n"
			     "query null.example MX\n"
			     "answer @ 300 IN MX 0 .\n"
			     "query null-beside.example MX\n"
			     "answer @ 300 IN MX 0 .\n"
			     "answer @ 300 IN MX 10 mx2.example.\n"
			     "query literal-mx.example MX\n"
			     "answer @ 300 IN MX 10 192.0.2.1.\n"
			     "query literal-beside.example MX\n"
			     "answer @ 300 IN MX 10 192.0.2.1.\n"
			     "answer @ 300 IN MX 20 mx2.example.\n"
			     "query implicit.example MX\n"
			     "query implicit.example A\n"
			     "answer @ 300 IN A 192.0.2.7\n"
			     "query implicit.example AAAA\n"
			     "query servfail.example MX\n"
			     "rcode SERVFAIL\n"
			     "query servfail.example A\n"
			     "answer @ 300 IN A 192.0.2.66\n"
			     "query bogus.example MX cd\n"
			     "answer @ 300 IN MX 10 mx1.example.\n"
			     "query bogus.example MX\n"
			     "rcode SERVFAIL\n"
			     "query bogus-host.example MX\n"
			     "answer @ 300 IN MX 10 bogus-mx.example.\n"
			     "query bogus-mx.example A cd\n"
			     "answer @ 300 IN A 192.0.2.66\n"
			     "query bogus-mx.example A\n"
			     "rcode SERVFAIL\n"
			     "query bogus-mx.example AAAA\n"
			     "query gone.example MX\n"
			     "rcode NXDOMAIN\n"
			     "query gone.example A\n"
			     "answer @ 300 IN A 192.0.2.66\n"
			     "query nothing.example MX\n"
			     "query nothing.example A\n"
			     "query nothing.example AAAA\n"
			     "query no-address.example MX\n"
			     "answer @ 300 IN MX 10 nothing.example.\n"
			     "answer @ 300 IN MX 20 gone.example.\n"
			     "query gone.example AAAA\n"
			     "rcode NXDOMAIN\n"
			     "query half.example MX\n"
			     "answer @ 300 IN MX 10 broken.example.\n"
			     "answer @ 300 IN MX 20 mx2.example.\n"
			     "query broken.example A\n"
			     "rcode SERVFAIL\n"
			     "query broken.example AAAA\n"
			     "rcode SERVFAIL\n"
			     "query all-broken.example MX\n"
			     "answer @ 300 IN MX 10 broken.example.\n"
			     "answer @ 300 IN MX 20 nothing.example.\n"
			     "query v4-only-aaaa-broken.example MX\n"
			     "answer @ 300 IN MX 10 lame.example.\n"
			     "query lame.example A\n"
			     "answer @ 300 IN A 192.0.2.8\n"
			     "query lame.example AAAA\n"
			     "rcode SERVFAIL\n"
			     "query odd.example MX\n"
			     "answer @ 300 IN MX 10 a\\032/b.example.\n"
			     "query xn--bcher-kva.example MX\n"
			     "answer @ 300 IN MX 10 mx2.example.\n"
			     "query xn--strae-oqa.example MX\n"
			     "answer @ 300 IN MX 10 mx2.example.\n"
			     "query twice.example MX\n"
			     "answer @ 300 IN MX 10 mx2.example.\n"
			     "answer @ 300 IN MX 20 mx2.example.\n"
			     "answer @ 300 IN MX 30 alias.example.\n";

static const struct row {
	const char *label, *domain;
	enum mx_family family;
	const char *list; /* NULL: none */
	struct enhanced_status status;
	const char *reason; /* part of it */
} rows[] = {
	{ "preference, both families",
	  "plain.example",
	  MX_FAMILY_BOTH,
	  "mx1.example 2001:db8::1 mx1.example 192.0.2.1 mx2.example 192.0.2.2",
	  { 0 },
	  "" },
	{ "IPv4 only",
	  "plain.example",
	  MX_FAMILY_IPV4,
	  "mx1.example 192.0.2.1 mx2.example 192.0.2.2",
	  { 0 },
	  "" },
	{ "IPv6 only", "plain.example", MX_FAMILY_IPV6, "mx1.example 2001:db8::1", { 0 }, "" },
	{ "upper case", "PLAIN.example", MX_FAMILY_IPV6, "mx1.example 2001:db8::1", { 0 }, "" },
	{ "case 41: MX is an alias",
	  "alias-mx.example",
	  MX_FAMILY_BOTH,
	  "alias.example 192.0.2.2",
	  { 0 },
	  "" },
	{ "case 42: null MX", "null.example", MX_FAMILY_BOTH, NULL, { 5, 1, 10 }, "null MX" },
	{ "case 42: null MX beside others",
	  "null-beside.example",
	  MX_FAMILY_BOTH,
	  "mx2.example 192.0.2.2",
	  { 0 },
	  "" },
	{ "case 43: MX to an address",
	  "literal-mx.example",
	  MX_FAMILY_BOTH,
	  NULL,
	  { 5, 4, 4 },
	  "literal-mx.example" },
	{ "case 43: MX to an address, and another",
	  "literal-beside.example",
	  MX_FAMILY_BOTH,
	  "mx2.example 192.0.2.2",
	  { 0 },
	  "" },
	{ "case 45: implicit MX",
	  "implicit.example",
	  MX_FAMILY_BOTH,
	  "implicit.example 192.0.2.7",
	  { 0 },
	  "" },
	{ "case 45: MX SERVFAIL",
	  "servfail.example",
	  MX_FAMILY_BOTH,
	  NULL,
	  { 4, 4, 3 },
	  "SERVFAIL from" },
	{ "case 45: NXDOMAIN",
	  "gone.example",
	  MX_FAMILY_BOTH,
	  NULL,
	  { 5, 1, 2 },
	  "does not exist" },
	{ "case 45: neither MX nor address",
	  "nothing.example",
	  MX_FAMILY_BOTH,
	  NULL,
	  { 5, 4, 4 },
	  "nothing.example" },
	{ "implicit MX in the wrong family",
	  "implicit.example",
	  MX_FAMILY_IPV6,
	  NULL,
	  { 5, 4, 4 },
	  "IPv4 is off" },
	{ "case 47: bogus MX", "bogus.example", MX_FAMILY_BOTH, NULL, { 4, 7, 0 }, "DNSSEC" },
	{ "case 47: bogus address",
	  "bogus-host.example",
	  MX_FAMILY_BOTH,
	  NULL,
	  { 4, 7, 0 },
	  "DNSSEC" },
	{ "no MX has an address",
	  "no-address.example",
	  MX_FAMILY_IPV6,
	  NULL,
	  { 5, 4, 4 },
	  "no mail exchanger" },
	{ "one MX fails, one is there",
	  "half.example",
	  MX_FAMILY_BOTH,
	  "mx2.example 192.0.2.2",
	  { 0 },
	  "" },
	{ "one MX fails, one has no address",
	  "all-broken.example",
	  MX_FAMILY_BOTH,
	  NULL,
	  { 4, 4, 3 },
	  "broken.example" },
	{ "AAAA fails, A is there",
	  "v4-only-aaaa-broken.example",
	  MX_FAMILY_BOTH,
	  "lame.example 192.0.2.8",
	  { 0 },
	  "" },
	{ "case 54: odd bytes in the MX",
	  "odd.example",
	  MX_FAMILY_BOTH,
	  NULL,
	  { 5, 4, 4 },
	  "odd.example" },
	{ "one host twice, and as an alias",
	  "twice.example",
	  MX_FAMILY_BOTH,
	  "mx2.example 192.0.2.2",
	  { 0 },
	  "" },
	{ "IDN",
	  "b\xc3\xbc"
	  "cher.example",
	  MX_FAMILY_BOTH,
	  "mx2.example 192.0.2.2",
	  { 0 },
	  "" },
	{ "IDN, upper case",
	  "B\xc3\x9c"
	  "CHER.example",
	  MX_FAMILY_BOTH,
	  "mx2.example 192.0.2.2",
	  { 0 },
	  "" },
	{ "IDN, sharp s stays (non-transitional)",
	  "stra\xc3\x9f"
	  "e.example",
	  MX_FAMILY_BOTH,
	  "mx2.example 192.0.2.2",
	  { 0 },
	  "" },
	{ "IDN, decomposed",
	  "bu\xcc\x88"
	  "cher.example",
	  MX_FAMILY_BOTH,
	  "mx2.example 192.0.2.2",
	  { 0 },
	  "" },
	{ "IDN that is none",
	  "a\xe2\x98\x83\xe2\x80\xae.example",
	  MX_FAMILY_BOTH,
	  NULL,
	  { 5, 1, 2 },
	  "not a domain name" },
	{ "bad UTF-8",
	  "b\xfc"
	  "cher.example",
	  MX_FAMILY_BOTH,
	  NULL,
	  { 5, 1, 2 },
	  "\"b?cher.example\"" },
	{ "case 54: bad domain",
	  "a b/c\n.example",
	  MX_FAMILY_BOTH,
	  NULL,
	  { 5, 1, 2 },
	  "\"a b/c?.example\"" },
	{ "empty label", "a..example", MX_FAMILY_BOTH, NULL, { 5, 1, 2 }, "not a domain name" },
	{ "IPv4 literal", "[192.0.2.9]", MX_FAMILY_BOTH, "[192.0.2.9] 192.0.2.9", { 0 }, "" },
	{ "IPv6 literal",
	  "[IPv6:2001:db8::9]",
	  MX_FAMILY_BOTH,
	  "[IPv6:2001:db8::9] 2001:db8::9",
	  { 0 },
	  "" },
	{ "literal of the family that is off",
	  "[IPv6:2001:db8::9]",
	  MX_FAMILY_IPV4,
	  NULL,
	  { 5, 4, 4 },
	  "IPv6 is off" },
	{ "literal of the other family that is off",
	  "[192.0.2.9]",
	  MX_FAMILY_IPV6,
	  NULL,
	  { 5, 4, 4 },
	  "IPv4 is off" },
	{ "literal that is none",
	  "[mx.example]",
	  MX_FAMILY_BOTH,
	  NULL,
	  { 5, 1, 2 },
	  "[mx.example]" },
	{ "literal without end", "[192.0.2.9", MX_FAMILY_BOTH, NULL, { 5, 1, 2 }, "" },
};

static void check_row(struct dns_resolver *resolver, const struct row *row)
{
	struct mx_request request = { .domain = row->domain,
				      .port = 2525,
				      .family = row->family,
				      .resolver = resolver,
				      .deadline = deadline_in_ms(10000) };
	struct delivery_status status;
	struct mx_list list;
	char text[2000];
	int result = mx_list_resolve(&list, &request, &status);

	print_list(&list, text, sizeof(text));
	if ((result == 0) != (row->list != NULL) ||
	    strcmp(text, row->list != NULL ? row->list : "") != 0)
		fail_msg("%s: %d \"%s\" %s", row->label, result, text,
			 result != 0 ? status.reason : "");
	if (result != 0 &&
	    (status.status.class != row->status.class ||
	     status.status.subject != row->status.subject ||
	     status.status.detail != row->status.detail || status.stage != STAGE_DNS ||
	     strstr(status.reason, row->reason) == NULL))
		fail_msg("%s: %u.%u.%u %s", row->label, status.status.class, status.status.subject,
			 status.status.detail, status.reason);
	mx_list_wipe(&list);
}

static void test_outcomes(void **state)
{
	struct fake_dns *dns = fake_dns_start(replay);
	struct dns_resolver *resolver = resolver_of(dns);

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		check_row(resolver, &rows[i]);
	/* case 45: never the A fallback. */
	assert_false(fake_dns_was_asked(dns, "servfail.example A"));
	assert_false(fake_dns_was_asked(dns, "bogus.example A"));
	dns_resolver_destroy(resolver);
	fake_dns_stop(dns);
}

static void test_members(void **state)
{
	struct fake_dns *dns = fake_dns_start(replay);
	struct dns_resolver *resolver = resolver_of(dns);
	struct mx_request request = { .domain = "plain.example",
				      .port = 2525,
				      .resolver = resolver,
				      .deadline = deadline_in_ms(10000) };
	struct delivery_status status;
	struct mx_list list;

	(void)state;
	assert_int_equal(mx_list_resolve(&list, &request, &status), 0);
	assert_int_equal(list.trust, DNS_INSECURE);
	assert_int_equal(list.hosts[0].trust, DNS_SECURE);
	assert_int_equal(list.hosts[1].trust, DNS_INSECURE);
	assert_int_equal(list.hosts[0].preference, 10);
	assert_int_equal(ntohs(((struct sockaddr_in6 *)&list.addresses[0].address)->sin6_port),
			 2525);
	assert_int_equal(ntohs(((struct sockaddr_in *)&list.addresses[1].address)->sin_port), 2525);
	assert_false(list.is_implicit || list.is_null_mx || list.has_failed_host);
	mx_list_wipe(&list);

	request.domain = "half.example";
	assert_int_equal(mx_list_resolve(&list, &request, &status), 0);
	assert_true(list.has_failed_host);
	assert_non_null(strstr(list.failed_host, "broken.example"));
	mx_list_wipe(&list);

	request.domain = "v4-only-aaaa-broken.example";
	assert_int_equal(mx_list_resolve(&list, &request, &status), 0);
	assert_false(list.has_failed_host);
	mx_list_wipe(&list);

	request.domain = "implicit.example";
	assert_int_equal(mx_list_resolve(&list, &request, &status), 0);
	assert_true(list.is_implicit);
	mx_list_wipe(&list);

	request.domain = "null.example";
	assert_int_equal(mx_list_resolve(&list, &request, &status), -1);
	assert_true(list.is_null_mx);
	mx_list_wipe(&list);
	dns_resolver_destroy(resolver);
	fake_dns_stop(dns);
}

static const char trust_replay[] =
	"query both.example A\nad\nanswer @ 300 IN A 192.0.2.1\n"
	"query both.example AAAA\nad\nanswer @ 300 IN AAAA 2001:db8::1\n"
	"query v4-weak.example A\nanswer @ 300 IN A 192.0.2.1\n"
	"query v4-weak.example AAAA\nad\nanswer @ 300 IN AAAA 2001:db8::1\n"
	"query v6-weak.example A\nad\nanswer @ 300 IN A 192.0.2.1\n"
	"query v6-weak.example AAAA\nanswer @ 300 IN AAAA 2001:db8::1\n"
	"query v6-broken.example A\nad\nanswer @ 300 IN A 192.0.2.1\n"
	"query v6-broken.example AAAA\nrcode SERVFAIL\n"
	"query v4-bogus.example A cd\nanswer @ 300 IN A 192.0.2.66\n"
	"query v4-bogus.example A\nrcode SERVFAIL\n"
	"query v4-bogus.example AAAA\nanswer @ 300 IN AAAA 2001:db8::1\n"
	"query v6-denied.example A\nad\nanswer @ 300 IN A 192.0.2.1\n"
	"query v6-denied.example AAAA\n"
	"query alias.example A\nad\nanswer @ 300 IN CNAME both.example.\n"
	"query alias.example AAAA\nad\nanswer @ 300 IN CNAME both.example.\n"
	"query weak-alias.example A\nanswer @ 300 IN CNAME both.example.\n"
	"query weak-alias.example AAAA\nanswer @ 300 IN CNAME both.example.\n"
	"query v4-alias.example A\nad\nanswer @ 300 IN CNAME v6-broken.example.\n"
	"query v4-alias.example AAAA\nad\nanswer @ 300 IN CNAME v6-broken.example.\n"
	"query v6-denied-alias.example A\nad\nanswer @ 300 IN CNAME both.example.\n"
	"query v6-denied-alias.example AAAA\n"
	"query two-ways.example A\nad\nanswer @ 300 IN CNAME v6-denied.example.\n"
	"query two-ways.example AAAA\nad\nanswer @ 300 IN CNAME both.example.\n"
	"query denied.example A\nad\n"
	"query denied.example AAAA\n"
	"query bogus.example A cd\n"
	"query bogus.example AAAA cd\n"
	"query bogus.example A\nrcode SERVFAIL\n"
	"query bogus.example AAAA\nrcode SERVFAIL\n"
	"query half-bogus.example A cd\n"
	"query half-bogus.example A\nrcode SERVFAIL\n"
	"query half-bogus.example AAAA\nrcode REFUSED\n"
	"query broken-alias.example A\nad\nanswer @ 300 IN CNAME nowhere.example.\n"
	"query broken-alias.example AAAA\nad\nanswer @ 300 IN CNAME nowhere.example.\n";

static const struct trust_row {
	const char *host;
	enum mx_family family;
	enum dns_trust trust;
	const char *expanded;
} trust_rows[] = {
	{ "both.example", MX_FAMILY_BOTH, DNS_SECURE, "both.example" },
	{ "v4-weak.example", MX_FAMILY_BOTH, DNS_INSECURE, "v4-weak.example" },
	{ "v4-weak.example", MX_FAMILY_IPV6, DNS_SECURE, "v4-weak.example" },
	{ "v6-weak.example", MX_FAMILY_BOTH, DNS_INSECURE, "v6-weak.example" },
	{ "v6-weak.example", MX_FAMILY_IPV4, DNS_SECURE, "v6-weak.example" },
	{ "v6-broken.example", MX_FAMILY_BOTH, DNS_SECURE, "v6-broken.example" },
	{ "v6-broken.example", MX_FAMILY_IPV6, DNS_FAILED, "v6-broken.example" },
	{ "v4-bogus.example", MX_FAMILY_BOTH, DNS_INSECURE, "v4-bogus.example" },
	{ "v4-bogus.example", MX_FAMILY_IPV4, DNS_BOGUS, "v4-bogus.example" },
	{ "v6-denied.example", MX_FAMILY_BOTH, DNS_SECURE, "v6-denied.example" },
	{ "alias.example", MX_FAMILY_BOTH, DNS_SECURE, "both.example" },
	{ "weak-alias.example", MX_FAMILY_BOTH, DNS_INSECURE, "both.example" },
	{ "v4-alias.example", MX_FAMILY_BOTH, DNS_SECURE, "v6-broken.example" },
	{ "v6-denied-alias.example", MX_FAMILY_BOTH, DNS_SECURE, "both.example" },
	{ "two-ways.example", MX_FAMILY_BOTH, DNS_SECURE, "both.example" },
	{ "two-ways.example", MX_FAMILY_IPV4, DNS_SECURE, "v6-denied.example" },
	{ "denied.example", MX_FAMILY_BOTH, DNS_INSECURE, "denied.example" },
	{ "bogus.example", MX_FAMILY_BOTH, DNS_BOGUS, "bogus.example" },
	{ "half-bogus.example", MX_FAMILY_BOTH, DNS_FAILED, "half-bogus.example" },
	{ "broken-alias.example", MX_FAMILY_BOTH, DNS_FAILED, "broken-alias.example" },
	{ "[192.0.2.1]", MX_FAMILY_BOTH, DNS_INSECURE, "[192.0.2.1]" },
};

/* How far a host can be trusted, and under which name it stands, for DANE. */
static void test_trust(void **state)
{
	struct fake_dns *dns;
	char text[4000];
	struct mx_request request = { .port = 25, .deadline = deadline_in_ms(20000) };

	(void)state;
	/* No host has an MX record; each is its own implicit one. */
	snprintf(text, sizeof(text), "query * MX\nad\n%s", trust_replay);
	dns = fake_dns_start(text);
	request.resolver = resolver_of(dns);
	for (size_t i = 0; i < COUNT(trust_rows); i++) {
		const struct trust_row *row = &trust_rows[i];
		struct delivery_status status;
		struct mx_list list;

		request.domain = row->host;
		request.family = row->family;
		mx_list_resolve(&list, &request, &status);
		assert_int_equal(list.host_count, 1);
		assert_string_equal(list.hosts[0].exchange, row->host);
		if (list.hosts[0].trust != row->trust ||
		    strcmp(list.hosts[0].expanded, row->expanded) != 0)
			fail_msg("%s, family %d: trust %d, expanded %s", row->host,
				 (int)row->family, (int)list.hosts[0].trust,
				 list.hosts[0].expanded);
		mx_list_wipe(&list);
	}
	dns_resolver_destroy(request.resolver);
	fake_dns_stop(dns);
}

/* case 44: 1000 MX, each with many addresses. */
static void test_bounds(void **state)
{
	size_t size = 300000, used = 0;
	char *text = malloc(size);
	struct mx_request request = { .domain = "many.example",
				      .port = 25,
				      .deadline = deadline_in_ms(20000) };
	struct delivery_status status;
	struct fake_dns *dns;
	struct mx_list list;

	(void)state;
	used += (size_t)snprintf(text, size, "query many.example MX\ntc\n");
	for (int i = 0; i < 1000; i++)
		used += (size_t)snprintf(text + used, size - used,
					 "answer @ 300 IN MX %d mx%d.example.\n", 10 + i / 500, i);
	used += (size_t)snprintf(text + used, size - used,
				 "query one.example MX\nanswer @ 300 IN MX 10 mx1.example.\n"
				 "answer @ 300 IN MX 20 single.example.\nquery single.example "
				 "A\nanswer @ 300 IN A 192.0.2.1\n");
	used += (size_t)snprintf(text + used, size - used, "query * AAAA\nquery * A\ntc\n");
	for (int i = 0; i < 1000; i++)
		used += (size_t)snprintf(text + used, size - used,
					 "answer @ 300 IN A 203.0.%d.%d\n", i / 250, i % 250);
	dns = fake_dns_start(text);
	request.resolver = resolver_of(dns);

	assert_int_equal(mx_list_resolve(&list, &request, &status), 0);
	assert_int_equal(list.address_count, MX_ADDRESSES_MAX);
	assert_in_range(list.host_count, 2, 5);
	for (size_t i = 0; i < list.host_count; i++)
		assert_int_equal(list.hosts[i].preference, 10);
	mx_list_wipe(&list);

	request.domain = "one.example";
	assert_int_equal(mx_list_resolve(&list, &request, &status), 0);
	assert_int_equal(list.address_count, MX_HOST_ADDRESSES_MAX + 1);
	assert_string_equal(list.hosts[list.addresses[MX_HOST_ADDRESSES_MAX].host].exchange,
			    "single.example");
	mx_list_wipe(&list);
	dns_resolver_destroy(request.resolver);
	fake_dns_stop(dns);

	/* No host has an address: MX_HOSTS_MAX are tried, no more. */
	dns = fake_dns_start("query empty.example MX\nanswer @ 300 IN MX 10 m01.example.\nanswer @ "
			     "300 IN MX 10 m02.example.\n"
			     "answer @ 300 IN MX 10 m03.example.\nanswer @ 300 IN MX 10 "
			     "m04.example.\nanswer @ 300 IN MX 10 m05.example.\n"
			     "answer @ 300 IN MX 10 m06.example.\nanswer @ 300 IN MX 10 "
			     "m07.example.\nanswer @ 300 IN MX 10 m08.example.\n"
			     "answer @ 300 IN MX 10 m09.example.\nanswer @ 300 IN MX 10 "
			     "m10.example.\nanswer @ 300 IN MX 10 m11.example.\n"
			     "answer @ 300 IN MX 10 m12.example.\nanswer @ 300 IN MX 10 "
			     "m13.example.\nanswer @ 300 IN MX 10 m14.example.\n"
			     "answer @ 300 IN MX 10 m15.example.\nanswer @ 300 IN MX 10 "
			     "m16.example.\nanswer @ 300 IN MX 10 m17.example.\n"
			     "answer @ 300 IN MX 10 m18.example.\nanswer @ 300 IN MX 10 "
			     "m19.example.\nanswer @ 300 IN MX 10 m20.example.\n"
			     "answer @ 300 IN MX 10 m21.example.\nanswer @ 300 IN MX 10 "
			     "m22.example.\nquery * A\nquery * AAAA\n");
	request.domain = "empty.example";
	request.resolver = resolver_of(dns);
	assert_int_equal(mx_list_resolve(&list, &request, &status), -1);
	assert_int_equal(status.status.class, 5);
	assert_int_equal(fake_dns_asked_count(dns), 1 + 2 * MX_HOSTS_MAX);
	mx_list_wipe(&list);
	dns_resolver_destroy(request.resolver);
	fake_dns_stop(dns);
	free(text);
}

/* Both families in turn, also when one has more. */
static void test_interleaving(void **state)
{
	struct fake_dns *dns = fake_dns_start(
		"query x.example MX\nanswer @ 300 IN MX 10 x.example.\n"
		"query x.example A\nanswer @ 300 IN A 192.0.2.1\nanswer @ 300 IN A "
		"192.0.2.2\nanswer @ 300 IN A 192.0.2.3\n"
		"query x.example AAAA\nanswer @ 300 IN AAAA 2001:db8::1\nanswer @ 300 IN AAAA "
		"2001:db8::2\n");
	static const sa_family_t expected[] = { AF_INET6, AF_INET, AF_INET6, AF_INET, AF_INET };
	struct mx_request request = { .domain = "x.example",
				      .port = 25,
				      .resolver = resolver_of(dns),
				      .deadline = deadline_in_ms(10000) };
	struct delivery_status status;
	struct mx_list list;

	(void)state;
	assert_int_equal(mx_list_resolve(&list, &request, &status), 0);
	assert_int_equal(list.address_count, COUNT(expected));
	for (size_t i = 0; i < COUNT(expected); i++)
		assert_int_equal(list.addresses[i].address.ss_family, expected[i]);
	mx_list_wipe(&list);
	dns_resolver_destroy(request.resolver);
	fake_dns_stop(dns);
}

/* case 55: a dead resolver defers, and the deadline holds. */
static void test_dead_resolver(void **state)
{
	struct fake_dns *dns = fake_dns_start("query slow.example MX\ndrop\n");
	struct mx_request request = { .domain = "slow.example",
				      .port = 25,
				      .resolver = resolver_of(dns),
				      .deadline = deadline_in_ms(300) };
	int64_t before = deadline_now_ms();
	struct delivery_status status;
	struct mx_list list;

	(void)state;
	assert_int_equal(mx_list_resolve(&list, &request, &status), -1);
	assert_true(deadline_now_ms() - before >= 290);
	/* Nobody asks again when the time is over. */
	assert_true(fake_dns_asked_count(dns) <= 1);
	assert_int_equal(status.action, DELIVERY_DELAYED);
	assert_non_null(strstr(status.reason, "no answer from 127.0.0.1"));
	mx_list_wipe(&list);
	fake_dns_stop(dns);
	request.deadline = deadline_in_ms(5000);
	assert_int_equal(mx_list_resolve(&list, &request, &status), -1);
	assert_int_equal(status.action, DELIVERY_DELAYED);
	assert_int_equal(status.status.subject, 4);
	assert_int_equal(status.status.detail, 3);
	mx_list_wipe(&list);
	dns_resolver_destroy(request.resolver);
}

static uint32_t first_of(uint32_t bound)
{
	(void)bound;
	return 0;
}

static uint32_t last_of(uint32_t bound)
{
	return bound - 1;
}

static void test_order(void **state)
{
	static const struct {
		uint32_t (*random_below)(uint32_t);
		const char *expected;
	} cases[] = {
		{ last_of, "a b c d e" },  /* every record stays */
		{ first_of, "a d b c e" }, /* every record changes with the first of its equals */
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct dns_mx mx[] = {
			{ 10, "b" }, { 0, "a" }, { 10, "c" }, { 10, "d" }, { 65535, "e" }
		};
		char text[32] = "";

		mx_list_order(mx, COUNT(mx), cases[i].random_below);
		for (size_t j = 0; j < COUNT(mx); j++) {
			strcat(text, j > 0 ? " " : "");
			strcat(text, mx[j].exchange);
		}
		assert_string_equal(text, cases[i].expected);
	}
	mx_list_order(NULL, 0, last_of);
}

/* case 44: many times what an answer can hold, in every order: no time that grows by the square. */
static void test_many(void **state)
{
	const size_t count = 30000;
	struct dns_mx *mx = calloc(count, sizeof(*mx));

	(void)state;
	for (int order = 0; order < 4; order++) {
		clock_t began = clock();	/* of the processor: others may be busy */

		for (size_t i = 0; i < count; i++)
			mx[i].preference = (uint16_t)(order == 0 ? i / 2 : order == 1 ? (count - i) / 2 : order == 2 ? 10 : i * 7919);
		mx_list_order(mx, count, last_of);
		for (size_t i = 1; i < count; i++)
			assert_true(mx[i - 1].preference <= mx[i].preference);
		assert_true(clock() - began < 3 * CLOCKS_PER_SEC);
	}
	free(mx);
}

/*
 * case 44: no order inside one preference is impossible. Each of 6 comes about 100 times; a fair
 * one misses 50..150 never.
 */
static void test_shuffle(void **state)
{
	struct fake_dns *dns = fake_dns_start(
		"query x.example MX\nanswer @ 300 IN MX 10 a.example.\nanswer @ 300 IN MX 10 "
		"b.example.\nanswer @ 300 IN MX 10 c.example.\n"
		"query a.example A\nanswer @ 300 IN A 192.0.2.1\nquery b.example A\nanswer @ 300 "
		"IN A 192.0.2.2\n"
		"query c.example A\nanswer @ 300 IN A 192.0.2.3\n");
	struct mx_request request = { .domain = "x.example",
				      .port = 25,
				      .family = MX_FAMILY_IPV4,
				      .resolver = resolver_of(dns),
				      .deadline = DEADLINE_NEVER };
	unsigned seen[27] = { 0 }, kinds = 0;

	(void)state;
	for (int i = 0; i < 600; i++) {
		struct delivery_status status;
		struct mx_list list;

		assert_int_equal(mx_list_resolve(&list, &request, &status), 0);
		seen[(list.hosts[0].exchange[0] - 'a') * 9 + (list.hosts[1].exchange[0] - 'a') * 3 +
		     list.hosts[2].exchange[0] - 'a']++;
		mx_list_wipe(&list);
	}
	for (size_t i = 0; i < COUNT(seen); i++) {
		kinds += seen[i] > 0;
		if (seen[i] > 0)
			assert_in_range(seen[i], 50, 150);
	}
	assert_int_equal(kinds, 6);
	dns_resolver_destroy(request.resolver);
	fake_dns_stop(dns);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_outcomes),      cmocka_unit_test(test_members),
		cmocka_unit_test(test_trust),	      cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_interleaving),  cmocka_unit_test(test_dead_resolver),
		cmocka_unit_test(test_order),	      cmocka_unit_test(test_shuffle),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
