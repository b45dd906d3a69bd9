/*
 * What is read out of postconf(1) and postqueue(1): services, settings and their overrides, times, the entry that runs the
 * transport; and the checks that need nothing else: open relay, ways past postern, whose fault a delay is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "doctor/mail_host.h"
#include "doctor/mail_route.h"
#include "doctor/queue_summary.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define SERVICES \
	"smtp       inet  n       -       y       -       -       smtpd\n" \
	"587        inet  n       -       n       -       -       smtpd -o smtpd_relay_restrictions=permit_sasl_authenticated,reject\n" \
	"smtp       unix  -       -       n       -       -       smtp\n" \
	"local      unix  -       n       n       -       -       local\n" \
	"other      unix  -       n       n       -       0       spawn user=nobody argv=/usr/bin/other\n" \
	"postern-spawn unix -     n       n       -       0       spawn user=_postern:mail argv=/opt/postern-transport -c /etc/x.conf\n" \
	"postern    unix  -       -       n       -       100     lmtp -o lmtp_data_done_timeout=1020s\n"

static void read_view(struct postfix_view *view, const char *settings, const char *overrides, const char *services)
{
	postfix_view_parse(view, strdup(settings), strdup(overrides), strdup(services));
	assert_true(view->is_there);
}

static void test_view(void **state)
{
	struct postfix_view view;
	const struct postfix_service *service;

	(void)state;
	read_view(&view, "b = two words\na =\nc = x = y\nnonsense\n", "587/inet/b = -o\n", SERVICES "\nbroken unix\n");
	assert_int_equal(view.service_count, 7);
	assert_string_equal(postfix_view_get(&view, "a"), "");
	assert_string_equal(postfix_view_get(&view, "b"), "two words");
	assert_string_equal(postfix_view_get(&view, "c"), "x = y");
	assert_string_equal(postfix_view_get(&view, "d"), "");
	service = postfix_view_find(&view, "smtp", "inet");
	assert_string_equal(service->chroot, "y");
	assert_string_equal(service->program, "smtpd");
	assert_string_equal(postfix_view_get_for(&view, service, "b"), "two words");
	assert_string_equal(postfix_view_get_for(&view, postfix_view_find(&view, "587", "inet"), "b"), "-o");
	assert_null(postfix_view_find(&view, "587", "unix"));
	postfix_view_wipe(&view);
	read_view(&view, "", "", "");
	assert_string_equal(postfix_view_get(&view, "a"), "");
	postfix_view_wipe(&view);
	postfix_view_parse(&view, strdup("a = b\n"), NULL, NULL);
	assert_false(view.is_there);
	postfix_view_wipe(&view);
}

static void test_seconds(void **state)
{
	static const struct {
		const char *value;
		long long seconds;
	} cases[] = { { "1020s", 1020 }, { "17m", 1020 }, { "1h", 3600 }, { "2d", 172800 }, { "1w", 604800 }, { "86400", 86400 },
		      { "1H", 3600 }, { "", -1 }, { "x", -1 }, { "-1s", -1 }, { "1y", -1 }, { "1ss", -1 }, { "99999999999999999999w", -1 } };

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_int_equal(postfix_view_seconds(cases[i].value, 's'), cases[i].seconds);
}

static void test_entry(void **state)
{
	static const struct {
		const char *services, *name, *user, *program, *conf;
		bool is_pipe;
	} cases[] = {
		{ SERVICES, "postern-spawn", "_postern", "/opt/postern-transport", "/etc/x.conf", false },
		{ "p unix - n n - 10 pipe flags=q user=u null_sender= argv=/x/postern-transport --pipe -- -c ${recipient}\n", "p", "u",
		  "/x/postern-transport", "", true },
		{ "x unix - n n - 10 pipe user=u argv=/x/postern-transport.old\n", NULL, "_postern", TRANSPORT_ENTRY_PROGRAM, "", false },
		{ "x unix - n n - 10 smtp -o argv=/x/postern-transport\n", NULL, "_postern", TRANSPORT_ENTRY_PROGRAM, "", false },
		{ "", NULL, "_postern", TRANSPORT_ENTRY_PROGRAM, "", false },
	};
	struct transport_entry entry;
	struct postfix_view view;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		read_view(&view, "", "", cases[i].services);
		transport_entry_find(&entry, &view);
		assert_int_equal(entry.service != NULL, cases[i].name != NULL);
		if (entry.service != NULL)
			assert_string_equal(entry.service->name, cases[i].name);
		assert_string_equal(entry.user, cases[i].user);
		assert_string_equal(entry.program, cases[i].program);
		assert_string_equal(entry.conf_path, cases[i].conf);
		assert_int_equal(entry.is_pipe, cases[i].is_pipe);
		postfix_view_wipe(&view);
	}
}

/* ---- checks ---- */

typedef void check_fn(struct mail_host *host);

static void run_check(check_fn *check, const char *settings, const char *overrides, struct finding_list *list)
{
	struct mail_host host = { .list = list };

	memset(list, 0, sizeof(*list));
	read_view(&host.postfix, settings, overrides, SERVICES);
	transport_entry_find(&host.entry, &host.postfix);
	check(&host);
	postfix_view_wipe(&host.postfix);
}

static void test_open_relay(void **state)
{
#define SAFE "smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\n"
	static const struct {
		const char *settings, *overrides;
		size_t failures;
	} cases[] = {
		{ SAFE "mynetworks = 127.0.0.0/8 [::1]/128\n", "", 0 },
		{ SAFE "mynetworks = 10.0.0.0/8, [fe80::]/10, 192.168.0.0/16, !1.0.0.0/1, /etc/networks, cidr:/etc/n\n", "", 0 },
		{ SAFE "mynetworks = 0.0.0.0/0\n", "", 2 },
		{ SAFE "mynetworks = [::]/0\n", "", 2 },
		{ SAFE "mynetworks = 127.0.0.0/8\n", "smtp/inet/mynetworks = 128.0.0.0/1\n", 1 },
		{ "smtpd_relay_restrictions = reject_unauth_destination\nmynetworks = 0.0.0.0/0\n", "", 0 },
		{ "smtpd_relay_restrictions = permit_mynetworks permit\n", "", 2 },
		{ "smtpd_relay_restrictions = permit, reject_unauth_destination\n", "", 2 },
		{ "smtpd_relay_restrictions = permit\nsmtpd_recipient_restrictions = reject_unauth_destination\n", "", 0 },
		{ "smtpd_relay_restrictions =\nsmtpd_recipient_restrictions = check_client_access hash:/x, defer_unauth_destination\n", "", 0 },
		{ "smtpd_relay_restrictions = permit\n", "587/inet/smtpd_relay_restrictions = permit_sasl_authenticated,reject\n", 1 },
	};
	char many[20000];
	struct finding_list list;

	(void)state;
	/* However long a list is, no word of it is torn: "/2" is a network, "reject_unauth" nothing. */
	strcpy(many, "smtpd_relay_restrictions =");
	while (strlen(many) < 9000)
		strcat(many, " permit_mynetworks, check_client_access cidr:/etc/postfix/clients,");
	strcat(many, " reject_unauth_destination\nmynetworks =");
	while (strlen(many) < 19000)
		strcat(many, " 192.168.100.0/24 172.16.31.0/24,");
	strcat(many, "\n");
	run_check(check_open_relay, many, "", &list);
	assert_int_equal(finding_list_count(&list, FINDING_FAIL), 0);
	finding_list_wipe(&list);
	for (size_t i = 0; i < COUNT(cases); i++) {
		run_check(check_open_relay, cases[i].settings, cases[i].overrides, &list);
		if (finding_list_count(&list, FINDING_FAIL) != cases[i].failures || (cases[i].failures == 0 && list.count != 1))
			fail_msg("%s: %zu", cases[i].settings, finding_list_count(&list, FINDING_FAIL));
		finding_list_wipe(&list);
	}
}

#define ROUTED "default_transport = postern:unix:private/postern-spawn\n"

static void test_bypass(void **state)
{
	static const struct {
		const char *settings, *subject; /* NULL: nothing is wrong */
	} cases[] = {
		{ ROUTED, NULL },
		{ ROUTED "relayhost = [smtp.example]:587\nsmtp_fallback_relay = [smtp.example]\n", NULL },
		{ ROUTED "content_filter = smtp:[127.0.0.1]:10024\n", NULL },
		{ ROUTED "content_filter = smtp:[smtp.example]:587\n", "content_filter" },
		{ ROUTED "content_filter = smtp:\n", "content_filter" },
		{ ROUTED "lmtp_fallback_relay = [smtp.example]\n", "lmtp_fallback_relay" },
		{ ROUTED "defer_transports = uucp, postern\n", "defer_transports" },
		{ ROUTED "defer_transports = uucp\n", NULL },
	};
	struct finding_list list;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		run_check(check_bypass, cases[i].settings, "", &list);
		assert_int_equal(list.count, 1);
		assert_int_equal(list.items[0].result, cases[i].subject != NULL ? FINDING_FAIL : FINDING_OK);
		if (cases[i].subject != NULL)
			assert_string_equal(list.items[0].subject, cases[i].subject);
		finding_list_wipe(&list);
	}
}

static void test_routes(void **state)
{
	static const struct {
		const char *value;
		enum mail_route route;
	} cases[] = {
		{ "postern:unix:private/postern-spawn", MAIL_ROUTE_POSTERN },
		{ "", MAIL_ROUTE_POSTERN },
		{ ":", MAIL_ROUTE_POSTERN },
		{ "smtp", MAIL_ROUTE_DIRECT },
		{ "smtp:", MAIL_ROUTE_DIRECT },
		{ "smtp:example.net", MAIL_ROUTE_DIRECT },
		{ "smtp:[mail.example.net]:587", MAIL_ROUTE_HOST },
		{ "local:", MAIL_ROUTE_LOCAL },
		{ "nobody:", MAIL_ROUTE_UNKNOWN },
	};
	struct mail_host host = { .list = NULL };

	(void)state;
	read_view(&host.postfix, ROUTED, "", SERVICES);
	transport_entry_find(&host.entry, &host.postfix);
	for (size_t i = 0; i < COUNT(cases); i++)
		if (mail_route_of(&host, cases[i].value) != cases[i].route)
			fail_msg("%s", cases[i].value);
	postfix_view_wipe(&host.postfix);
}

static void test_blame(void **state)
{
	static const struct {
		const char *reason;
		bool is_local;
	} cases[] = {
		{ "host mail[private/postern-spawn] said: 451 4.4.1 edge 192.0.2.1:7843 cannot be reached: refused (in reply to MAIL)", true },
		{ "host mail[private/postern-spawn] said: 451 4.4.4 no edge of the route answers", true },
		{ "host mail[private/postern-spawn] refused to talk to me: 421 4.3.5 /etc/postern/postern.conf:1: unknown", true },
		{ "lost connection with mail[private/postern-spawn] while receiving the initial server greeting", true },
		{ "connect to mail[private/postern-spawn]: No such file or directory", true },
		{ "mail transport unavailable", true },
		{ "host mail[private/postern-spawn] said: 450 4.7.1 relay.example: host mx[192.0.2.9] said: 450 later", false },
		{ "host mail[private/postern-spawn] said: 451 4.4.1 relay.example: connect to mx[192.0.2.9]:25: timed out", false },
		{ "connect to mx.example[192.0.2.9]:25: Connection timed out", false },
		{ "", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		if (queue_summary_is_local(cases[i].reason) != cases[i].is_local)
			fail_msg("%s", cases[i].reason);
}

static void test_queue(void **state)
{
	char text[] = "{\"queue_name\": \"deferred\", \"queue_id\": \"B\", \"arrival_time\": 2000, \"recipients\": [{\"address\": \"x\", \"delay_reason\": \"busy\"}]}\n"
		      "{\"queue_name\": \"deferred\", \"queue_id\": \"A\", \"arrival_time\": 1000, \"recipients\": [{\"address\": \"x\", \"delay_reason\": \"full\\u001b\"}, {\"address\": \"y\", \"delay_reason\": \"full\\u001b\"}]}\n"
		      "{\"queue_name\": \"hold\", \"queue_id\": \"C\", \"arrival_time\": 1, \"recipients\": [{\"address\": \"x\"}]}\n"
		      "{\"queue_name\": \"active\", \"queue_id\": \"D\", \"arrival_time\": 1, \"recipients\": []}\n"
		      "{\"queue_name\": 7}\n[]\nnonsense\n";
	struct queue_summary *summary = malloc(sizeof(*summary));

	(void)state;
	queue_summary_read(summary, text);
	assert_int_equal(summary->messages, 4);
	assert_int_equal(summary->deferred, 2);
	assert_int_equal(summary->held, 1);
	assert_int_equal(summary->bad_lines, 3);
	assert_int_equal(summary->oldest, 1000);
	assert_string_equal(summary->oldest_id, "A");
	assert_int_equal(summary->reason_count, 2);
	assert_string_equal(summary->reasons[0].text, "full?");
	assert_int_equal(summary->reasons[0].recipients, 2);
	free(summary);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_view),   cmocka_unit_test(test_seconds), cmocka_unit_test(test_entry),
		cmocka_unit_test(test_open_relay), cmocka_unit_test(test_bypass), cmocka_unit_test(test_routes),
		cmocka_unit_test(test_blame),  cmocka_unit_test(test_queue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
