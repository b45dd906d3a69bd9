/*
 * Logging in to a relay: which mechanism, what is said when, that every ending but a good one is
 * one, and that the password goes to nobody who should not have it, nor into an event.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "edge/sasl_response.h"
#include "tests/fake/fake_conversation.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* printf 'user@example.org' | base64, and so on: made outside of our code. */
#define USER "dXNlckBleGFtcGxlLm9yZw=="
#define PASSWORD "c2VjcmV0IDE6Mg=="
#define PLAIN_RESPONSE "AHVzZXJAZXhhbXBsZS5vcmcAc2VjcmV0IDE6Mg=="
#define AUTH_PLAIN EXPECT("AUTH PLAIN " PLAIN_RESPONSE "\r\n")

#define OFFER_TLS EHLO("250-AUTH LOGIN\r\n250 STARTTLS\r\n")
#define GO_TLS OFFER_TLS, EXPECT("STARTTLS\r\n"), SEND("220 go\r\n"), TLS
#define INSIDE(lines) \
	GO_TLS, EXPECT("EHLO " OWN_NAME "\r\n"), SEND("250-mx.example.net\r\n" lines)
#define OFFER_PLAIN INSIDE("250-8BITMIME\r\n250 AUTH LOGIN PLAIN\r\n")
#define OFFER_LOGIN INSIDE("250 AUTH LOGIN CRAM-MD5\r\n")
#define GOOD SEND("235 2.7.0 welcome\r\n"), QUIT_OK

struct row {
	const char *name;
	struct fake_step steps[24];
	const char *event;		/* "" = opens */
	const char *detail;		/* in the event's detail or reply */
};

static struct sasl_login the_login = { "user@example.org", "secret 1:2" };
static enum smtp_login_result the_result;
static unsigned asked, refused;

static enum smtp_login_result find_login(void *context, struct sasl_login *login)
{
	(void)context;
	asked++;
	if (the_result == SMTP_LOGIN_FOUND)
		*login = the_login;
	return the_result;
}

static void on_refused(void *context)
{
	(void)context;
	refused++;
}

/* Any certificate will do, as the fake's is nobody's. */
static struct smtp_auth the_auth;

static void set_up_auth(void)
{
	the_auth = (struct smtp_auth){ .may_be_anybody = true, .find_login = find_login,
				      .on_refused = on_refused };
	the_result = SMTP_LOGIN_FOUND;
	asked = refused = 0;
}

static bool holds_secret(const char *text)
{
	return strstr(text, the_login.password) != NULL || strstr(text, PASSWORD) != NULL ||
	       strstr(text, PLAIN_RESPONSE) != NULL;
}

/* The conversation is over, but not wiped. */
static void converse(struct conversation *conversation, const struct row *row, enum tls_level level,
		     bool is_wrapped)
{
	conversation_prepare(conversation, level);
	conversation_open(conversation, row->steps,
			  (struct smtp_client_params){
				  .deadline = deadline_in_ms(PATIENCE_MS),
				  .data_done_timeout_ms = PATIENCE_MS,
				  .cancel_fd = -1,
				  .is_wrapped = is_wrapped,
				  .auth = &the_auth,
			  });
	conversation_end(conversation);
}

static void check(const struct conversation *conversation, const struct row *row)
{
	const struct smtp_event *event = &conversation->open_event;
	char text[64] = "";

	if (!conversation->is_open)
		conversation_print(text, sizeof(text), event);
	if (strcmp(text, row->event) != 0 || conversation->mx.problem[0] != '\0')
		fail_msg("%s: \"%s\" (%s) instead of \"%s\"; server: %s", row->name, text,
			 event->detail, row->event, conversation->mx.problem);
	if (row->detail != NULL && strstr(event->detail, row->detail) == NULL &&
	    strstr(event->reply.text, row->detail) == NULL)
		fail_msg("%s: \"%s\" \"%s\"", row->name, event->detail, event->reply.text);
	if (holds_secret(event->detail) || holds_secret(event->reply.text))
		fail_msg("%s: the password is in the event: %s %s", row->name, event->detail,
			 event->reply.text);
}

static void run_all(const struct row *rows, size_t count, enum tls_level level, bool is_wrapped)
{
	for (size_t i = 0; i < count; i++) {
		struct conversation *conversation = calloc(1, sizeof(*conversation));

		converse(conversation, &rows[i], level, is_wrapped);
		check(conversation, &rows[i]);
		conversation_wipe(conversation);
		free(conversation);
	}
}

static void test_responses(void **state)
{
	static const struct {
		const char *text, *expected;
	} rows[] = {	/* RFC 4648 10 */
		{ "", "" },		{ "f", "Zg==" },	{ "fo", "Zm8=" },
		{ "foo", "Zm9v" },	{ "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" },
		{ "foobar", "Zm9vYmFy" }, { "\xff\xfe\xfb", "//77" },
	};
	char out[SASL_RESPONSE_MAX];
	struct sasl_login longest = { "", "" };

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		sasl_response_text(out, rows[i].text);
		assert_string_equal(out, rows[i].expected);
	}
	sasl_response_plain(out, &the_login);
	assert_string_equal(out, PLAIN_RESPONSE);
	memset(longest.user, 'u', SASL_USER_MAX);
	memset(longest.password, 'p', SASL_PASSWORD_MAX);
	sasl_response_plain(out, &longest);
	assert_int_equal(strlen(out), SASL_RESPONSE_MAX - 1);
}

static void test_good(void **state)
{
	static const struct row rows[] = {
		{ "PLAIN is preferred", { OFFER_PLAIN, AUTH_PLAIN, GOOD }, "", NULL },
		{ "PLAIN, asked for once more",
		  { OFFER_PLAIN, AUTH_PLAIN, SEND("334 \r\n"), EXPECT(PLAIN_RESPONSE "\r\n"), GOOD },
		  "", NULL },
		{ "LOGIN",
		  { OFFER_LOGIN, EXPECT("AUTH LOGIN\r\n"), SEND("334 VXNlcm5hbWU6\r\n"),
		    EXPECT(USER "\r\n"), SEND("334 UGFzc3dvcmQ6\r\n"), EXPECT(PASSWORD "\r\n"), GOOD },
		  "", NULL },
		{ "LOGIN, other prompts",
		  { OFFER_LOGIN, EXPECT("AUTH LOGIN\r\n"), SEND("334\r\n"), EXPECT(USER "\r\n"),
		    SEND("334 no base64 at all!\r\n"), EXPECT(PASSWORD "\r\n"), GOOD },
		  "", NULL },
		{ "prompts of several lines",
		  { OFFER_LOGIN, EXPECT("AUTH LOGIN\r\n"), SEND("334-VXNl\r\n334 cm5hbWU6\r\n"),
		    EXPECT(USER "\r\n"), SEND("334 UGFzc3dvcmQ6\r\n"), EXPECT(PASSWORD "\r\n"), GOOD },
		  "", NULL },
		{ "a server that writes AUTH=",
		  { INSIDE("250 AUTH=PLAIN\r\n"), AUTH_PLAIN, GOOD }, "", NULL },
	};

	(void)state;
	set_up_auth();
	run_all(rows, COUNT(rows), TLS_ENCRYPT, false);
	assert_int_equal(asked, COUNT(rows));
}

static void test_refused(void **state)
{
	static const struct row rows[] = {
		{ "535", { OFFER_PLAIN, AUTH_PLAIN, SEND("535 5.7.8 no\r\n") }, "EHLO auth", "no" },
		{ "454", { OFFER_PLAIN, AUTH_PLAIN, SEND("454 4.7.0 later\r\n") }, "EHLO auth",
		  "later" },
		{ "421", { OFFER_PLAIN, AUTH_PLAIN, SEND("421 4.3.2 bye\r\n") }, "EHLO 421", "bye" },
		{ "LOGIN refuses the name",
		  { OFFER_LOGIN, EXPECT("AUTH LOGIN\r\n"), SEND("334 VXNlcm5hbWU6\r\n"),
		    EXPECT(USER "\r\n"), SEND("535 who?\r\n") },
		  "EHLO auth", "who?" },
		{ "PLAIN without end",
		  { OFFER_PLAIN, AUTH_PLAIN, SEND("334 \r\n"), EXPECT(PLAIN_RESPONSE "\r\n"),
		    SEND("334 more\r\n"), EXPECT("*\r\n"), SEND("501 5.0.0 cancelled\r\n") },
		  "EHLO auth", "did not come to an end" },
		{ "LOGIN without end",
		  { OFFER_LOGIN, EXPECT("AUTH LOGIN\r\n"), SEND("334 a\r\n"), EXPECT(USER),
		    SEND("334 b\r\n"), EXPECT(PASSWORD), SEND("334 c\r\n"), EXPECT("*\r\n"),
		    SEND("334 d\r\n") },
		  "EHLO auth", "did not come to an end" },
		{ "cancelled, and then gone",
		  { OFFER_LOGIN, EXPECT("AUTH LOGIN\r\n"), SEND("334 a\r\n"), EXPECT(USER),
		    SEND("334 b\r\n"), EXPECT(PASSWORD), SEND("334 c\r\n"), EXPECT("*\r\n"), CUT },
		  "EHLO lost", "in AUTH LOGIN" },
		{ "354 is no answer", { OFFER_PLAIN, AUTH_PLAIN, SEND("354 go\r\n") },
		  "EHLO protocol", "354" },
		{ "no reply at all", { OFFER_PLAIN, AUTH_PLAIN, SEND("garbage\r\n") },
		  "EHLO protocol", NULL },
		{ "gone", { OFFER_PLAIN, AUTH_PLAIN, CUT }, "EHLO lost", "in AUTH PLAIN" },
		{ "gone after the name",
		  { OFFER_LOGIN, EXPECT("AUTH LOGIN\r\n"), SEND("334 a\r\n"), EXPECT(USER), CUT },
		  "EHLO lost", "in AUTH LOGIN" },
		{ "half a challenge",
		  { OFFER_LOGIN, EXPECT("AUTH LOGIN\r\n"), SEND("334 VXNl"), CUT }, "EHLO lost",
		  "in AUTH LOGIN" },
		{ "another mechanism", { INSIDE("250 AUTH CRAM-MD5\r\n") }, "EHLO auth",
		  "neither AUTH PLAIN nor AUTH LOGIN" },
		{ "no AUTH inside TLS, though outside", { INSIDE("250 8BITMIME\r\n") }, "EHLO auth",
		  "offers no AUTH" },
	};

	(void)state;
	set_up_auth();
	run_all(rows, COUNT(rows), TLS_ENCRYPT, false);
}

/* What a wrong password is answered with, and nothing else, is told on. */
static void test_refusal_is_told(void **state)
{
	static const struct row wrong = { "535", { OFFER_PLAIN, AUTH_PLAIN, SEND("535 5.7.8 no\r\n") },
					  "EHLO auth", "no" },
				later = { "454", { OFFER_PLAIN, AUTH_PLAIN, SEND("454 later\r\n") },
					  "EHLO auth", "later" },
				other = { "none", { INSIDE("250 AUTH CRAM-MD5\r\n") }, "EHLO auth", NULL },
				held = { "held", { OFFER_PLAIN }, "EHLO auth", "not tried again yet" };

	(void)state;
	set_up_auth();
	run_all(&later, 1, TLS_ENCRYPT, false);
	run_all(&other, 1, TLS_ENCRYPT, false);
	assert_int_equal(refused, 0);
	run_all(&wrong, 1, TLS_ENCRYPT, false);
	assert_int_equal(refused, 1);
	the_result = SMTP_LOGIN_HELD;
	run_all(&held, 1, TLS_ENCRYPT, false);
	assert_int_equal(refused, 1);
}

static void test_server_repeats_password(void **state)
{
	static const struct row rows[] = {
		{ "as it is", { OFFER_PLAIN, AUTH_PLAIN, SEND("535 \"secret 1:2\" is wrong\r\n") },
		  "EHLO auth", "is wrong" },
		{ "as it was sent", { OFFER_PLAIN, AUTH_PLAIN, SEND("501 bad: " PLAIN_RESPONSE "\r\n") },
		  "EHLO auth", "bad: ***" },
		{ "twice, no end",
		  { OFFER_LOGIN, EXPECT("AUTH LOGIN\r\n"), SEND("334 a\r\n"), EXPECT(USER),
		    SEND("334 b\r\n"), EXPECT(PASSWORD), SEND("399 " PASSWORD PASSWORD "\r\n") },
		  "EHLO protocol", "399" },
	};

	(void)state;
	set_up_auth();
	run_all(rows, COUNT(rows), TLS_ENCRYPT, false);
}

/* Nothing but greeting, EHLO and STARTTLS is heard by servers that must not hear a password. */
static void test_not_told(void **state)
{
	static const struct row plain = { "no TLS offered",
					  { EHLO("250 AUTH PLAIN LOGIN\r\n"), DRAIN },
					  "EHLO auth",
					  "without TLS" },
			       anybody = { "nobody's certificate", { OFFER_PLAIN, DRAIN }, "EHLO auth",
					   "not verified" },
			       demanded = { "no TLS, but demanded",
					    { EHLO("250 AUTH PLAIN LOGIN\r\n"), DRAIN },
					    "TLS not offered",
					    NULL };
	static const struct {
		const struct row *row;
		enum tls_level level;
		bool may_be_anybody;
		unsigned asked;
	} cases[] = {
		{ &plain, TLS_MAY, true, 1 },
		{ &plain, TLS_NONE, true, 1 },
		{ &anybody, TLS_ENCRYPT, false, 1 },
		{ &demanded, TLS_SECURE, true, 0 },	/* the keeper is not even asked */
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct conversation *conversation = calloc(1, sizeof(*conversation));

		set_up_auth();
		the_auth.may_be_anybody = cases[i].may_be_anybody;
		converse(conversation, cases[i].row, cases[i].level, false);
		check(conversation, cases[i].row);
		if (strstr(conversation->mx.seen, "AUTH") != NULL)
			fail_msg("case %zu: AUTH was said", i);
		assert_int_equal(asked, cases[i].asked);
		conversation_wipe(conversation);
		free(conversation);
	}
}

static void test_no_login(void **state)
{
	static const struct row without[] = { { "without", { OFFER_PLAIN, QUIT_OK }, "", NULL } },
			       needed[] = { { "needed", { OFFER_PLAIN }, "EHLO auth",
					      "has no login" } },
			       gone[] = { { "keeper is gone", { OFFER_PLAIN }, "EHLO local",
					    "is gone" } };

	(void)state;
	set_up_auth();
	the_result = SMTP_LOGIN_NONE;
	run_all(without, 1, TLS_ENCRYPT, false);
	the_auth.is_required = true;
	run_all(needed, 1, TLS_ENCRYPT, false);
	the_result = SMTP_LOGIN_ERROR;
	run_all(gone, 1, TLS_ENCRYPT, false);
}

/* RFC 4954 4: what does not fit into a line of 512 bytes waits for the server's word. */
static void test_long_password(void **state)
{
	static char expected[SASL_RESPONSE_MAX + 2];
	static const struct row rows[] = { { "long",
					     { OFFER_PLAIN, EXPECT("AUTH PLAIN\r\n"), SEND("334 \r\n"),
					       EXPECT(expected), GOOD },
					     "",
					     NULL } };
	struct sasl_login kept = the_login;

	(void)state;
	memset(the_login.password, 'p', SASL_PASSWORD_MAX);
	memset(the_login.user, 'u', SASL_USER_MAX);
	sasl_response_plain(expected, &the_login);
	strcat(expected, "\r\n");
	set_up_auth();
	run_all(rows, COUNT(rows), TLS_ENCRYPT, false);
	the_login = kept;
}

/* RFC 8314 3.3: the handshake comes before the greeting; there is no STARTTLS. */
static void test_implicit_tls(void **state)
{
	static const struct row rows[] = {
		{ "wrapped",
		  { TLS, EHLO("250-STARTTLS\r\n250 AUTH PLAIN\r\n"), AUTH_PLAIN, GOOD }, "", NULL },
		{ "a server that speaks plainly", { SEND("220 mx.example.net ESMTP\r\n"), DRAIN },
		  "TLS handshake", "" },
		{ "ourselves", { TLS, SEND("220 " OWN_NAME "\r\n") }, "GREETING loop", NULL },
	};

	(void)state;
	set_up_auth();
	run_all(rows, COUNT(rows), TLS_ENCRYPT, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_responses),
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_refusal_is_told),
		cmocka_unit_test(test_server_repeats_password),
		cmocka_unit_test(test_not_told),
		cmocka_unit_test(test_no_login),
		cmocka_unit_test(test_long_password),
		cmocka_unit_test(test_implicit_tls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
