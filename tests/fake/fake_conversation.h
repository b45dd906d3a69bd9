/*
 * One conversation of edge/smtp_client with a fake_mx, with everything that happened printed as
 * text, so that a test is a row: a script and what must come of it. "RCPT 550", "CONTENT lost",
 * "DOT lost in doubt".
 */
#ifndef FAKE_CONVERSATION_H
#define FAKE_CONVERSATION_H

#include "edge/smtp_client.h"
#include "tests/fake/fake_mx.h"
#include "tests/unit/eventually.h"

#define OWN_NAME "edge.example.org"
#define TRACE "Received: by edge.example.org\r\n"

#define GREETING SEND("220 mx.example.net ESMTP\r\n")
#define EHLO(capabilities) \
	GREETING, EXPECT("EHLO " OWN_NAME "\r\n"), SEND("250-mx.example.net\r\n" capabilities)
#define PLAIN EHLO("250 HELP\r\n")
#define PIPELINING EHLO("250-8BITMIME\r\n250 PIPELINING\r\n")
#define MAIL_OK EXPECT("MAIL FROM:<s@example.org>"), SEND("250 2.1.0 ok\r\n")
#define RCPT_OK EXPECT("RCPT TO:<u"), SEND("250 2.1.5 ok\r\n")
#define DATA_OK EXPECT("DATA\r\n"), SEND("354 go on\r\n")
#define TO_DATA PLAIN, MAIL_OK, RCPT_OK, DATA_OK
#define TO_DOT TO_DATA, CONTENT
#define DOT_OK CONTENT, SEND("250 2.0.0 queued\r\n")
#define QUIT_OK EXPECT("QUIT\r\n"), SEND("221 bye\r\n")

struct conversation {
	struct fake_mx mx;
	struct tls_context *tls;
	struct tls_terms terms;
	struct smtp_client client;
	struct smtp_event open_event;
	bool is_open;
	struct content_pool pool;
	struct content content;
	struct envelope envelope;
	char results[SMTP_RECIPIENTS_MAX]
		    [64]; /* per recipient of the envelope; "" = not reported */
	struct smtp_reply last_reply;
	size_t reports;
	bool without_trace;			/* no prefix before the content */
	smtp_client_dot_fn *before_final_dot;	/* NULL: nobody is asked; the context is the conversation */
	void *dot_context;			/* for it */
};

static inline const char *conversation_stage(enum delivery_stage stage)
{
	static const char *const words[STAGE_COUNT] = {
		[STAGE_TUNNEL] = "TUNNEL",     [STAGE_EDGE] = "EDGE",
		[STAGE_DNS] = "DNS",	       [STAGE_CONNECT] = "CONNECT",
		[STAGE_GREETING] = "GREETING", [STAGE_EHLO] = "EHLO",
		[STAGE_TLS] = "TLS",	       [STAGE_MAIL] = "MAIL",
		[STAGE_RCPT] = "RCPT",	       [STAGE_DATA] = "DATA",
		[STAGE_CONTENT] = "CONTENT",   [STAGE_AFTER_FINAL_DOT] = "DOT",
	};

	return words[stage];
}

static inline void conversation_print(char *out, size_t size, const struct smtp_event *event)
{
	static const char *const words[] = {
		[SMTP_FAILURE_NONE] = "none",
		[SMTP_FAILURE_CONNECT] = "connect",
		[SMTP_FAILURE_TIMEOUT] = "timeout",
		[SMTP_FAILURE_LOST] = "lost",
		[SMTP_FAILURE_PROTOCOL] = "protocol",
		[SMTP_FAILURE_FLOOD] = "flood",
		[SMTP_FAILURE_TLS_HANDSHAKE] = "handshake",
		[SMTP_FAILURE_TLS_INJECTION] = "injection",
		[SMTP_FAILURE_TLS_NOT_OFFERED] = "not offered",
		[SMTP_FAILURE_LOOP] = "loop",
		[SMTP_FAILURE_AUTH] = "auth",
		[SMTP_FAILURE_CAPABILITY] = "capability",
		[SMTP_FAILURE_TOO_BIG] = "too big",
		[SMTP_FAILURE_SLOW] = "slow",
		[SMTP_FAILURE_CANCELLED] = "cancelled",
		[SMTP_FAILURE_LOCAL] = "local",
		[SMTP_FAILURE_JOURNAL] = "journal",
		[SMTP_FAILURE_NO_TIME] = "no time",
	};

	if (event->failure == SMTP_FAILURE_NONE)
		snprintf(out, size, "%s %d", conversation_stage(event->stage), event->reply.code);
	else
		snprintf(out, size, "%s %s", conversation_stage(event->stage),
			 words[event->failure]);
	if (event->final_dot_sent)
		snprintf(out + strlen(out), size - strlen(out), " in doubt");
}

static inline void conversation_add_recipients(struct conversation *conversation, size_t count,
					       const char *local_format)
{
	for (size_t i = 0; i < count; i++) {
		struct recipient recipient = { .notify = DSN_NOTIFY_NEVER };

		snprintf(recipient.forward_path.local_part,
			 sizeof(recipient.forward_path.local_part), "%s%zu", local_format, i);
		snprintf(recipient.forward_path.domain, sizeof(recipient.forward_path.domain),
			 "example.net");
		envelope_add_recipient(&conversation->envelope, &recipient);
	}
}

/* Everything but the connection. */
static inline void conversation_prepare(struct conversation *conversation, enum tls_level level)
{
	char error[160];

	memset(conversation, 0, sizeof(*conversation));
	content_pool_init(&conversation->pool, 64 * 1024 * 1024);
	content_init(&conversation->content, &conversation->pool);
	envelope_init(&conversation->envelope);
	snprintf(conversation->envelope.reverse_path.mailbox.local_part, 2, "s");
	snprintf(conversation->envelope.reverse_path.mailbox.domain, 12, "example.org");
	conversation->tls = tls_context_create(NULL, error, sizeof(error));
	conversation->terms = (struct tls_terms){
		.level = level, .label = "may", .note = "", .rule = "a rule",
		.sni = "mx.example.net",
		.protocols = TLS_V1_0 | TLS_V1_1 | TLS_V1_2 | TLS_V1_3,
	};
}

/* Connects and opens; ehlo_name, terms and tls are filled in. */
static inline void conversation_open(struct conversation *conversation, const struct fake_step *steps,
				     struct smtp_client_params params)
{
	int fd = fake_mx_start(&conversation->mx, steps);

	params.ehlo_name = OWN_NAME;
	params.terms = &conversation->terms;
	params.tls = conversation->tls;
	conversation->is_open = smtp_client_open(&conversation->client, fd, &params,
						 &conversation->open_event) == 0;
}

/* Both. cancel_fd: -1 or an eventfd. */
static inline void conversation_begin(struct conversation *conversation,
				      const struct fake_step *steps, enum tls_level level,
				      int deadline_ms, int cancel_fd)
{
	conversation_prepare(conversation, level);
	conversation_open(conversation, steps,
			  (struct smtp_client_params){
				  .deadline = deadline_in_ms(deadline_ms),
				  .data_done_timeout_ms = deadline_ms,
				  .cancel_fd = cancel_fd,
			  });
}

static inline void conversation_result(void *context, size_t index, const struct smtp_event *event)
{
	struct conversation *conversation = context;

	if (conversation->results[index][0] != '\0')
		abort();	/* reported twice */
	conversation_print(conversation->results[index], sizeof(conversation->results[index]),
			   event);
	conversation->last_reply = event->reply;
	conversation->reports++;
}

/* One transaction for recipients first..first+count-1. */
static inline bool conversation_send(struct conversation *conversation, size_t first, size_t count)
{
	size_t indices[SMTP_RECIPIENTS_PER_TRANSACTION];

	for (size_t i = 0; i < count; i++) {
		indices[i] = first + i;
		conversation->results[first + i][0] = '\0';
	}
	return smtp_client_transaction(&conversation->client, &(struct smtp_transaction){
		.envelope = &conversation->envelope,
		.indices = indices,
		.count = count,
		.content = &conversation->content,
		.prefix = TRACE,
		.prefix_length = conversation->without_trace ? 0 : sizeof(TRACE) - 1,
		.result = conversation_result,
		.before_final_dot = conversation->before_final_dot,
		.context = conversation,
	});
}

static inline void conversation_end(struct conversation *conversation)
{
	smtp_client_quit(&conversation->client);
	fake_mx_finish(&conversation->mx);
}

static inline void conversation_wipe(struct conversation *conversation)
{
	fake_mx_wipe(&conversation->mx);
	tls_context_destroy(conversation->tls);
	envelope_wipe(&conversation->envelope);
	content_wipe(&conversation->content);
	content_pool_wipe(&conversation->pool);
}

#endif
