/*
 * An LMTP session fed with anything ends, answers in well-formed lines, and says of no more
 * recipients that they have the message than the edge did. The first byte chooses: bit 0 an edge
 * that can be reached, else every connection is refused; bit 1 stray CR and LF are refused; bit 2
 * the edge tells an outcome for every recipient (those of odd number are delivered), else it takes
 * all and falls silent.
 *
 * feeds: an LMTP session of the transport, commands and content
 * covers: transport/lmtp_session.c transport/lmtp_commands.c
 *     transport/lmtp_content.c:take_content, answer, answer_known, answer_all, report_relayed,
 *     on_lost_client, lmtp_content_receive transport/content_pump.c
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/dot_stuffing.h"
#include "lib/log.h"
#include "transport/lmtp_session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static bool edge_is_up, edge_answers;
static bool is_open;
static bool in_transaction;
/* Of the open transaction: how many recipients, whose outcome is next, and may it come yet? */
static uint32_t transaction, recipients, next_outcome;
static bool is_complete;
static size_t delivered;

static void expect(bool condition)
{
	if (!condition)
		abort();
}

static enum tunnel_failure link_open(void *context, const struct edge *edge,
				     struct deadline deadline, struct frame_info *info)
{
	(void)context;
	(void)edge;
	(void)deadline;
	expect(!is_open);
	if (!edge_is_up)
		return TUNNEL_UNREACHABLE;
	memcpy(info->edge_name, "edge", 5);
	info->size_max = 20000;
	info->recipients_max = 5;
	is_open = true;
	in_transaction = false;
	return TUNNEL_OK;
}

/* The order that an edge insists on. */
static enum tunnel_failure link_send(void *context, const struct frame *frame,
				     struct deadline deadline)
{
	(void)context;
	(void)deadline;
	expect(is_open);
	if (frame->type == FRAME_ENVELOPE) {
		expect(!in_transaction);
		in_transaction = true;
		transaction = frame->transaction;
		recipients = next_outcome = 0;
		is_complete = false;
	} else {
		expect(in_transaction && frame->transaction == transaction);
	}
	recipients += frame->type == FRAME_RECIPIENT;
	is_complete = frame->type == FRAME_END_OF_CONTENT;
	if (frame->type == FRAME_END_OF_CONTENT || frame->type == FRAME_ABORT)
		in_transaction = false;
	return TUNNEL_OK;
}

static enum tunnel_failure link_flush(void *context, struct deadline deadline)
{
	(void)context;
	(void)deadline;
	return TUNNEL_OK;
}

static enum tunnel_failure link_receive(void *context, struct frame *frame,
					struct deadline deadline)
{
	struct delivery_status *status = &frame->u.status.status;

	(void)context;
	(void)deadline;
	if (!edge_answers || !is_complete || next_outcome > recipients)
		return TUNNEL_LOST;
	memset(frame, 0, sizeof(*frame));
	frame->transaction = transaction;
	frame->type = next_outcome < recipients ? FRAME_DELIVERY_STATUS : FRAME_DONE;
	if (frame->type == FRAME_DELIVERY_STATUS) {
		frame->u.status.index = next_outcome;
		delivered += next_outcome & 1;
		status->reply.code = next_outcome & 1 ? 250 : 451;
		delivery_status_set_reply(status, STAGE_AFTER_FINAL_DOT, &status->reply);
	}
	next_outcome++;
	return TUNNEL_OK;
}

static bool link_has_input(void *context)
{
	(void)context;
	return false;
}

static void link_close(void *context, enum close_reason reason, const char *text)
{
	(void)context;
	(void)reason;
	(void)text;
	expect(is_open);
	is_open = false;
}

static const char *link_error(void *context)
{
	(void)context;
	return "connection refused";
}

static const struct edge_link_ops ops = {
	link_open, link_send, link_flush, link_receive, link_has_input, NULL, link_close, link_error,
};

/* Replies: "NNN-text" or "NNN text", printable, CRLF; nothing claims a delivery that was none. */
static void check_output(int fd)
{
	static char output[1 << 20];
	size_t length = 0;
	ssize_t got;

	while (length < sizeof(output) - 1 &&
	       (got = read(fd, output + length, sizeof(output) - 1 - length)) > 0)
		length += (size_t)got;
	output[length] = '\0';
	for (const char *line = output; *line != '\0';) {
		const char *end = strstr(line, "\r\n");

		expect(end != NULL && end - line >= 4);
		expect(line[0] >= '2' && line[0] <= '5' && (line[3] == ' ' || line[3] == '-'));
		for (const char *at = line; at < end; at++)
			expect(*at >= ' ' && *at <= '~');
		expect(strncmp(line, "250 2.0.0 edge", 14) != 0 || delivered-- > 0);
		line = end + 2;
	}
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	log_open("fuzz", LOG_TARGET_SYSLOG, (enum log_level)-1);
	return 0;
}

static int write_all(const uint8_t *data, size_t size)
{
	int pair[2], big = 1 << 21;

	expect(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &big, sizeof(big));
	setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &big, sizeof(big));
	expect(fcntl(pair[1], F_SETFL, O_NONBLOCK) == 0);
	if (write(pair[1], data, size) != (ssize_t)size) {
		close(pair[0]);
		close(pair[1]);
		return -1;
	}
	shutdown(pair[1], SHUT_WR);
	dup2(pair[0], 100);
	dup2(pair[1], 101);
	close(pair[0]);
	close(pair[1]);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct edge edge = { .name = "us", .endpoint = { .host = "h", .port = "1" } };
	struct transport_setup setup = {
		.conf = { .hostname = (char *)(uintptr_t)"home.example",
			  .key_file = (char *)(uintptr_t)"/nonexistent/key",
			  .edges = (char *)(uintptr_t)"/nonexistent/edges",
			  .routes = (char *)(uintptr_t)"/nonexistent/routes",
			  .sendmail = (char *)(uintptr_t)"/nonexistent/sendmail",
			  .connect_timeout = 1000,
			  .idle_timeout = 1000 },
		.edges = { .edges = &edge, .count = 1 },
		.routes = { .is_missing = true },
	};
	static const struct lmtp_invocation invocation = { "1xUyFG-00000c-0u", "alice", true };
	struct relay relay;

	if (size < 1 || write_all(data + 1, size - 1) < 0)
		return 0;
	edge_is_up = data[0] & 1;
	edge_answers = data[0] & 4;
	delivered = 0;
	setup.conf.stray_cr_lf = data[0] & 2 ? STRAY_CR_LF_REJECT : STRAY_CR_LF_SPACE;
	relay_init(&relay, (struct edge_link){ &ops, NULL });
	lmtp_session_serve(&setup, &relay, data[0] & 8 ? &invocation : NULL, 100, 100);
	relay_wipe(&relay);
	expect(!is_open);
	check_output(101);
	close(101);
	return 0;
}
