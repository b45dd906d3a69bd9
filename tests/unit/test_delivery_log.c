/* What the edge's log line says, and what it must not say: the local parts of recipients. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "edge/delivery_log.h"
#include "lib/log.h"

static void test_hide_addresses(void **state)
{
	static const struct {
		const char *text, *expected;
	} rows[] = {
		{ "", "" },
		{ "no address here", "no address here" },
		{ "@", "@" },
		{ "@example.com", "@example.com" },
		{ "a@b", "*@b" },
		{ "user unknown: user+tag@example.com", "user unknown: *@example.com" },
		{ "<user@example.com>: Recipient rejected", "<*@example.com>: Recipient rejected" },
		{ "(user@example.com)", "(*@example.com)" },
		{ "[user@example.com]", "[*@example.com]" },
		{ "to:user@example.com,other@example.net;third@example.org",
		  "to:*@example.com,*@example.net;*@example.org" },
		{ "user@example.com", "*@example.com" },
		{ "a@b c@d e@f", "*@b *@d *@f" },
		/* what local parts may be made of (RFC 5321 atext) */
		{ "<o'brien@example.com>", "<*@example.com>" },
		{ "!#$%&'*+-/=?^_`{|}~.x@example.com", "*@example.com" },
		{ "SRS0=abc=TT=example.net=user@example.com", "*@example.com" },
		{ "user%example.net@example.com", "*@example.com" },
		{ "J\xc3\xb6rg@example.com", "*@example.com" },
		{ "<\xe4\xb8\x96\xe7\x95\x8c@example.com>", "<*@example.com>" },
		/* quoted local parts */
		{ "<\"john doe\"@example.com>", "<*@example.com>" },
		{ "\"john doe\"@example.com", "*@example.com" },
		{ "\"a@b\"@example.com", "*@example.com" },
		{ "user \"john \\\" doe\"@example.com unknown", "user *@example.com unknown" },
		{ "\"\"@example.com", "*@example.com" },
		{ "x \"@example.com", "*@example.com" },
		{ "\"@example.com", "*@example.com" },
		/* an address in quotes */
		{ "\"user@example.com\" is unknown", "\"*@example.com\" is unknown" },
		/* several @ */
		{ "a@b@c", "*@c" },
		{ "@@", "*@" },
		{ "@relay,@other:user@example.com", "@relay,@other:*@example.com" },
		{ "user@", "*@" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[100];

		snprintf(text, sizeof(text), "%s", rows[i].text);
		delivery_log_hide_addresses(text);
		assert_string_equal(text, rows[i].expected);
	}
}

static void log_to_text(char *text, size_t size, const struct delivery_status *status,
			const char *domain, int64_t delay_ms, enum edge_log_recipients detail)
{
	struct recipient recipient = { .forward_path = { .local_part = "john.doe" } };
	int ends[2], saved;
	ssize_t got;

	snprintf(recipient.forward_path.domain, sizeof(recipient.forward_path.domain), "%s",
		 domain);
	assert_int_equal(pipe(ends), 0);
	saved = dup(STDERR_FILENO);
	dup2(ends[1], STDERR_FILENO);
	close(ends[1]);
	log_set_tag("4XyZ");
	delivery_log_status(&recipient, status, "mail", delay_ms, detail);
	log_set_tag(NULL);
	dup2(saved, STDERR_FILENO);
	close(saved);
	got = read(ends[0], text, size - 1);
	close(ends[0]);
	assert_true(got > 0);
	text[got] = '\0';
}

static struct delivery_status status_of_reply(int code, struct enhanced_status enhanced,
					      const char *text)
{
	struct smtp_reply reply = { .code = code, .status = enhanced };
	struct delivery_status status = { .remote_mta = "mx1.example.net",
					  .remote_address = "192.0.2.9",
					  .remote_port = 25 };

	snprintf(reply.text, sizeof(reply.text), "%s", text);
	delivery_status_set_reply(&status, STAGE_RCPT, &reply);
	return status;
}

static void test_levels(void **state)
{
	struct delivery_status status = status_of_reply(550, ENHANCED_STATUS(5, 1, 1),
							"<john.doe@example.net>: unknown");
	char text[4096];

	(void)state;
	log_to_text(text, sizeof(text), &status, "example.net", 1234, EDGE_LOG_RECIPIENTS_FULL);
	assert_string_equal(text,
			    "4XyZ: to=<john.doe@example.net>, relay=mx1.example.net[192.0.2.9]:25, "
			    "client=mail, delay=1.23, "
			    "tls=none, dsn=5.1.1, status=bounced (host mx1.example.net[192.0.2.9] "
			    "said: 550 5.1.1 "
			    "<john.doe@example.net>: unknown (in reply to RCPT TO command))\n");
	log_to_text(text, sizeof(text), &status, "example.net", 1234, EDGE_LOG_RECIPIENTS_DOMAIN);
	assert_string_equal(text, "4XyZ: to=<@example.net>, relay=mx1.example.net[192.0.2.9]:25, "
				  "client=mail, delay=1.23, "
				  "tls=none, dsn=5.1.1, status=bounced (host "
				  "mx1.example.net[192.0.2.9] said: 550 5.1.1 "
				  "<*@example.net>: unknown (in reply to RCPT TO command))\n");
	log_to_text(text, sizeof(text), &status, "example.net", 1234, EDGE_LOG_RECIPIENTS_NONE);
	assert_non_null(strstr(text, "to=<->, relay="));
	assert_null(strstr(text, "john"));
}

static void test_sent_and_in_doubt(void **state)
{
	struct delivery_status status = status_of_reply(250, ENHANCED_STATUS(2, 0, 0), "Ok");
	char text[4096];

	(void)state;
	status.stage = STAGE_AFTER_FINAL_DOT;
	snprintf(status.tls, sizeof(status.tls), "TLSv1.3");
	log_to_text(text, sizeof(text), &status, "example.net", 60009, EDGE_LOG_RECIPIENTS_DOMAIN);
	assert_non_null(
		strstr(text, "delay=60.00, tls=TLSv1.3, dsn=2.0.0, status=sent (250 2.0.0 Ok)\n"));
	assert_null(strstr(text, "duplicate"));
	delivery_status_set_local(&status, STAGE_AFTER_FINAL_DOT, ENHANCED_STATUS(4, 4, 2), "lost");
	status.maybe_duplicate = true;
	log_to_text(text, sizeof(text), &status, "example.net", 0, EDGE_LOG_RECIPIENTS_DOMAIN);
	assert_non_null(strstr(text, "delay=0.00, "));
	assert_non_null(strstr(text, "status=deferred ("));
	assert_non_null(strstr(
		text,
		"(the message may have been delivered; the next attempt may be a duplicate)"));
}

/* What an earlier attempt came to: nobody must look for a connection that was not made. */
static void test_from_journal(void **state)
{
	struct delivery_status status = status_of_reply(250, ENHANCED_STATUS(2, 0, 0), "2.0.0 Ok");
	char text[4096];

	(void)state;
	status.from_journal = true;
	log_to_text(text, sizeof(text), &status, "example.net", 0, EDGE_LOG_RECIPIENTS_DOMAIN);
	assert_non_null(strstr(text, "status=sent (250 2.0.0 Ok "
				     "(already delivered; answered from journal))\n"));
	status = status_of_reply(550, ENHANCED_STATUS(5, 1, 1), "<john.doe@example.net>: unknown");
	status.from_journal = true;
	log_to_text(text, sizeof(text), &status, "example.net", 0, EDGE_LOG_RECIPIENTS_DOMAIN);
	assert_non_null(strstr(text, "<*@example.net>: unknown (in reply to RCPT TO command) "
				     "(answered from journal))\n"));
}

/* 8-bit domains, and no host at all. */
static void test_nothing_unprintable(void **state)
{
	struct delivery_status status = { 0 };
	char text[4096];

	(void)state;
	delivery_status_set_local(&status, STAGE_DNS, ENHANCED_STATUS(4, 4, 3), "no answer");
	log_to_text(text, sizeof(text), &status,
		    "b\xc3\xbc"
		    "cher.example",
		    0, EDGE_LOG_RECIPIENTS_DOMAIN);
	assert_non_null(strstr(text, "to=<@b??cher.example>, relay=none, "));
}

/* The longest of everything: one line, not cut before the status. */
static void test_longest_line(void **state)
{
	struct delivery_status status;
	char reply[SMTP_REPLY_TEXT_MAX + 1], domain[256], text[8192];

	(void)state;
	memset(reply, 'r', sizeof(reply) - 1);
	memset(domain, 'd', 255);
	reply[sizeof(reply) - 1] = domain[255] = '\0';
	status = status_of_reply(450, ENHANCED_STATUS(4, 2, 2), reply);
	memset(status.remote_mta, 'm', sizeof(status.remote_mta) - 1);
	memset(status.remote_address, 'a', sizeof(status.remote_address) - 1);
	memset(status.tls, 't', sizeof(status.tls) - 1);
	log_to_text(text, sizeof(text), &status, domain, 1, EDGE_LOG_RECIPIENTS_FULL);
	assert_non_null(strstr(text, "status=deferred ("));
	assert_non_null(strstr(text, "rrr"));
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hide_addresses),
		cmocka_unit_test(test_levels),
		cmocka_unit_test(test_sent_and_in_doubt),
		cmocka_unit_test(test_from_journal),
		cmocka_unit_test(test_nothing_unprintable),
		cmocka_unit_test(test_longest_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
