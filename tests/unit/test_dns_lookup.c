/*
 * dns_lookup against a scripted server: results, trust, aliases, forgeries, broken servers, hostile
 * bytes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ifaddrs.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "dns/dns_lookup.h"
#include "dns/dns_servers.h"
#include "eventually.h"
#include "tests/fake/fake_dns.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct dns_resolver *resolver_for(const char *const *addresses, size_t count, bool trust_ad)
{
	struct conf_list list = { .items = (char **)(uintptr_t)addresses, .count = count };
	char error[200] = "";
	struct dns_resolver *resolver = dns_resolver_create(&list, trust_ad, error, sizeof(error));

	if (resolver == NULL)
		fail_msg("%s", error);
	return resolver;
}

static struct dns_resolver *resolver_of(const struct fake_dns *dns)
{
	return resolver_for((const char *const[]){ dns->address }, 1, false);
}

static const char *print_record(const struct dns_answer *answer, enum dns_type type, size_t i,
				char *out, size_t size)
{
	const struct sockaddr_storage *address = &answer->addresses[i];

	if (type == DNS_TYPE_MX)
		snprintf(out, size, "%u %s", answer->mx[i].preference, answer->mx[i].exchange);
	else if (type == DNS_TYPE_A)
		inet_ntop(AF_INET, &((const struct sockaddr_in *)address)->sin_addr, out,
			  (socklen_t)size);
	else
		inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)address)->sin6_addr, out,
			  (socklen_t)size);
	return out;
}

/* One question of a replay and what it must come to. */
struct row {
	const char *label;
	const char *name;
	enum dns_type type;
	enum dns_result result;
	enum dns_trust trust;
	const char *first; /* record; NULL: not looked at */
	size_t count;
	const char *final_name; /* NULL: not looked at */
	const char *error;	/* part of it */
};

static const char replay[] =
	"query a.example A\n"
	"answer @ 300 IN A 192.0.2.1\n"
	"answer @ 200 IN A 192.0.2.2\n"
	"query a.example AAAA\n"
	"answer @ 300 IN AAAA 2001:db8::1\n"
	"query a.example MX\n"
	"answer @ 300 IN MX 10 MX1.A.example.\n"
	"answer @ 300 IN MX 65535 mx2.a.example.\n"
	"query secure.example A\n"
	"ad\n"
	"answer @ 300 IN A 192.0.2.1\n"
	"query nothing.example MX\n"
	"ad\n"
	"authority example. 300 IN SOA ns.example. h.example. 1 2 3 4 5\n"
	"query no-soa.example MX\n"
	"query gone.example MX\n"
	"rcode NXDOMAIN\n"
	"query gone-secure.example MX\n"
	"rcode NXDOMAIN\n"
	"ad\n"
	"query broken.example MX\n"
	"rcode SERVFAIL\n"
	"query silent.example MX\n"
	"drop\n"
	"query refused.example MX\n"
	"rcode REFUSED\n"
	"query no-edns.example MX\n"
	"rcode FORMERR\n"
	"query no-query.example MX\n"
	"rcode NOTIMPL\n"
	"query bogus.example MX cd\n"
	"answer @ 300 IN MX 10 mx.example.\n"
	"query bogus.example MX\n"
	"rcode SERVFAIL\n"
	"query bogus-gone.example MX cd\n"
	"rcode NXDOMAIN\n"
	"query bogus-gone.example MX\n"
	"rcode SERVFAIL\n"
	/* Aliases. */
	"query alias.example A\n"
	"answer @ 300 IN CNAME b.example.\n"
	"answer b.example. 7 IN CNAME c.example.\n"
	"answer c.example. 300 IN A 192.0.2.3\n"
	"query alias-reversed.example A\n"
	"answer c.example. 300 IN A 192.0.2.3\n"
	"answer @ 300 IN CNAME c.example.\n"
	"query alias-away.example A\n"
	"ad\n"
	"answer @ 300 IN CNAME secure.example.\n"
	"query alias-mixed.example A\n"
	"ad\n"
	"answer @ 300 IN CNAME a.example.\n"
	"query alias-unsigned.example A\n"
	"answer @ 300 IN CNAME secure.example.\n"
	"query alias-nothing.example MX\n"
	"answer @ 300 IN CNAME b.example.\n"
	"authority example. 300 IN SOA ns.example. h.example. 1 2 3 4 5\n"
	"query alias-gone.example MX\n"
	"rcode NXDOMAIN\n"
	"answer @ 300 IN CNAME b.example.\n"
	"query loop.example A\n"
	"answer @ 300 IN CNAME loop2.example.\n"
	"answer loop2.example. 300 IN CNAME loop.example.\n"
	"query self.example A\n"
	"answer @ 300 IN CNAME self.example.\n"
	"query far1.example A\n"
	"answer @ 300 IN CNAME far2.example.\n"
	"query far2.example A\n"
	"answer @ 300 IN CNAME far1.example.\n"
	"query alias-bad.example A\n"
	"answer @ 300 IN CNAME b\\032c.example.\n"
	"answer b\\032c.example. 300 IN A 192.0.2.66\n"
	/* Records of other names. */
	"query other.example A\n"
	"answer wrong.example. 300 IN A 192.0.2.66\n"
	"additional @ 300 IN A 192.0.2.66\n"
	"authority @ 300 IN A 192.0.2.66\n"
	"query some-other.example A\n"
	"answer wrong.example. 300 IN A 192.0.2.66\n"
	"answer @ 300 IN A 192.0.2.1\n"
	"query chaos.example A\n"
	"answer @ 300 CH A 192.0.2.66\n"
	/* Names that are no host names. */
	"query odd.example MX\n"
	"answer @ 300 IN MX 10 a/b\\032\\000\\034c\\.d.example.\n"
	"query ttl0.example A\n"
	"answer @ 0 IN A 192.0.2.1\n"
	"query ttl-huge.example A\n"
	"answer @ 2147483647 IN A 192.0.2.1\n"
	"query null.example MX\n"
	"answer @ 300 IN MX 0 .\n"
	"query "
	"a234567890123456789012345678901234567890123456789012345678901.example A\n"
	"answer @ 300 IN A 192.0.2.1\n"
	/* Over UDP only a hint. */
	"query big.example A\n"
	"tc\n"
	"answer @ 300 IN A 192.0.2.9\n"
	"query silent.example A\n"
	"drop\n";

static const struct row rows[] = {
	{ "A", "a.example", DNS_TYPE_A, DNS_FOUND, DNS_INSECURE, "192.0.2.1", 2, "a.example",
	  NULL },
	{ "AAAA", "a.example", DNS_TYPE_AAAA, DNS_FOUND, DNS_INSECURE, "2001:db8::1", 1, NULL,
	  NULL },
	{ "MX, lower case", "a.example", DNS_TYPE_MX, DNS_FOUND, DNS_INSECURE, "10 mx1.a.example",
	  2, NULL, NULL },
	{ "case and dot of the question", "A.Example.", DNS_TYPE_A, DNS_FOUND, DNS_INSECURE,
	  "192.0.2.1", 2, "a.example", NULL },
	{ "AD from loopback", "secure.example", DNS_TYPE_A, DNS_FOUND, DNS_SECURE, "192.0.2.1", 1,
	  NULL, NULL },
	{ "case 46: secure NODATA", "nothing.example", DNS_TYPE_MX, DNS_NODATA, DNS_SECURE, NULL, 0,
	  NULL, NULL },
	{ "NODATA without SOA", "no-soa.example", DNS_TYPE_MX, DNS_NODATA, DNS_INSECURE, NULL, 0,
	  NULL, NULL },
	{ "case 46: insecure NXDOMAIN", "gone.example", DNS_TYPE_MX, DNS_NXDOMAIN, DNS_INSECURE,
	  NULL, 0, NULL, NULL },
	{ "case 46: secure NXDOMAIN", "gone-secure.example", DNS_TYPE_MX, DNS_NXDOMAIN, DNS_SECURE,
	  NULL, 0, NULL, NULL },
	{ "SERVFAIL", "broken.example", DNS_TYPE_MX, DNS_ERROR, DNS_FAILED, NULL, 0, NULL,
	  "SERVFAIL from 127.0.0.1@" },
	{ "REFUSED", "refused.example", DNS_TYPE_MX, DNS_ERROR, DNS_FAILED, NULL, 0, NULL,
	  "for refused.example MX" },
	{ "case 49: no EDNS", "no-edns.example", DNS_TYPE_MX, DNS_ERROR, DNS_FAILED, NULL, 0, NULL,
	  "for no-edns.example MX" },
	{ "case 49: NOTIMP", "no-query.example", DNS_TYPE_MX, DNS_ERROR, DNS_FAILED, NULL, 0, NULL,
	  "for no-query.example MX" },
	{ "case 47: bogus", "bogus.example", DNS_TYPE_MX, DNS_ERROR, DNS_BOGUS, NULL, 0, NULL,
	  "DNSSEC validation failure" },
	{ "case 47: bogus denial", "bogus-gone.example", DNS_TYPE_MX, DNS_ERROR, DNS_BOGUS, NULL, 0,
	  NULL, "DNSSEC" },
	{ "CNAME chain", "alias.example", DNS_TYPE_A, DNS_FOUND, DNS_INSECURE, "192.0.2.3", 1,
	  "c.example", NULL },
	{ "CNAME after its target", "alias-reversed.example", DNS_TYPE_A, DNS_FOUND, DNS_INSECURE,
	  "192.0.2.3", 1, NULL, NULL },
	{ "CNAME that leaves the answer", "alias-away.example", DNS_TYPE_A, DNS_FOUND, DNS_SECURE,
	  "192.0.2.1", 1, "secure.example", NULL },
	{ "as secure as its weakest part", "alias-mixed.example", DNS_TYPE_A, DNS_FOUND,
	  DNS_INSECURE, "192.0.2.1", 2, NULL, NULL },
	{ "the same the other way round", "alias-unsigned.example", DNS_TYPE_A, DNS_FOUND,
	  DNS_INSECURE, "192.0.2.1", 1, NULL, NULL },
	{ "CNAME to NODATA", "alias-nothing.example", DNS_TYPE_MX, DNS_NODATA, DNS_INSECURE, NULL,
	  0, "b.example", NULL },
	{ "CNAME to NXDOMAIN", "alias-gone.example", DNS_TYPE_MX, DNS_NXDOMAIN, DNS_INSECURE, NULL,
	  0, "b.example", NULL },
	{ "case 40: loop in one answer", "loop.example", DNS_TYPE_A, DNS_ERROR, DNS_FAILED, NULL, 0,
	  NULL, "CNAME loop" },
	{ "case 40: alias of itself", "self.example", DNS_TYPE_A, DNS_ERROR, DNS_FAILED, NULL, 0,
	  NULL, "CNAME loop" },
	{ "case 40: loop over answers", "far1.example", DNS_TYPE_A, DNS_ERROR, DNS_FAILED, NULL, 0,
	  NULL, "CNAME loop" },
	{ "case 54: CNAME to a bad name", "alias-bad.example", DNS_TYPE_A, DNS_NXDOMAIN,
	  DNS_INSECURE, NULL, 0, "b?c.example", NULL },
	{ "case 50: other names only", "other.example", DNS_TYPE_A, DNS_NODATA, DNS_INSECURE, NULL,
	  0, NULL, NULL },
	{ "case 50: other names beside", "some-other.example", DNS_TYPE_A, DNS_FOUND, DNS_INSECURE,
	  "192.0.2.1", 1, NULL, NULL },
	{ "other class", "chaos.example", DNS_TYPE_A, DNS_NODATA, DNS_INSECURE, NULL, 0, NULL,
	  NULL },
	{ "case 54: exchange with odd bytes", "odd.example", DNS_TYPE_MX, DNS_FOUND, DNS_INSECURE,
	  "10 a?b???c?d.example", 1, NULL, NULL },
	{ "null MX", "null.example", DNS_TYPE_MX, DNS_FOUND, DNS_INSECURE, "0 ", 1, NULL, NULL },
	{ "case 49: TC", "big.example", DNS_TYPE_A, DNS_FOUND, DNS_INSECURE, "192.0.2.9", 1, NULL,
	  NULL },
	{ "label of 61", "a234567890123456789012345678901234567890123456789012345678901.example",
	  DNS_TYPE_A, DNS_FOUND, DNS_INSECURE, "192.0.2.1", 1, NULL, NULL },
};

static void check_row(struct dns_resolver *resolver, const struct row *row)
{
	struct dns_answer answer;
	char text[300] = "";

	dns_lookup(resolver, row->name, row->type, deadline_in_ms(5000), &answer);
	if (answer.result != row->result || answer.trust != row->trust ||
	    answer.count != row->count)
		fail_msg("%s: result %d, trust %d, count %zu, error \"%s\"", row->label,
			 (int)answer.result, (int)answer.trust, answer.count, answer.error);
	if (row->first != NULL &&
	    strcmp(print_record(&answer, row->type, 0, text, sizeof(text)), row->first) != 0)
		fail_msg("%s: first record is %s", row->label, text);
	if (row->final_name != NULL && strcmp(answer.name, row->final_name) != 0)
		fail_msg("%s: name is %s", row->label, answer.name);
	if (strstr(answer.error, row->error != NULL ? row->error : "") == NULL)
		fail_msg("%s: error is \"%s\"", row->label, answer.error);
	dns_answer_wipe(&answer);
}

static void test_results(void **state)
{
	struct fake_dns *dns = fake_dns_start(replay);
	struct dns_resolver *resolver = resolver_of(dns);

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		check_row(resolver, &rows[i]);
	dns_resolver_destroy(resolver);
	fake_dns_stop(dns);
}

/* Why there was no answer: only silence is a time-out. */
static void test_failures(void **state)
{
	static const struct {
		const char *name;
		enum dns_failure failure;
		int deadline_ms;
	} cases[] = {
		{ "nothing.example", DNS_FAILURE_NONE, PATIENCE_MS },
		{ "gone.example", DNS_FAILURE_NONE, PATIENCE_MS },
		{ "broken.example", DNS_FAILURE_SERVFAIL, PATIENCE_MS },
		{ "bogus.example", DNS_FAILURE_SERVFAIL, PATIENCE_MS },
		{ "refused.example", DNS_FAILURE_REFUSED, PATIENCE_MS },
		{ "no-edns.example", DNS_FAILURE_OTHER, PATIENCE_MS },
		{ "silent.example", DNS_FAILURE_TIMEOUT, 1000 },
	};
	struct fake_dns *dns = fake_dns_start(replay);
	struct dns_resolver *resolver = resolver_of(dns);

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct dns_answer answer;

		dns_lookup(resolver, cases[i].name, DNS_TYPE_MX, deadline_in_ms(cases[i].deadline_ms), &answer);
		if (answer.failure != cases[i].failure)
			fail_msg("%s: failure %d", cases[i].name, (int)answer.failure);
		dns_answer_wipe(&answer);
	}
	dns_resolver_destroy(resolver);
	fake_dns_stop(dns);
}

static void test_question(void **state)
{
	struct fake_dns *dns = fake_dns_start(replay);
	struct dns_resolver *resolver = resolver_of(dns);
	struct dns_answer answer;

	(void)state;
	dns_lookup(resolver, "bogus.example", DNS_TYPE_MX, deadline_in_ms(5000), &answer);
	assert_true(fake_dns_was_asked(
		dns,
		"bogus.example MX rd ad edns=1232 do\nbogus.example MX rd ad edns=1232 do cd\n"));
	assert_int_equal(fake_dns_asked_count(dns), 2);
	dns_lookup(resolver, "big.example", DNS_TYPE_A, deadline_in_ms(5000), &answer);
	assert_true(fake_dns_was_asked(dns, "big.example A rd ad edns=1232 do tcp\n"));
	dns_answer_wipe(&answer);
	dns_resolver_destroy(resolver);
	fake_dns_stop(dns);
}

/* case 54: TTLs. */
static void test_ttl(void **state)
{
	static const struct {
		const char *name;
		uint32_t ttl_s;
	} cases[] = {
		{ "a.example", 200 },
		{ "alias.example", 7 },
		{ "ttl0.example", DNS_TTL_FLOOR_S },
		{ "ttl-huge.example", DNS_TTL_CEILING_S },
		{ "other.example", DNS_TTL_FLOOR_S },
	};
	struct fake_dns *dns = fake_dns_start(replay);
	struct dns_resolver *resolver = resolver_of(dns);

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct dns_answer answer;

		dns_lookup(resolver, cases[i].name, DNS_TYPE_A, deadline_in_ms(5000), &answer);
		if (answer.ttl_s != cases[i].ttl_s)
			fail_msg("%s: %u", cases[i].name, answer.ttl_s);
		dns_answer_wipe(&answer);
	}
	dns_resolver_destroy(resolver);
	fake_dns_stop(dns);
}

/* case 54: names that are never asked for. */
static void test_bad_names(void **state)
{
	static const char *const names[] = {
		"",
		".",
		"a..example",
		".example",
		"a b.example",
		"a/b.example",
		"a\"b.example",
		"a\001b.example",
		"a\\032b.example",
		"a\xc3\xa4.example",
		"a@b.example",
		"*.example",
		"$(id).example",
		"example..",
		"a23456789012345678901234567890123456789012345678901234567890123x.example",
		"a2345678901234567890123456789012345678901234567890."
		"a2345678901234567890123456789012345678901234567890."
		"a2345678901234567890123456789012345678901234567890."
		"a2345678901234567890123456789012345678901234567890."
		"a2345678901234567890123456789012345678901234567890.example",
	};
	struct fake_dns *dns = fake_dns_start("query * A\nanswer @ 300 IN A 192.0.2.66\n");
	struct dns_resolver *resolver = resolver_of(dns);

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		struct dns_answer answer;

		dns_lookup(resolver, names[i], DNS_TYPE_A, deadline_in_ms(5000), &answer);
		if (answer.result != DNS_NXDOMAIN || answer.trust != DNS_INSECURE)
			fail_msg("\"%s\" was not refused", names[i]);
		for (const char *at = answer.name; *at != '\0'; at++)
			assert_in_range((unsigned char)*at, ' ', '~');
		dns_answer_wipe(&answer);
	}
	assert_int_equal(fake_dns_asked_count(dns), 0);
	dns_resolver_destroy(resolver);
	fake_dns_stop(dns);
}

/* case 50: the forgery arrives first, the answer after it. */
static void test_forgeries(void **state)
{
	static const char *const how[] = { "id", "question", "name", "source", "garbage" };

	(void)state;
	for (size_t i = 0; i < COUNT(how); i++) {
		char text[200];
		struct fake_dns *dns;
		struct dns_resolver *resolver;
		const struct row row = { how[i],    "a.example",  DNS_TYPE_A,
					 DNS_FOUND, DNS_INSECURE, "192.0.2.1",
					 1,	    NULL,	  NULL };

		snprintf(text, sizeof(text),
			 "query a.example A\nforge %s\nforge %s\nanswer @ 300 IN A 192.0.2.1\n",
			 how[i], how[i]);
		dns = fake_dns_start(text);
		resolver = resolver_of(dns);
		check_row(resolver, &row);
		assert_int_equal(fake_dns_asked_count(dns), 1);
		dns_resolver_destroy(resolver);
		fake_dns_stop(dns);
	}
}

/* case 51: the bytes after the id; the question is "a.example A" where there is one. */
static void test_hostile_bytes(void **state)
{
#define HEADER " 8180 0001 0001 0000 0000 01 61 07 6578616d706c65 00 0001 0001"
	static const struct {
		const char *label, *hex;
	} cases[] = {
		{ "header only", " 8180 0001 0001 0000 0000" },
		{ "pointer to itself", HEADER " c01b 0001 0001 0000012c 0004 c0000201" },
		{ "pointer loop", HEADER " c01d c01b 0001 0001 0000012c 0004 c0000201" },
		{ "pointer past the end", HEADER " ffff 0001 0001 0000012c 0004 c0000201" },
		{ "rdlength past the end", HEADER " c00c 0001 0001 0000012c ffff c0000201" },
		{ "A of 0 bytes", HEADER " c00c 0001 0001 0000012c 0000" },
		{ "A of 3 bytes", HEADER " c00c 0001 0001 0000012c 0003 c00002" },
		{ "record missing", HEADER },
		{ "label type 01", HEADER " 41 61 00 0001 0001 0000012c 0004 c0000201" },
		{ "count 65535", " 8180 0001 ffff 0000 0000 01 61 07 6578616d706c65 00 0001 0001 "
				 "c00c 0001 0001 0000012c 0004 c0000201" },
		{ "CNAME of 0 bytes", HEADER " c00c 0005 0001 0000012c 0000" },
		{ "extended rcode BADVERS", " 8180 0001 0000 0000 0001 01 61 07 6578616d706c65 00 "
					    "0001 0001 00 0029 04d0 01000000 0000" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char text[600];
		struct fake_dns *dns;
		struct dns_resolver *resolver;
		const struct row row = {
			cases[i].label, "a.example", DNS_TYPE_A, DNS_ERROR, DNS_FAILED,
			NULL,		0,	     NULL,	 NULL
		};

		snprintf(text, sizeof(text), "query a.example A\nhex %s\n", cases[i].hex);
		dns = fake_dns_start(text);
		resolver = resolver_of(dns);
		check_row(resolver, &row);
		dns_resolver_destroy(resolver);
		fake_dns_stop(dns);
	}
}

/* case 51: a name of 255 bytes in 127 labels, one of more; and more records than we take. */
static void test_long_answers(void **state)
{
	struct fake_dns *dns;
	struct dns_resolver *resolver;
	struct dns_answer answer;
	size_t size = 200000, used;
	char *text = malloc(size);

	(void)state;
	used = (size_t)snprintf(text, size, "query long.example MX\nanswer @ 300 IN MX 10 ");
	for (int i = 0; i < 127; i++)
		used += (size_t)snprintf(text + used, size - used, "a.");
	used += (size_t)snprintf(text + used, size - used, "\nquery many.example A\ntc\n");
	for (int i = 0; i < 1500; i++)
		used += (size_t)snprintf(text + used, size - used,
					 "answer @ 300 IN A 203.0.%d.%d\n", i / 250, i % 250);
	dns = fake_dns_start(text);
	resolver = resolver_of(dns);
	dns_lookup(resolver, "long.example", DNS_TYPE_MX, deadline_in_ms(5000), &answer);
	assert_int_equal(answer.result, DNS_FOUND);
	assert_int_equal(strlen(answer.mx[0].exchange), 253);
	dns_answer_wipe(&answer);
	dns_lookup(resolver, "many.example", DNS_TYPE_A, deadline_in_ms(5000), &answer);
	assert_int_equal(answer.result, DNS_FOUND);
	assert_int_equal(answer.count, DNS_RECORDS_MAX);
	dns_answer_wipe(&answer);
	dns_resolver_destroy(resolver);
	fake_dns_stop(dns);
	free(text);
}

/* case 49: TC, and nobody at the TCP port. */
static void test_no_tcp(void **state)
{
	struct fake_dns *dns = fake_dns_start_at(replay, "127.0.0.1", 0, false);
	struct dns_resolver *resolver = resolver_of(dns);
	const struct row row = { "no TCP",  "big.example", DNS_TYPE_A,
				 DNS_ERROR, DNS_FAILED,	   NULL,
				 0,	    NULL,	   "no TCP service" };

	(void)state;
	check_row(resolver, &row);
	dns_resolver_destroy(resolver);
	fake_dns_stop(dns);
}

/* What this thread was ready to wait for, at most. */
static __thread int longest_wait_ms;

int poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
	struct timespec timeout = { timeout_ms / 1000, timeout_ms % 1000 * 1000000L };

	if (timeout_ms > longest_wait_ms)
		longest_wait_ms = timeout_ms;
	return (int)syscall(SYS_ppoll, fds, count, timeout_ms < 0 ? NULL : &timeout, NULL, (size_t)0);
}

/* A lost packet costs a second, a dead server the deadline and no more. */
static void test_silence(void **state)
{
	struct fake_dns *dns = fake_dns_start(
		"query lossy.example A\ndrop 1\nanswer @ 300 IN A 192.0.2.1\n"
		"query silent.example A\ndrop\n");
	struct dns_resolver *resolver = resolver_of(dns);
	const struct row lossy = { "lossy",	 "lossy.example", DNS_TYPE_A, DNS_FOUND,
				   DNS_INSECURE, "192.0.2.1",	  1,	      NULL,
				   NULL };
	int64_t before = deadline_now_ms();
	struct dns_answer answer;
	unsigned asked;

	(void)state;
	check_row(resolver, &lossy);
	assert_true(deadline_now_ms() - before >= 990);
	asked = fake_dns_asked_count(dns);
	longest_wait_ms = 0;
	before = deadline_now_ms();
	dns_lookup(resolver, "silent.example", DNS_TYPE_A, deadline_in_ms(300), &answer);
	assert_true(deadline_now_ms() - before >= 290);
	assert_in_range(longest_wait_ms, 1, 300);
	assert_true(fake_dns_asked_count(dns) <= asked + 1);
	assert_int_equal(answer.result, DNS_ERROR);
	assert_int_equal(answer.trust, DNS_FAILED);
	assert_non_null(strstr(answer.error, "no answer from 127.0.0.1@"));
	dns_answer_wipe(&answer);
	dns_lookup(resolver, "lossy.example", DNS_TYPE_A, deadline_in_ms(0), &answer);
	assert_int_equal(answer.result, DNS_ERROR);
	dns_answer_wipe(&answer);
	dns_resolver_destroy(resolver);
	fake_dns_stop(dns);
}

/*
 * A bad server is passed over; but a bogus answer is not passed over to a server that does not
 * look.
 */
static void test_several_servers(void **state)
{
	struct fake_dns *bad = fake_dns_start(
		"query a.example A\nrcode SERVFAIL\n"
		"query bogus.example A cd\nanswer @ 300 IN A 192.0.2.66\n"
		"query bogus.example A\nrcode SERVFAIL\n"
		"query silent.example A\ndrop\n");
	struct fake_dns *good = fake_dns_start("query * A\nanswer @ 300 IN A 192.0.2.1\n");
	struct dns_resolver *resolver = resolver_for(
		(const char *const[]){ bad->address, good->address }, 2, false);
	const struct row servfail = { "servfail",  "a.example", DNS_TYPE_A, DNS_FOUND, DNS_INSECURE,
				      "192.0.2.1", 1,		NULL,	    NULL };
	const struct row silent = { "silent",	  "silent.example", DNS_TYPE_A, DNS_FOUND,
				    DNS_INSECURE, "192.0.2.1",	    1,		NULL,
				    NULL };
	const struct row bogus = {
		"case 47", "bogus.example", DNS_TYPE_A, DNS_ERROR, DNS_BOGUS, NULL, 0,
		NULL,	   bad->address
	};

	(void)state;
	check_row(resolver, &servfail);
	check_row(resolver, &bogus);
	check_row(resolver, &silent);
	assert_false(fake_dns_was_asked(good, "bogus.example"));
	dns_resolver_destroy(resolver);
	fake_dns_stop(bad);
	fake_dns_stop(good);
}

/* case 55: dead at start, there, dies, there again; one resolver all the time. */
static void test_restart(void **state)
{
	const struct row good = { "alive",     "a.example", DNS_TYPE_A, DNS_FOUND, DNS_INSECURE,
				  "192.0.2.1", 2,	    NULL,	NULL };
	const struct row dead = { "dead", "a.example", DNS_TYPE_A, DNS_ERROR,		DNS_FAILED,
				  NULL,	  0,	       NULL,	   "Connection refused" };
	struct fake_dns *dns = fake_dns_start(replay);
	struct dns_resolver *resolver = resolver_of(dns);
	uint16_t port = fake_dns_port(dns);

	(void)state;
	for (int i = 0; i < 2; i++) {
		fake_dns_stop(dns);
		check_row(resolver, &dead);
		dns = fake_dns_start_at(replay, "127.0.0.1", port, true);
		check_row(resolver, &good);
	}
	dns_resolver_destroy(resolver);
	fake_dns_stop(dns);
}

/* An IPv4 address of this machine that is not loopback, or false. */
static bool find_network_address(char *out, size_t size)
{
	struct ifaddrs *interfaces;
	bool found = false;

	if (getifaddrs(&interfaces) != 0)
		return false;
	for (const struct ifaddrs *i = interfaces; i != NULL && !found; i = i->ifa_next) {
		const struct sockaddr_in *address = (const struct sockaddr_in *)i->ifa_addr;

		if (address == NULL || address->sin_family != AF_INET ||
		    ntohl(address->sin_addr.s_addr) >> 24 == 127)
			continue;
		inet_ntop(AF_INET, &address->sin_addr, out, (socklen_t)size);
		found = true;
	}
	freeifaddrs(interfaces);
	return found;
}

/*
 * case 50: AD from a server that is not on loopback counts only if the configuration says so;
 * without it no CD question.
 */
static void test_untrusted(void **state)
{
	struct row row = { "case 50",	 "secure.example", DNS_TYPE_A, DNS_FOUND,
			   DNS_INSECURE, "192.0.2.1",	   1,	       NULL,
			   NULL };
	const struct row bogus = {
		"bogus", "bogus.example", DNS_TYPE_MX, DNS_ERROR, DNS_FAILED, NULL, 0,
		NULL,	 "SERVFAIL"
	};
	struct dns_resolver *resolver;
	struct fake_dns *dns;
	char address[64];

	(void)state;
	if (!find_network_address(address, sizeof(address))) {
		print_message("SKIPPED: no address besides loopback\n");
		skip();
	}
	dns = fake_dns_start_at(replay, address, 0, true);
	resolver = resolver_of(dns);
	assert_false(dns_resolver_is_trusted(resolver));
	check_row(resolver, &row);
	check_row(resolver, &bogus);
	assert_false(fake_dns_was_asked(dns, " cd"));
	dns_resolver_destroy(resolver);
	resolver = resolver_for((const char *const[]){ dns->address }, 1, true);
	assert_true(dns_resolver_is_trusted(resolver));
	row.trust = DNS_SECURE;
	check_row(resolver, &row);
	dns_resolver_destroy(resolver);
	fake_dns_stop(dns);
}

static void test_server_texts(void **state)
{
	static const struct {
		const char *text;
		bool is_good, is_loopback;
	} cases[] = {
		{ "127.0.0.1", true, true },
		{ "127.9.9.9@5353", true, true },
		{ "::1", true, true },
		{ "::1@53", true, true },
		{ "::ffff:127.0.0.1", true, true },
		{ "192.0.2.1", true, false },
		{ "2001:db8::1@65535", true, false },
		{ "", false, false },
		{ "@53", false, false },
		{ "127.0.0.1@", false, false },
		{ "127.0.0.1@0", false, false },
		{ "127.0.0.1@65536", false, false },
		{ "127.0.0.1@5a", false, false },
		{ "127.0.0.1:53", false, false },
		{ "localhost", false, false },
		{ "127.0.0.1 ", false, false },
		{ "127.0.0.1@53@53", false, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct dns_server server;
		char error[200] = "";

		if ((dns_server_parse(&server, cases[i].text, error, sizeof(error)) == 0) !=
		    cases[i].is_good)
			fail_msg("%s: %s", cases[i].text, error);
		if (cases[i].is_good && server.is_loopback != cases[i].is_loopback)
			fail_msg("%s: loopback %d", cases[i].text, server.is_loopback);
		if (cases[i].is_good)
			assert_string_equal(server.text, cases[i].text);
	}
}

static void write_file(const char *path, const char *text)
{
	char temporary[128];
	FILE *file;

	snprintf(temporary, sizeof(temporary), "%s.new", path);
	file = fopen(temporary, "w");
	fputs(text, file);
	fclose(file);
	assert_int_equal(rename(temporary, path), 0);
}

static void test_resolv_conf(void **state)
{
	static const struct {
		const char *text;
		size_t count;
		const char *first;
	} cases[] = {
		{ "# comment\nnameserver 192.0.2.1\nsearch example\nnameserver\t2001:db8::1 # x\n",
		  2, "192.0.2.1" },
		{ "nameserver bad\nnameserver 192.0.2.3\nnameserver", 1, "192.0.2.3" },
		{ "options trust-ad\n", 1, "127.0.0.1" },
		{ "", 1, "127.0.0.1" },
		{ " nameserver 192.0.2.4\nnameservers 192.0.2.5\n", 1, "192.0.2.4" },
		{ "nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\nnameserver "
		  "192.0.2.4\nnameserver 192.0.2.5\n"
		  "nameserver 192.0.2.6\nnameserver 192.0.2.7\nnameserver 192.0.2.8\nnameserver "
		  "192.0.2.9\n",
		  8, "192.0.2.1" },
	};
	char directory[] = "/tmp/postern-test.XXXXXX", path[64], error[200];
	struct dns_server list[DNS_SERVERS_MAX];
	struct dns_servers servers;

	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/resolv.conf", directory);
	assert_int_equal(dns_servers_init(&servers, NULL, path, error, sizeof(error)), 0);
	assert_int_equal(dns_servers_copy(&servers, list), 1);
	assert_string_equal(list[0].text, "127.0.0.1");
	/* Read again after each change, without a word. */
	for (size_t i = 0; i < COUNT(cases); i++) {
		write_file(path, cases[i].text);
		assert_int_equal(dns_servers_copy(&servers, list), cases[i].count);
		assert_string_equal(list[0].text, cases[i].first);
	}
	unlink(path);
	assert_int_equal(dns_servers_copy(&servers, list), 1);
	dns_servers_wipe(&servers);
	rmdir(directory);
}

static void test_bad_servers(void **state)
{
	char *items[9] = { "127.0.0.1", "resolver.example", "3", "4", "5", "6", "7", "8", "9" };
	struct conf_list list = { .items = items, .count = 2 };
	char error[200] = "";

	(void)state;
	assert_null(dns_resolver_create(&list, false, error, sizeof(error)));
	assert_non_null(strstr(error, "\"resolver.example\""));
	list.count = 9;
	assert_null(dns_resolver_create(&list, false, error, sizeof(error)));
	assert_non_null(strstr(error, "at most 8"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_results),	     cmocka_unit_test(test_question),
		cmocka_unit_test(test_ttl),	     cmocka_unit_test(test_bad_names),
		cmocka_unit_test(test_forgeries),    cmocka_unit_test(test_hostile_bytes),
		cmocka_unit_test(test_long_answers), cmocka_unit_test(test_no_tcp),
		cmocka_unit_test(test_silence),	     cmocka_unit_test(test_several_servers),
		cmocka_unit_test(test_restart),	     cmocka_unit_test(test_untrusted),
		cmocka_unit_test(test_server_texts), cmocka_unit_test(test_resolv_conf),
		cmocka_unit_test(test_bad_servers),  cmocka_unit_test(test_failures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
