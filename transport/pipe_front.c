/*
 * The simple way of running under Postfix: a process per recipient. The outcome is told by a line
 * that starts with an enhanced status code (Postfix's pipe(8), "Diagnostics"); with an exit code
 * alone most errors would bounce.
 *
 * pipe(8) marks the end of the message by closing the pipe, and so does its death. Before a message
 * goes out we look whether somebody is still there to hear of it: half a message must not be
 * delivered.
 *
 * One recipient only, since one line cannot speak for two. NOTIFY does not come through pipe(8), so
 * there are no success reports.
 */
#include "pipe_front.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "content_pump.h"
#include "outcome_log.h"
#include "lib/log.h"
#include "tunnel/tunnel_limits.h"
#include "wire_form.h"

/*
 * How long after the end of input the reader of our output may take to vanish with it: the kernel
 * closes both in one go.
 */
#define PARENT_DEATH_GRACE_MS 20
#define CHUNK 8192

struct delivery {
	struct transport_setup *setup;
	struct relay *relay;
	struct edge_choice choice;
	const struct pipe_arguments *arguments;
	struct envelope envelope;
	struct deadline deadline;
	int64_t started_ms;
};

/* Without a line end: pipe(8) would show it as a space behind the text. */
static void print_line(int out_fd, const char *status, const char *text)
{
	char line[DELIVERY_LMTP_REPLY_MAX + 32], printable[sizeof(line)];
	size_t length, done = 0;
	ssize_t put;

	snprintf(line, sizeof(line), "%s%s%s", status, status[0] != '\0' ? " " : "", text);
	log_printable(printable, sizeof(printable), line, strlen(line));
	length = strlen(printable);
	while (done < length && (put = write(out_fd, printable + done, length - done)) > 0)
		done += (size_t)put;
}

int pipe_front_fail(int out_fd, const char *status, const char *text)
{
	print_line(out_fd, status, text);
	return PIPE_EXIT_FAILED;
}

static int fail(const struct delivery *delivery, const char *status, const char *text)
{
	log_warning("%s %s", status, text);
	return pipe_front_fail(delivery->arguments->out_fd, status, text);
}

static int fail_with(const struct delivery *delivery, const struct delivery_status *status)
{
	char code[ENHANCED_STATUS_TEXT_MAX];

	return fail(delivery, enhanced_status_print(status->status, code, sizeof(code)),
		    status->reason);
}

static bool is_ascii(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text >= 0x80)
			return false;
	return true;
}

/* 0, or the exit code. */
static int read_sender(struct delivery *delivery)
{
	const char *sender = delivery->arguments->sender;
	struct reverse_path *path = &delivery->envelope.reverse_path;
	char error[160];

	path->is_null = sender[0] == '\0' || strcmp(sender, "<>") == 0;
	if (!path->is_null &&
	    mailbox_parse(&path->mailbox, sender, strlen(sender), true, error, sizeof(error)) < 0)
		return fail(delivery, "5.1.7", error);
	return 0;
}

static int read_envelope(struct delivery *delivery)
{
	const struct pipe_arguments *arguments = delivery->arguments;
	struct envelope *envelope = &delivery->envelope;
	struct recipient recipient = { .notify = 0 };
	const char *to = arguments->recipients[0];
	char error[160];
	int code;

	if (envelope_queue_id_is_valid(arguments->queue_id, strlen(arguments->queue_id)))
		snprintf(envelope->queue_id, sizeof(envelope->queue_id), "%s", arguments->queue_id);
	log_set_tag(envelope->queue_id);
	code = read_sender(delivery);
	if (code != 0)
		return code;
	if (mailbox_parse(&recipient.forward_path, to, strlen(to), true, error, sizeof(error)) < 0)
		return fail(delivery, "5.1.3", error);
	if (envelope_add_recipient(envelope, &recipient) < 0)
		return fail(delivery, "4.3.1", "out of memory");
	/*
	 * pipe(8) tells neither; 8BITMIME is said to servers that know it and costs nothing
	 * elsewhere.
	 */
	envelope->body_type = BODY_8BITMIME;
	envelope->smtputf8 = !is_ascii(to) || !is_ascii(arguments->sender);
	envelope->declared_size = arguments->size;
	return 0;
}

static int open_relay(struct delivery *delivery)
{
	struct delivery_status status;

	const char *login = delivery->arguments->login;

	if (edge_choice_begin(&delivery->choice, &delivery->envelope, login != NULL ? login : "",
			      &status) < 0)
		return fail_with(delivery, &status);
	return 0;
}

/* After the end of input: is whoever gave it to us gone? */
static bool is_orphaned(const struct pipe_arguments *arguments)
{
	struct pollfd reader = { .fd = arguments->out_fd, .events = 0 };

	return (poll(&reader, 1, PARENT_DEATH_GRACE_MS) > 0 && (reader.revents & POLLERR) != 0) ||
	       getppid() != arguments->parent;
}

/* Standard input through the pump. false when it did not end as a message does. */
static bool take_content(struct delivery *delivery, struct content_pump *pump,
			 struct stream *stream)
{
	struct wire_form form;
	enum stream_result result;
	char in[CHUNK], out[WIRE_FORM_ROOM(CHUNK) + WIRE_FORM_END_ROOM];
	size_t got, used;

	wire_form_init(&form);
	while ((result = stream_read_some(stream, in, sizeof(in), &got, delivery->deadline)) ==
	       STREAM_OK)
		content_pump_feed(pump, out, wire_form_convert(&form, in, got, out), &used);
	if (result != STREAM_EOF || is_orphaned(delivery->arguments)) {
		content_pump_cancel(pump);
		return false;
	}
	content_pump_feed(pump, out, wire_form_end(&form, out), &used);
	return true;
}

static int tell(struct delivery *delivery)
{
	const struct relay *relay = delivery->relay;
	struct delivery_status *status;
	char code[ENHANCED_STATUS_TEXT_MAX], text[DELIVERY_LMTP_REPLY_MAX];

	if (relay->outcomes == NULL)
		return fail(delivery, "4.3.1", "out of memory");
	status = &relay->outcomes[0].status;
	affinity_note(&delivery->choice.affinity, 0, status);
	outcome_log_recipient(&delivery->envelope.recipients[0], status, relay->edge.name,
			      relay->info.edge_name, delivery->started_ms);
	delivery_status_print_text(status, relay->info.edge_name, text, sizeof(text));
	if (status->action == DELIVERY_RELAYED) {
		print_line(delivery->arguments->out_fd, "", text);
		return PIPE_EXIT_SENT;
	}
	return pipe_front_fail(delivery->arguments->out_fd,
			       enhanced_status_print(status->status, code, sizeof(code)), text);
}

static int transact(struct delivery *delivery)
{
	const struct transport_conf *conf = &delivery->setup->conf;
	struct content_pump_params params = {
		.relay = delivery->relay,
		.choice = &delivery->choice,
		.envelope = &delivery->envelope,
		.stray_cr_lf = (enum stray_cr_lf)conf->stray_cr_lf,
		.connect_deadline = deadline_in_ms(conf->connect_timeout),
		.deadline = delivery->deadline,
		.has_login = true,
	};
	struct content_pump pump;
	struct stream stream;
	bool is_complete;

	stream_init(&stream, delivery->arguments->in_fd, delivery->arguments->in_fd);
	content_pump_init(&pump, &params);
	is_complete = take_content(delivery, &pump, &stream);
	content_pump_wipe(&pump);
	stream_wipe(&stream);
	if (!is_complete)
		return fail(delivery, "4.4.2", "the message did not end; nothing was delivered");
	while (relay_wait(delivery->relay))
		;
	return tell(delivery);
}

int pipe_front_run(struct transport_setup *setup, struct relay *relay,
		   const struct pipe_arguments *arguments)
{
	struct delivery delivery = {
		.setup = setup,
		.relay = relay,
		.arguments = arguments,
		.deadline = deadline_in_ms(TUNNEL_TRANSPORT_BUDGET_MS),
		.started_ms = deadline_now_ms(),
	};
	int code;

	if (arguments->recipient_count != 1)
		return fail(&delivery, "4.3.5",
			    "--pipe takes one recipient at a time; set "
			    "NAME_destination_recipient_limit = 1 in main.cf for this transport");
	edge_choice_init(&delivery.choice, setup, relay);
	envelope_init(&delivery.envelope);
	code = read_envelope(&delivery);
	if (code == 0)
		code = open_relay(&delivery);
	if (code == 0)
		code = transact(&delivery);
	/* pipe(8) never tells whether it read our exit code. */
	affinity_end(&delivery.choice.affinity);
	relay_finish(relay);
	envelope_wipe(&delivery.envelope);
	return code;
}
