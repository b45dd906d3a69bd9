/* What a line of `senders` allows, and which lines are mistakes (cases 133 and 137 rely on it). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/thread.h"
#include "milter/sender_list.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NOWHERE 0
#define ENVELOPE 1
#define FROM 2
#define BOTH 3

static struct sender_address address_of(const char *text)
{
	struct sender_address address;
	struct mailbox mailbox;
	char reason[200];

	if (mailbox_parse(&mailbox, text, strlen(text), true, reason, sizeof(reason)) != 0 ||
	    sender_address_from_mailbox(&address, &mailbox, reason, sizeof(reason)) != 0)
		fail_msg("\"%s\": %s", text, reason);
	/* It points into itself. */
	address.domain = NULL;
	return address;
}

static int uses_of(const struct sender_list *list, const char *text, const char *login)
{
	struct sender_address address = address_of(text), self = { 0 };
	const struct sender_address *self_or_null = NULL;

	address.domain = strrchr(address.text, '@') + 1;
	if (login != NULL) {
		self = address_of(login);
		self.domain = strrchr(self.text, '@') + 1;
		self_or_null = &self;
	}
	return (sender_list_allows(list, SENDER_IN_ENVELOPE, &address, self_or_null) ? ENVELOPE : 0) |
	       (sender_list_allows(list, SENDER_IN_FROM, &address, self_or_null) ? FROM : 0);
}

static void test_rights(void **state)
{
	static const struct {
		const char *value, *delimiter, *login, *address;
		int uses;
	} rows[] = {
		{ "alice@example.com", "", NULL, "alice@example.com", BOTH },
		{ "alice@example.com", "", NULL, "ALICE@Example.COM", BOTH },
		{ "Alice@EXAMPLE.com", "", NULL, "alice@example.com", BOTH },
		{ "alice@example.com", "", NULL, "\"alice\"@example.com", BOTH },
		{ "\"alice\"@example.com", "", NULL, "alice@example.com", BOTH },
		{ "alice@example.com", "", NULL, "bob@example.com", NOWHERE },
		{ "alice@example.com", "", NULL, "alice@sub.example.com", NOWHERE },
		{ "alice@example.com", "", NULL, "alic@example.com", NOWHERE },
		{ "alice@example.com", "", NULL, "alice@example.com.evil.example", NOWHERE },
		{ "alice@example.com, bob@example.com", "", NULL, "bob@example.com", BOTH },
		{ "\talice@example.com,,\tbob@example.com ,", "", NULL, "bob@example.com", BOTH },
		{ "\"a b,c\"@example.com", "", NULL, "\"a b,c\"@example.com", BOTH },
		{ "\"a \\\" b\"@example.com x@example.com", "", NULL, "x@example.com", BOTH },
		/* extensions */
		{ "alice@example.com", "", NULL, "alice+x@example.com", NOWHERE },
		{ "alice@example.com", NULL, NULL, "alice+x@example.com", NOWHERE },
		{ "alice@example.com", "+", NULL, "alice+x@example.com", BOTH },
		{ "alice@example.com", "+", NULL, "alice+x+y@example.com", BOTH },
		{ "alice@example.com", "+", NULL, "alice+@example.com", BOTH },
		{ "alice@example.com", "+", NULL, "alice-x@example.com", NOWHERE },
		{ "alice@example.com", "+-", NULL, "alice-x@example.com", BOTH },
		{ "alice@example.com", "+", NULL, "alice+x@example.net", NOWHERE },
		{ "alice@example.com", "+", NULL, "ali+ce@example.com", NOWHERE },
		{ "alice@example.com", "+", NULL, "+alice@example.com", NOWHERE },
		{ "alice+news@example.com", "+", NULL, "alice+news@example.com", BOTH },
		{ "alice+news@example.com", "+", NULL, "alice+other@example.com", NOWHERE },
		{ "alice+news@example.com", "+", NULL, "alice+news+x@example.com", NOWHERE },
		{ "alice@example.com", "+", NULL, "\"alice+x y\"@example.com", NOWHERE },
		{ "mailer@example.com", "-", NULL, "mailer-daemon@example.com", NOWHERE },
		{ "list@example.com", "-", NULL, "list-request@example.com", NOWHERE },
		{ "owner@example.com", "-", NULL, "owner-list@example.com", NOWHERE },
		{ "list@example.com", "-", NULL, "list-requests@example.com", BOTH },
		{ "alice+*@example.com", "", NULL, "alice+x@example.com", BOTH },
		{ "alice+*@example.com", "", NULL, "alice@example.com", NOWHERE },
		{ "alice+*@example.com", "", NULL, "alice-x@example.com", NOWHERE },
		{ "alice+*@example.com", "-", NULL, "alice-x@example.com", BOTH },
		{ "alice+*@example.com", "-", NULL, "alice+x@example.com", NOWHERE },
		{ "alice+*@example.com", "+", NULL, "alicex@example.com", NOWHERE },
		{ "a+b+*@example.com", "+", NULL, "a+b+c@example.com", BOTH },
		{ "a+b+*@example.com", "+", NULL, "a+c@example.com", NOWHERE },
		{ "alice+*@example.com", "+", NULL, "alice+x@example.net", NOWHERE },
		/* domains */
		{ "@example.com", "", NULL, "anybody@example.com", BOTH },
		{ "example.com", "", NULL, "anybody@EXAMPLE.com", BOTH },
		{ "@example.com", "", NULL, "anybody@sub.example.com", NOWHERE },
		{ "@example.com", "", NULL, "anybody@notexample.com", NOWHERE },
		{ "@example.com", "", NULL, "\"x@example.com\"@evil.example", NOWHERE },
		{ "@localhost", "", NULL, "root@localhost", BOTH },
		{ "@[192.0.2.1]", "", NULL, "root@[192.0.2.1]", BOTH },
		{ ".example.com", "", NULL, "a@sub.example.com", BOTH },
		{ ".example.com", "", NULL, "a@deep.sub.example.com", BOTH },
		{ ".example.com", "", NULL, "a@example.com", NOWHERE },
		{ ".example.com", "", NULL, "a@notexample.com", NOWHERE },
		{ "@m\xc3\xbcnchen.example", "", NULL, "a@xn--mnchen-3ya.example", BOTH },
		{ "@xn--mnchen-3ya.example", "", NULL, "a@m\xc3\xbcnchen.example", BOTH },
		{ ".m\xc3\xbcnchen.example", "", NULL, "a@sub.xn--mnchen-3ya.example", BOTH },
		{ "*", "", NULL, "a@b.example", BOTH },
		/* uses */
		{ "envelope:a@example.com from:b@example.com", "", NULL, "a@example.com", ENVELOPE },
		{ "envelope:a@example.com from:b@example.com", "", NULL, "b@example.com", FROM },
		{ "envelope:a@example.com @example.com", "", NULL, "c@example.com", BOTH },
		{ "Envelope:@bounces.example.com FROM:*", "", NULL, "x@bounces.example.com", BOTH },
		{ "Envelope:@bounces.example.com FROM:*", "", NULL, "x@other.example", FROM },
		{ "envelope:.example.com", "", NULL, "x@a.example.com", ENVELOPE },
		{ "default=shop@example.com", "", NULL, "shop@example.com", FROM },
		{ "default=shop@example.com", "", NULL, "other@example.com", NOWHERE },
		/* self */
		{ "self", "", "alice@example.com", "alice@example.com", BOTH },
		{ "self", "", "Alice@Example.com", "alice@example.com", BOTH },
		{ "Self", "", "alice@example.com", "bob@example.com", NOWHERE },
		{ "self", "+", "alice@example.com", "alice+x@example.com", BOTH },
		{ "self", "", "alice@example.com", "alice+x@example.com", NOWHERE },
		{ "from:self", "", "alice@example.com", "alice@example.com", FROM },
		{ "self", "", NULL, "alice@example.com", NOWHERE },
		/* the null reverse-path is no address */
		{ "<>", "", NULL, "alice@example.com", NOWHERE },
	};
	char reason[300];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct sender_list *list = sender_list_parse(rows[i].value, rows[i].delimiter, reason, sizeof(reason));
		int uses;

		if (list == NULL)
			fail_msg("\"%s\": %s", rows[i].value, reason);
		uses = uses_of(list, rows[i].address, rows[i].login);
		if (uses != rows[i].uses)
			fail_msg("\"%s\" allows %s: %d instead of %d", rows[i].value, rows[i].address, uses, rows[i].uses);
		sender_list_release(list);
	}
}

static void test_null_and_default(void **state)
{
	static const struct {
		const char *value;
		bool allows_null;
		const char *default_from;
	} rows[] = {
		{ "alice@example.com", false, NULL },
		{ "*", false, NULL },
		{ "envelope:*", false, NULL },
		{ "alice@example.com <>", true, NULL },
		{ "envelope:<>", true, NULL },
		{ "@example.com default=Shop@example.com", false, "Shop@example.com" },
		{ "DEFAULT=shop@example.com,self", false, "shop@example.com" },
	};
	char reason[300];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct sender_list *list = sender_list_parse(rows[i].value, "+", reason, sizeof(reason));

		if (list == NULL)
			fail_msg("\"%s\": %s", rows[i].value, reason);
		assert_int_equal(sender_list_allows_null(list), rows[i].allows_null);
		if (rows[i].default_from == NULL)
			assert_null(sender_list_default_from(list));
		else
			assert_string_equal(sender_list_default_from(list), rows[i].default_from);
		sender_list_release(list);
	}
}

static void test_mistakes(void **state)
{
	static const struct {
		const char *value, *expected;
	} rows[] = {
		{ "", "the line says nothing" },
		{ " , ", "the line says nothing" },
		{ "alice", "\"alice\": is neither an address nor a domain; write local@example.com" },
		{ "a@example.com bob", "\"bob\"" },
		{ "*@example.com", "write @example.com for every address there" },
		{ "shop*@example.com", "does not stand for part of a name" },
		{ "*.example.com", "write subdomains as .example.com" },
		{ "+*@example.com", "\"+*@example.com\"" },
		{ "@", "write a domain as @example.com" },
		{ ".", "write a domain as @example.com" },
		{ "@example..com", "write a domain as" },
		{ "@a@example.com", "is neither an address nor a domain" },
		{ ".[192.0.2.1]", "write a domain as" },
		{ "a..b@example.com", "write an address as local@example.com" },
		{ "<alice@example.com>", "write an address as local@example.com" },
		{ "Alice<alice@example.com>", "write an address as local@example.com" },
		{ "\"open@example.com", "a quote in it is open" },
		{ "from:", "nothing stands after the colon" },
		{ "envelope: a@example.com", "nothing stands after the colon" },
		{ "from:<>", "From has no null address" },
		{ "from:envelope:a@example.com", "\"from:envelope:a@example.com\"" },
		{ "reply-to:a@example.com", "\"reply-to:a@example.com\"" },
		{ "default=", "write default=local@example.com" },
		{ "default=@example.com", "write default=local@example.com" },
		{ "default=a@m\xc3\xbcnchen.example", "in its xn-- form" },
		{ "default=a@example.com default=b@example.com", "there is a default= before it" },
		{ "a\x01@example.com", "\"a?@example.com\"" },
		{ "a@\xff.example", "\"a@?.example\"" },
	};
	char reason[300], value[2000];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		if (sender_list_parse(rows[i].value, "+", reason, sizeof(reason)) != NULL)
			fail_msg("accepted: \"%s\"", rows[i].value);
		if (strstr(reason, rows[i].expected) == NULL)
			fail_msg("\"%s\": %s", rows[i].value, reason);
	}
	memset(value, 'a', sizeof(value));
	strcpy(value + sizeof(value) - 20, "@example.com");
	assert_null(sender_list_parse(value, "", reason, sizeof(reason)));
	assert_non_null(strstr(reason, "is too long"));
}

static void *use_and_release(void *argument)
{
	for (int i = 0; i < 20000; i++) {
		struct sender_list *list = sender_list_acquire(argument);

		sender_list_release(list);
	}
	sender_list_release(argument);
	return NULL;
}

/* The last one frees it, whoever that is; what the sanitizers say counts. */
static void test_counting(void **state)
{
	char reason[300];
	struct sender_list *list = sender_list_parse("@example.com default=a@example.com", "", reason, sizeof(reason));
	pthread_t threads[3];

	(void)state;
	assert_non_null(list);
	for (size_t i = 0; i < COUNT(threads); i++)
		assert_int_equal(thread_start(&threads[i], use_and_release, sender_list_acquire(list)), 0);
	assert_string_equal(sender_list_default_from(list), "a@example.com");
	sender_list_release(list);
	for (size_t i = 0; i < COUNT(threads); i++)
		pthread_join(threads[i], NULL);
	sender_list_release(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rights),
		cmocka_unit_test(test_null_and_default),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_counting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
