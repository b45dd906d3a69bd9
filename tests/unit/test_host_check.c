/*
 * What an edge finds when it looks at itself: a name that nobody answers for, a refusal, or the end of the time that there is for
 * it all, says nothing about anything else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "edge/host_check.h"
#include "tests/fake/fake_dns.h"
#include "tests/unit/file_place.h"

static const char replay[] = "query good.example A\nanswer @ 300 IN A 192.0.2.1\n"
			     "query refused.example A\nrcode REFUSED\n"
			     "query silent.example A\ndrop\n"
			     "query mail.example MX\nanswer @ 300 IN MX 10 good.example.\n";

struct place {
	struct fake_dns *dns;
	struct edge_setup setup;
	struct finding_list list;
	struct host_check check;
};

static void set_up(struct place *place)
{
	struct fake_dns *dns = fake_dns_start(replay);
	char *server = dns->address, *allowed = (char[]){ "192.0.2.0/24" }, error[200];
	struct conf_list servers = { .items = &server, .count = 1 }, allow = { .items = &allowed, .count = 1 };

	memset(place, 0, sizeof(*place));
	place->dns = dns;
	place->setup.resolver = dns_resolver_create(&servers, true, error, sizeof(error));
	place->setup.guard = address_guard_create(&allow, error, sizeof(error));
	assert_non_null(place->setup.resolver);
	assert_non_null(place->setup.guard);
	place->check = (struct host_check){ .setup = &place->setup, .list = &place->list };
}

static void tear_down(struct place *place)
{
	finding_list_wipe(&place->list);
	address_guard_destroy(place->setup.guard);
	dns_resolver_destroy(place->setup.resolver);
	fake_dns_stop(place->dns);
}

static enum dns_result look_up(struct place *place, const char *name, int64_t within_ms)
{
	struct dns_answer answer;
	enum dns_result result;

	place->check.deadline = deadline_in_ms(within_ms);
	host_check_lookup(&place->check, name, DNS_TYPE_A, &answer);
	result = answer.result;
	dns_answer_wipe(&answer);
	return result;
}

static void test_one_silent_name(void **state)
{
	struct place place;

	(void)state;
	set_up(&place);
	assert_int_equal(look_up(&place, "good.example", 5000), DNS_FOUND);
	assert_int_equal(look_up(&place, "silent.example", 100), DNS_ERROR);
	assert_int_equal(look_up(&place, "refused.example", 5000), DNS_ERROR);
	assert_false(host_check_is_cut_off(&place.check));
	assert_int_equal(look_up(&place, "good.example", 5000), DNS_FOUND);
	tear_down(&place);
}

static void test_refusals_are_answers(void **state)
{
	struct place place;

	(void)state;
	set_up(&place);
	assert_int_equal(look_up(&place, "refused.example", 5000), DNS_ERROR);
	assert_int_equal(look_up(&place, "good.example", 5000), DNS_FOUND);
	tear_down(&place);
}

static void test_silent_resolver(void **state)
{
	struct place place;

	(void)state;
	set_up(&place);
	assert_int_equal(look_up(&place, "silent.example", 100), DNS_ERROR);
	assert_true(host_check_is_cut_off(&place.check));
	assert_int_equal(look_up(&place, "good.example", 5000), DNS_ERROR);
	tear_down(&place);
}

/* The addresses are known, but there is no time to connect. */
static void test_no_time_for_egress(void **state)
{
	char *domains[] = { (char *)(uintptr_t)"mail.example", NULL };
	struct dns_answer answer;
	struct place place;

	(void)state;
	set_up(&place);
	assert_int_equal(dns_resolver_keep_answers(place.setup.resolver, 60000), 0);
	assert_int_equal(look_up(&place, "good.example", 5000), DNS_FOUND);
	host_check_lookup(&place.check, "mail.example", DNS_TYPE_MX, &answer);
	assert_int_equal(answer.result, DNS_FOUND);
	dns_answer_wipe(&answer);
	place.check.deadline = deadline_in_ms(-1);
	place.check.domains = domains;
	host_check_egress(&place.check, AF_INET, NULL, "port 25");
	assert_int_equal(place.list.count, 1);
	assert_int_equal(place.list.items[0].result, FINDING_UNKNOWN);
	assert_non_null(strstr(place.list.items[0].seen, "192.0.2.1]: no time is left"));
	tear_down(&place);
}

/* Each way in which the journal has no place, and what is said to do about it. */
static void test_disk(void **state)
{
	static const struct {
		const char *below; /* the state directory, below one that is there */
		bool is_link;	   /* the journal is a symbolic link */
		long long journal_size;
		const char *seen, *mend; /* NULL: ok */
	} cases[] = {
		{ "", false, 1 << 20, NULL, NULL },
		{ "/new", false, 1 << 20, NULL, NULL },
		{ "/new/er", false, 1 << 20, "/new: No such file or directory", "install -d -o _edge -m 700 /" },
		{ "", true, 1 << 20, "/journal: Too many levels", "chown -R _edge: /" },
		{ "", false, 1LL << 60, "MB are free, the journal needs", "smaller journal_size" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct file_place directory;
		struct place place;
		char path[200];

		set_up(&place);
		assert_int_equal(file_place_init(&directory, "journal"), 0);
		if (cases[i].is_link)
			assert_int_equal(symlink("elsewhere", directory.path), 0);
		snprintf(path, sizeof(path), "%s%s", directory.directory, cases[i].below);
		place.setup.conf.state_directory = path;
		place.setup.conf.journal_size = cases[i].journal_size;
		place.setup.conf.user = (char[]){ "_edge" };
		host_check_disk(&place.check);
		assert_int_equal(place.list.count, 1);
		assert_int_equal(place.list.items[0].result, cases[i].seen == NULL ? FINDING_OK : FINDING_FAIL);
		if (cases[i].seen != NULL) {
			assert_non_null(strstr(place.list.items[0].seen, cases[i].seen));
			assert_non_null(strstr(place.list.items[0].mend, cases[i].mend));
		}
		file_place_wipe(&directory);
		tear_down(&place);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_silent_name),
		cmocka_unit_test(test_refusals_are_answers),
		cmocka_unit_test(test_silent_resolver),
		cmocka_unit_test(test_no_time_for_egress),
		cmocka_unit_test(test_disk),
	};

	return cmocka_run_group_tests_name("host_check", tests, NULL, NULL);
}
