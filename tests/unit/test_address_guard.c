/*
 * address_guard: the edges of every range (case 52), the forms of IPv4 inside IPv6, the allow-list,
 * own addresses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "edge/address_guard.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *ask(const struct address_guard *guard, const char *text)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in v4 = { .sin_family = AF_INET };

	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
		return address_guard_refuses(guard, (const struct sockaddr *)&v4);
	assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
	return address_guard_refuses(guard, (const struct sockaddr *)&v6);
}

static struct address_guard *create(const char *const *allow, size_t count)
{
	struct conf_list list = { .items = (char **)(uintptr_t)allow, .count = count };
	char error[200] = "";
	struct address_guard *guard = address_guard_create(&list, error, sizeof(error));

	if (guard == NULL)
		fail_msg("%s", error);
	return guard;
}

/*
 * case 52: first, last, one before and one after; words: part of the reason, NULL = may be
 * connected to.
 */
static const struct row {
	const char *address;
	const char *words;
} edges[] = {
	{ "0.0.0.0", "this network" },
	{ "0.255.255.255", "this network" },
	{ "1.0.0.0", NULL },
	{ "9.255.255.255", NULL },
	{ "10.0.0.0", "private" },
	{ "10.255.255.255", "private" },
	{ "11.0.0.0", NULL },
	{ "100.63.255.255", NULL },
	{ "100.64.0.0", "NAT" },
	{ "100.127.255.255", "NAT" },
	{ "100.128.0.0", NULL },
	{ "126.255.255.255", NULL },
	{ "127.0.0.0", "loopback" },
	{ "127.0.0.1", "loopback" },
	{ "127.255.255.255", "loopback" },
	{ "128.0.0.0", NULL },
	{ "169.253.255.255", NULL },
	{ "169.254.0.0", "link-local" },
	{ "169.254.169.254", "link-local" },
	{ "169.254.255.255", "link-local" },
	{ "169.255.0.0", NULL },
	{ "172.15.255.255", NULL },
	{ "172.16.0.0", "private" },
	{ "172.31.255.255", "private" },
	{ "172.32.0.0", NULL },
	{ "191.255.255.255", NULL },
	{ "192.0.0.0", "protocol" },
	{ "192.0.0.255", "protocol" },
	{ "192.0.1.0", NULL },
	{ "192.167.255.255", NULL },
	{ "192.168.0.0", "private" },
	{ "192.168.255.255", "private" },
	{ "192.169.0.0", NULL },
	{ "198.17.255.255", NULL },
	{ "198.18.0.0", "benchmarking" },
	{ "198.19.255.255", "benchmarking" },
	{ "198.20.0.0", NULL },
	{ "223.255.255.255", NULL },
	{ "224.0.0.0", "multicast" },
	{ "239.255.255.255", "multicast" },
	{ "240.0.0.0", "reserved" },
	{ "255.255.255.254", "reserved" },
	{ "255.255.255.255", "broadcast" },
	/* Documentation networks: not routed, and what test networks are made of. */
	{ "192.0.2.1", NULL },
	{ "198.51.100.1", NULL },
	{ "203.0.113.1", NULL },
	{ "2001:db8::1", NULL },

	{ "::", "unspecified" },
	{ "::1", "loopback" },
	{ "fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL },
	{ "fc00::", "private" },
	{ "fd00:ec2::254", "private" },
	{ "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "private" },
	{ "fe00::", NULL },
	{ "fe7f:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL },
	{ "fe80::", "link-local" },
	{ "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "link-local" },
	{ "fec0::", "site-local" },
	{ "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "site-local" },
	{ "ff00::", "multicast" },
	{ "ff02::1", "multicast" },
	{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "multicast" },
	{ "2606:4700::1111", NULL },
};

/* case 52: IPv4 in other clothes is judged as IPv4. */
static const struct row embedded[] = {
	{ "::ffff:10.0.0.1", "private" },
	{ "::ffff:127.0.0.1", "loopback" },
	{ "::ffff:192.0.2.1", NULL },
	{ "::ffff:0.0.0.0", "this network" },
	{ "::fffe:10.0.0.1", NULL },
	{ "::1:ffff:10.0.0.1", NULL },
	{ "::2", "this network" },
	{ "::10.0.0.1", "private" },
	{ "::192.0.2.1", NULL },
	{ "::1:0:0", NULL },
	{ "64:ff9b::10.0.0.1", "private" },
	{ "64:ff9b::169.254.169.254", "link-local" },
	{ "64:ff9b::192.0.2.1", NULL },
	{ "64:ff9b::", "this network" },
	{ "64:ff9a:ffff:ffff:ffff:ffff:a00:1", NULL },
	{ "64:ff9b:0:0:0:1:a00:1", NULL },
	/* 64:ff9b:1::/48 with prefixes of 96, 48, 56 and 64 bits. */
	{ "64:ff9b:1::10.0.0.1", "private" },
	{ "64:ff9b:1::192.0.2.1", NULL },
	{ "64:ff9b:1:a00:0:100::", "private" },
	{ "64:ff9b:1:c000:2:100::", NULL },
	{ "64:ff9b:1:7f:0:1::", "loopback" },
	{ "64:ff9b:1:c0:0:201::", NULL },
	{ "64:ff9b:1:0:7f:0:100:0", "loopback" },
	{ "64:ff9b:1::", "this network" },
	{ "64:ff9b:2::a00:1", NULL },
	/* A second reading in the bytes that the first one ignores. */
	{ "64:ff9b:1:a00:0:100:c000:201", "private" },
	{ "64:ff9b:1:c000:2:100:a00:1", "private" },
	{ "2002:a00:1::1", "private" },
	{ "2002:7f00:1::", "loopback" },
	{ "2002:c000:201::1", NULL },
	{ "2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL },
	{ "2002::", "this network" },
	{ "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "broadcast" },
	{ "2003::", NULL },
};

static void check_rows(const struct address_guard *guard, const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const char *words = ask(guard, rows[i].address);

		/* The loopback addresses are the machine's own, too. */
		if (words != NULL && rows[i].words != NULL &&
		    strcmp(words, "an address of this machine") == 0)
			continue;
		if ((words == NULL) != (rows[i].words == NULL) ||
		    (words != NULL && strstr(words, rows[i].words) == NULL))
			fail_msg("%s: got %s, expected %s", rows[i].address, words, rows[i].words);
	}
}

static void test_ranges(void **state)
{
	struct address_guard *guard = create(NULL, 0);

	(void)state;
	check_rows(guard, edges, COUNT(edges));
	check_rows(guard, embedded, COUNT(embedded));
	address_guard_destroy(guard);
}

static void test_other_families(void **state)
{
	struct address_guard *guard = create(NULL, 0);
	struct sockaddr address = { .sa_family = AF_UNIX };

	(void)state;
	assert_string_equal(address_guard_refuses(guard, &address), "not an IP address");
	address_guard_destroy(guard);
}

static void test_allow_list(void **state)
{
	static const char *const allow[] = { "10.1.0.0/16", "127.0.0.1", "fd00:1::/32",
					     "172.16.0.0/13", "::/0" };
	static const struct row rows[] = {
		{ "10.1.0.0", NULL },
		{ "10.1.255.255", NULL },
		{ "10.0.255.255", "private" },
		{ "10.2.0.0", "private" },
		{ "127.0.0.1", NULL },
		{ "127.0.0.2", "loopback" },
		{ "172.23.255.255", NULL },
		{ "172.24.0.0", "private" },
		{ "fd00:1:ffff::", NULL },
		{ "fd00:2::", "private" },
		{ "::ffff:10.1.2.3", NULL },
		{ "64:ff9b::10.1.2.3", NULL },
		{ "64:ff9b::10.2.2.3", "private" },
		{ "::ffff:10.2.0.0", "private" },
	};
	static const struct row with_all[] = {
		{ "fd00:2::", NULL },
		{ "::1", NULL },
		{ "::ffff:10.2.0.0", "private" },
		{ "10.2.0.0", "private" },
	};
	struct address_guard *guard = create(allow, 4);

	(void)state;
	check_rows(guard, rows, COUNT(rows));
	address_guard_destroy(guard);
	guard = create(allow, 5);
	check_rows(guard, with_all, COUNT(with_all));
	address_guard_destroy(guard);
}

static void test_bad_networks(void **state)
{
	static const char *const bad[] = {
		"",
		"/8",
		"10.0.0.0/",
		"10.0.0.0/33",
		"10.0.0.0/-1",
		"10.0.0.0/8x",
		"10.0.0.0/ 8",
		"10.1/16",
		"10.0.0.1/8",
		"2001:db8::/129",
		"2001:db8::1/64",
		"host.example",
		"10.0.0.0/8/8",
		"::ffff:10.0.0.0/104",
		"10.0.0.0/0008",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct conf_list list = { .items = (char *[]){ (char *)(uintptr_t)bad[i] },
					  .count = 1 };
		char error[200] = "", quoted[80];

		if (address_guard_create(&list, error, sizeof(error)) != NULL)
			fail_msg("accepted \"%s\"", bad[i]);
		snprintf(quoted, sizeof(quoted), "\"%s\"", bad[i]);
		assert_non_null(strstr(error, quoted));
	}
}

/* case 52: the machine's own addresses, whatever they are. */
static void test_own_addresses(void **state)
{
	struct address_guard *guard = create(NULL, 0);
	struct ifaddrs *interfaces;
	char text[INET6_ADDRSTRLEN];

	(void)state;
	assert_int_equal(getifaddrs(&interfaces), 0);
	for (const struct ifaddrs *i = interfaces; i != NULL; i = i->ifa_next) {
		struct address_guard *open;

		if (i->ifa_addr == NULL ||
		    (i->ifa_addr->sa_family != AF_INET && i->ifa_addr->sa_family != AF_INET6))
			continue;
		assert_string_equal(address_guard_refuses(guard, i->ifa_addr),
				    "an address of this machine");
		if (i->ifa_addr->sa_family == AF_INET)
			inet_ntop(AF_INET, &((struct sockaddr_in *)i->ifa_addr)->sin_addr, text,
				  sizeof(text));
		else
			inet_ntop(AF_INET6, &((struct sockaddr_in6 *)i->ifa_addr)->sin6_addr, text,
				  sizeof(text));
		open = create((const char *const[]){ text }, 1);
		assert_null(address_guard_refuses(open, i->ifa_addr));
		address_guard_destroy(open);
	}
	freeifaddrs(interfaces);
	address_guard_destroy(guard);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ranges),	      cmocka_unit_test(test_other_families),
		cmocka_unit_test(test_allow_list),    cmocka_unit_test(test_bad_networks),
		cmocka_unit_test(test_own_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
