/*
 * DATA: takes the content and gives exactly one reply per accepted recipient, in the order of RCPT
 * (RFC 2033 4.2), each as soon as it and all before it are known.
 *
 * Reports to the sender (dsn_relayed.h) come before the claim: the replies of recipients who asked
 * NOTIFY=SUCCESS, and by order those behind them, are held until every outcome is known and the one
 * report for all of them has been given to sendmail. If we die before that, Postfix has not been
 * told that these recipients are done: it tries again, and the report is made then. The other way
 * round a crash would lose a report that nobody would ever make. That the report could not be
 * submitted never changes an outcome: the mail was relayed.
 */
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "content_pump.h"
#include "outcome_log.h"
#include "dsn_relayed.h"
#include "lib/log.h"
#include "lmtp_session.h"
#include "submission.h"
#include "tunnel/tunnel_limits.h"

/*
 * sendmail(1) writes one file; it comes on top of the transaction's time and stays under lmtp(8)'s.
 */
#define SUBMISSION_TIMEOUT_MS 30000

struct content {
	struct lmtp_session *session;
	struct content_pump pump;
	struct deadline deadline;
	size_t answered;
	bool is_ahead;	  /* the next command was there before the last replies were written */
	size_t held_from; /* the first recipient whose reply waits for the report */
};

static size_t find_held(const struct envelope *envelope)
{
	size_t i = 0;

	while (i < envelope->recipient_count && !dsn_relayed_is_wanted(envelope, i))
		i++;
	return i;
}

static void init(struct content *content, struct lmtp_session *session)
{
	const struct transport_conf *conf = &session->setup->conf;
	struct content_pump_params params = {
		.relay = session->relay,
		.choice = &session->choice,
		.envelope = &session->envelope,
		.stray_cr_lf = (enum stray_cr_lf)conf->stray_cr_lf,
		.connect_deadline = deadline_in_ms(conf->connect_timeout),
		.deadline = deadline_in_ms(TUNNEL_TRANSPORT_BUDGET_MS),
		.has_login = session->invocation.login != NULL,
	};

	memset(content, 0, sizeof(*content));
	content->session = session;
	content->deadline = params.deadline;
	content->held_from = find_held(&session->envelope);
	params.keep_headers = content->held_from < session->envelope.recipient_count;
	content_pump_init(&content->pump, &params);
}

/* Reads until the end of data. false when the mail system went away first. */
static bool take_content(struct content *content)
{
	struct stream *stream = &content->session->stream;
	bool is_end = false;
	size_t used;

	while (!is_end) {
		if (stream_wait_input(stream, content->deadline) != STREAM_OK)
			return false;
		is_end = content_pump_feed(&content->pump, buffer_data(&stream->input),
					   buffer_length(&stream->input), &used);
		buffer_skip(&stream->input, used);
	}
	return true;
}

static void answer(struct content *content, size_t index)
{
	struct lmtp_session *session = content->session;
	struct relay_outcome *outcome = &session->relay->outcomes[index];
	char reply[DELIVERY_LMTP_REPLY_MAX];

	affinity_note(&session->choice.affinity, index, &outcome->status);
	outcome_log_recipient(&session->envelope.recipients[index], &outcome->status,
			      session->relay->edge.name, session->relay->info.edge_name,
			      session->mail_at_ms);
	delivery_status_print_lmtp(&outcome->status, session->relay->info.edge_name, reply,
				   sizeof(reply));
	if (outcome->status.status.class == 5 && outcome->status.status.subject == 3 &&
	    outcome->status.status.detail == 4 && outcome->status.reply.code == 0)
		memcpy(reply, "552", 3); /* RFC 1870 6.3 has its own code for it */
	lmtp_session_reply(session, "%s", reply);
	outcome->is_answered = true;
}

static void answer_known(struct content *content, size_t limit)
{
	const struct relay *relay = content->session->relay;
	size_t before = content->answered;

	while (content->answered < limit && relay->outcomes[content->answered].is_known)
		answer(content, content->answered++);
	if (content->answered > before)
		content->is_ahead = stream_has_input(&content->session->stream);
	lmtp_session_flush(content->session);
}

static void print_boundary(char *out, size_t size)
{
	unsigned char random[16];
	size_t used = 0;

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		memset(random, 0, sizeof(random));
	for (size_t i = 0; i < sizeof(random) && used + 2 < size; i++)
		used += (size_t)snprintf(out + used, size - used, "%02x", random[i]);
}

static void submit_report(struct content *content, const struct dsn_relayed *report)
{
	const char *sendmail = content->session->setup->conf.sendmail;
	struct buffer message;
	char boundary[40], error[400] = "it would be too long";

	buffer_init(&message, DSN_RELAYED_MAX);
	print_boundary(boundary, sizeof(boundary));
	if (dsn_relayed_print(&message, report, boundary) < 0 ||
	    submission_run(sendmail, &message, deadline_in_ms(SUBMISSION_TIMEOUT_MS), error,
			   sizeof(error)) < 0)
		log_warning("sender could not be told that the message was relayed: %s", error);
	else
		log_info("told the sender that the message was relayed to %zu recipients",
			 dsn_relayed_count(report));
	buffer_wipe(&message);
}

static void report_relayed(struct content *content)
{
	const struct lmtp_session *session = content->session;
	struct dsn_relayed report = {
		.hostname = session->setup->conf.hostname,
		.envelope = &session->envelope,
		.outcomes = session->relay->outcomes,
		.headers = &content->pump.headers,
		.now = time(NULL),
	};

	if (dsn_relayed_count(&report) > 0)
		submit_report(content, &report);
}

/* relay.h: when there is nothing to wait for any more, every outcome is known. */
static void answer_all(struct content *content)
{
	struct relay *relay = content->session->relay;
	size_t count = content->session->envelope.recipient_count;
	bool is_reported = false;

	do {
		if (relay->known == count && !is_reported) {
			report_relayed(content);
			is_reported = true;
		}
		answer_known(content, is_reported ? count : content->held_from);
		if (content->session->state == LMTP_ENDED)
			return;
	} while (relay_wait(relay) || content->answered < count);
}

/* The transaction never began for want of memory. */
static void answer_no_memory(struct content *content)
{
	for (size_t i = 0; i < content->session->envelope.recipient_count; i++)
		lmtp_session_reply(content->session, "452 4.3.1 out of memory");
	lmtp_session_flush(content->session);
}

static void on_lost_client(struct content *content)
{
	log_warning("the mail system left a message in the middle; nothing was delivered");
	content_pump_cancel(&content->pump);
	content->session->state = LMTP_ENDED;
}

void lmtp_content_receive(struct lmtp_session *session)
{
	struct content content;

	lmtp_session_reply(session, "354 End data with <CR><LF>.<CR><LF>");
	lmtp_session_flush(session);
	if (session->state == LMTP_ENDED)
		return;
	session->state = LMTP_RECEIVING_DATA;
	init(&content, session);
	if (!take_content(&content))
		on_lost_client(&content);
	else if (session->relay->outcomes == NULL)
		answer_no_memory(&content);
	else
		answer_all(&content);
	content_pump_wipe(&content.pump);
	session->invocation.queue_id = session->invocation.login = NULL;
	if (content.is_ahead)
		affinity_end(&session->choice.affinity); /* no sign that the replies were read */
	lmtp_session_reset(session);
}
