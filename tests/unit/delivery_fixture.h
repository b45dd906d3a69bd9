/*
 * A delivery of one message, its outcomes, and a mail server for it on port 25 of a loopback
 * address, hence root. Needs cmocka.h.
 */
#ifndef DELIVERY_FIXTURE_H
#define DELIVERY_FIXTURE_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "edge/delivery.h"

/* Programs run at the same time: one that is not alone with this address brings its own. */
#ifndef MX_ADDRESS
#define MX_ADDRESS "127.0.0.77"
#endif
#define FULL_ADDRESS "127.0.0.78"
#define CLOSED_ADDRESS "127.0.0.79"
#define MESSAGE "Subject: x\r\n\r\n..stuffed\r\n"

/* ---- a mail server: one verdict per recipient, by the first letters of its local part ---- */

struct mx {
	int listening;
	pthread_t thread;
	unsigned recipients_max;	/* 452 beyond */
	unsigned transactions_max;	/* 421 instead of a reply to the next MAIL; 0: no limit */
	/* what was seen; valid after mx_stop() */
	unsigned connections, transactions, asked, accepted, dots;
	char content[4096];
};

static inline void mx_take_content(struct mx *mx, FILE *in)
{
	char line[2000];

	mx->content[0] = '\0';
	while (fgets(line, sizeof(line), in) != NULL) {
		if (strcmp(line, ".\r\n") == 0) {
			mx->dots++;
			return;
		}
		strncat(mx->content, line, sizeof(mx->content) - strlen(mx->content) - 1);
	}
}

static const char *mx_answer_rcpt(struct mx *mx, const char *local_part, unsigned *accepted)
{
	mx->asked++;
	if (strncmp(local_part, "later", 5) == 0)
		return "450 4.2.0 greylisted\r\n";
	if (strncmp(local_part, "bad", 3) == 0)
		return "550 5.1.1 no such user\r\n";
	if (strncmp(local_part, "login", 5) == 0)
		return "530 5.7.0 Authentication required\r\n";
	if (mx->recipients_max > 0 && *accepted >= mx->recipients_max)
		return "452 4.5.3 too many recipients\r\n";
	++*accepted;
	mx->accepted++;
	return "250 2.1.5 Ok\r\n";
}

static inline void mx_serve(struct mx *mx, FILE *in, int fd)
{
	unsigned accepted = 0, transactions = 0;
	const char *answer = "220 mx.example.net ESMTP\r\n";
	char line[2000];

	while (send(fd, answer, strlen(answer), MSG_NOSIGNAL) > 0 &&
	       fgets(line, sizeof(line), in) != NULL) {
		answer = "250 2.0.0 Ok\r\n";
		if (strncmp(line, "MAIL ", 5) == 0) {
			accepted = 0;
			mx->transactions++;
			if (mx->transactions_max > 0 && transactions++ == mx->transactions_max)
				answer = "421 4.7.0 enough\r\n";
		} else if (strncmp(line, "RCPT TO:<", 9) == 0) {
			answer = mx_answer_rcpt(mx, line + 9, &accepted);
		} else if (strncmp(line, "DATA", 4) == 0 && accepted == 0) {
			answer = "554 5.5.1 no valid recipients\r\n";
		} else if (strncmp(line, "DATA", 4) == 0) {
			send(fd, "354 go on\r\n", 11, MSG_NOSIGNAL);
			mx_take_content(mx, in);
		}
		if (strncmp(answer, "421", 3) == 0) {
			send(fd, answer, strlen(answer), MSG_NOSIGNAL);
			break;
		}
	}
}

static inline void *mx_run(void *argument)
{
	struct mx *mx = argument;
	int fd;

	while ((fd = accept(mx->listening, NULL, NULL)) >= 0) {
		FILE *in = fdopen(fd, "r");

		mx->connections++;
		mx_serve(mx, in, fd);
		fclose(in);
	}
	return NULL;
}

/* -1: port 25 cannot be had here. */
static inline int listen_at(const char *address, int backlog)
{
	struct sockaddr_in bound = { .sin_family = AF_INET, .sin_port = htons(25) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	inet_pton(AF_INET, address, &bound.sin_addr);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&bound, sizeof(bound)) == 0 && listen(fd, backlog) == 0)
		return fd;
	close(fd);
	return -1;
}

static inline int have_port_25(void)
{
	int fd = listen_at(MX_ADDRESS, 1);

	if (fd < 0)
		fprintf(stderr,
			"SKIPPED: port 25 of " MX_ADDRESS " cannot be had (not root, or taken)\n");
	else
		close(fd);
	return fd >= 0;
}

static inline void mx_start(struct mx *mx)
{
	mx->listening = listen_at(MX_ADDRESS, 10);
	assert_true(mx->listening >= 0);
	assert_int_equal(pthread_create(&mx->thread, NULL, mx_run, mx), 0);
}

static inline void mx_stop(struct mx *mx)
{
	shutdown(mx->listening, SHUT_RDWR);
	pthread_join(mx->thread, NULL);
	close(mx->listening);
}

/* ---- the delivery ---- */

#define RECIPIENTS_MAX 1000

struct outcome {
	unsigned reports;
	unsigned place;			/* in the order of reports, from 1 */
	struct delivery_status status;
};

struct fixture {
	struct edge_setup *setup;
	struct content_pool pool;
	struct content content;
	struct edge_end end;
	struct delivery_load load;
	struct destination_table destinations;
	struct envelope envelope;
	struct deadline deadline;
	struct journal *journal;	/* or NULL */
	uint8_t digest[CONTENT_DIGEST_SIZE];
	void (*on_report)(struct fixture *fixture, size_t recipient);	/* or NULL */
	void *of_test;
	struct outcome outcomes[RECIPIENTS_MAX];
	_Atomic unsigned reports;
};

static inline struct fixture *start(const char *resolver, const char *more_conf)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	char path[] = "/tmp/test_delivery.XXXXXX", error[512];
	FILE *file = fdopen(mkstemp(path), "w");

	assert_non_null(file);
	fprintf(file,
		"ehlo_name = \"relay.test.example\";\nresolvers = \"%s\";\nipv6 = \"off\";\ndns_cache_time_limit = 0;\n%s",
		resolver, more_conf);
	fclose(file);
	fixture->setup = edge_setup_create(path, error, sizeof(error));
	unlink(path);
	if (fixture->setup == NULL)
		fail_msg("%s", error);
	content_pool_init(&fixture->pool, 1 << 20);
	destination_table_init(&fixture->destinations);
	content_init(&fixture->content, &fixture->pool);
	assert_int_equal(content_append(&fixture->content, MESSAGE, strlen(MESSAGE)), CONTENT_OK);
	atomic_init(&fixture->end.phase, EDGE_RUNNING);
	fixture->end.cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	fixture->deadline = deadline_in_ms(60000);
	envelope_init(&fixture->envelope);
	strcpy(fixture->envelope.queue_id, "4XyZ");
	fixture->envelope.reverse_path.is_null = true;
	return fixture;
}

static inline void finish(struct fixture *fixture)
{
	assert_int_equal(destination_table_occupied(&fixture->destinations), 0);
	destination_table_wipe(&fixture->destinations);
	envelope_wipe(&fixture->envelope);
	content_wipe(&fixture->content);
	content_pool_wipe(&fixture->pool);
	edge_setup_release(fixture->setup);
	close(fixture->end.cancel_fd);
	free(fixture);
}

static inline void add(struct fixture *fixture, const char *local_part, const char *domain)
{
	struct recipient recipient = { .forward_path = { .is_literal = domain[0] == '[' } };

	snprintf(recipient.forward_path.local_part, sizeof(recipient.forward_path.local_part), "%s",
		 local_part);
	snprintf(recipient.forward_path.domain, sizeof(recipient.forward_path.domain), "%s",
		 domain);
	assert_int_equal(envelope_add_recipient(&fixture->envelope, &recipient), 0);
}

/* Calls come one at a time: no lock here, and the thread sanitizer watches. */
static inline void on_outcome(void *context, size_t recipient, const struct delivery_status *status)
{
	struct fixture *fixture = context;

	if (recipient >= fixture->envelope.recipient_count)
		abort();
	fixture->outcomes[recipient].reports++;
	fixture->outcomes[recipient].place = ++fixture->reports;
	fixture->outcomes[recipient].status = *status;
	if (fixture->on_report != NULL)
		fixture->on_report(fixture, recipient);
}

static inline void *run_delivery(void *context)
{
	struct fixture *fixture = context;

	delivery_run(&(struct delivery){
		.setup = fixture->setup,
		.envelope = &fixture->envelope,
		.content = &fixture->content,
		.content_digest = fixture->digest,
		.tenant = &(struct tenant){ .name = "mail" },
		.journal = fixture->journal,
		.deadline = fixture->deadline,
		.end = &fixture->end,
		.load = &fixture->load,
		.destinations = &fixture->destinations,
		.sink = on_outcome,
		.context = fixture,
	});
	return NULL;
}

static inline void check_all_answered(const struct fixture *fixture)
{
	for (size_t i = 0; i < fixture->envelope.recipient_count; i++)
		if (fixture->outcomes[i].reports != 1)
			fail_msg("recipient %zu was answered %u times", i,
				 fixture->outcomes[i].reports);
	assert_int_equal(fixture->reports, fixture->envelope.recipient_count);
}

static inline void run(struct fixture *fixture)
{
	run_delivery(fixture);
	check_all_answered(fixture);
}

static inline void check_status(const struct fixture *fixture, size_t recipient, const char *code,
			 const char *words)
{
	const struct delivery_status *status = &fixture->outcomes[recipient].status;
	char text[ENHANCED_STATUS_TEXT_MAX], reply[DELIVERY_LMTP_REPLY_MAX];

	enhanced_status_print(status->status, text, sizeof(text));
	delivery_status_print_lmtp(status, "", reply, sizeof(reply));
	if (strcmp(text, code) != 0 || strstr(reply, words) == NULL)
		fail_msg("recipient %zu: %s instead of %s %s", recipient, reply, code, words);
	if (status->maybe_duplicate)
		fail_msg("recipient %zu: in doubt", recipient);
}

#define ALLOW "allow_destinations = \"127.0.0.0/8\";\ntls_security_level = \"none\";\n"
#define MX_DOMAIN "[" MX_ADDRESS "]"

static inline struct fixture *start_with(struct mx *mx)
{
	mx_start(mx);
	return start("127.0.0.1@1", ALLOW);
}

#endif
