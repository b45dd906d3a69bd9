/*
 * Runs postern-sts-fetch.
 *
 * What it writes is read as it comes, into bounded buffers, because a full pipe would keep it from
 * ending. It gets SIGKILL, not a request: what is slow or mad would not listen.
 */
#include "sts_fetcher.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "child_process.h"
#include "lib/condition.h"
#include "lib/endpoint.h"
#include "lib/log.h"
#include "lib/text_file.h"
#include "log_limit.h"
#include "lib/sts_policy.h"

#define NAME "postern-sts-fetch"
#define CA_FILE_IS_STDIN "-"
/* Words on stderr beyond the first line are read and forgotten, up to this. */
#define WORDS_MAX 65536

struct sts_fetcher {
	char *program;		    /* fixed */
	struct log_limit log_limit; /* has its own lock */
	int cancel_fd;		    /* fixed; readable once cancelled */
	pthread_mutex_t lock;	    /* protects the rest */
	pthread_cond_t freed;	    /* a place, or cancelled */
	size_t running;
	bool is_cancelled;
};

/* One process. One thread uses it. */
struct run {
	struct child_process child;
	char *bytes; /* room for STS_POLICY_BYTES_MAX */
	size_t length;
	char words[300];
	size_t words_length, words_read;
};

struct sts_fetcher *sts_fetcher_create(const char *program)
{
	struct sts_fetcher *fetcher = calloc(1, sizeof(*fetcher));
	if (fetcher == NULL)
		return NULL;
	fetcher->program = strdup(program);
	fetcher->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	log_limit_init(&fetcher->log_limit);
	pthread_mutex_init(&fetcher->lock, NULL);
	condition_init(&fetcher->freed);
	if (fetcher->program != NULL && fetcher->cancel_fd >= 0)
		return fetcher;
	sts_fetcher_destroy(fetcher);
	return NULL;
}

void sts_fetcher_destroy(struct sts_fetcher *fetcher)
{
	if (fetcher == NULL)
		return;
	if (fetcher->cancel_fd >= 0)
		close(fetcher->cancel_fd);
	pthread_cond_destroy(&fetcher->freed);
	pthread_mutex_destroy(&fetcher->lock);
	free(fetcher->program);
	free(fetcher);
}

void sts_fetcher_cancel(struct sts_fetcher *fetcher)
{
	pthread_mutex_lock(&fetcher->lock);
	fetcher->is_cancelled = true;
	pthread_cond_broadcast(&fetcher->freed);
	pthread_mutex_unlock(&fetcher->lock);
	eventfd_write(fetcher->cancel_fd, 1);
}

/* NULL, or why there is none. */
static const char *take_place(struct sts_fetcher *fetcher, struct deadline deadline)
{
	const char *why = NULL;
	int waited = 0;

	pthread_mutex_lock(&fetcher->lock);
	while (fetcher->running >= STS_FETCHERS_MAX && !fetcher->is_cancelled && waited == 0)
		waited = condition_wait_until(&fetcher->freed, &fetcher->lock, deadline);
	if (fetcher->is_cancelled)
		why = "the edge is being stopped";
	else if (fetcher->running >= STS_FETCHERS_MAX)
		why = "too many policies were being fetched at the same time";
	else
		fetcher->running++;
	pthread_mutex_unlock(&fetcher->lock);
	return why;
}

static void give_place_back(struct sts_fetcher *fetcher)
{
	pthread_mutex_lock(&fetcher->lock);
	fetcher->running--;
	pthread_cond_signal(&fetcher->freed);
	pthread_mutex_unlock(&fetcher->lock);
}

/* ---- starting ---- */

struct arguments {
	char **items; /* NULL-terminated; they point into the request and into `text` */
	char text[STS_FETCH_ADDRESSES_MAX][SOCKADDR_TEXT_MAX];
};

static char *word(const char *text)
{
	return (char *)(uintptr_t)text;
}

static int make_arguments(struct arguments *arguments, const struct sts_fetch_request *request)
{
	size_t room = 8 + 2 * request->allow->count + STS_FETCH_ADDRESSES_MAX, used = 0;
	char **items = calloc(room, sizeof(*items));

	arguments->items = items;
	if (items == NULL)
		return -1;
	items[used++] = word(NAME);
	for (size_t i = 0; i < request->allow->count; i++) {
		items[used++] = word("--allow");
		items[used++] = request->allow->items[i];
	}
	if (request->ca_file != NULL) {
		items[used++] = word("--ca-file");
		items[used++] = word(CA_FILE_IS_STDIN);
	}
	items[used++] = word("--");
	items[used++] = word(request->domain);
	for (size_t i = 0; i < request->address_count && i < STS_FETCH_ADDRESSES_MAX; i++)
		items[used++] =
			endpoint_print_address((const struct sockaddr *)&request->addresses[i],
					       arguments->text[i], sizeof(arguments->text[i]));
	return 0;
}

/* 0, or an errno. */
static int start(struct run *run, const char *program, const struct sts_fetch_request *request,
		 int in)
{
	struct arguments arguments;
	int failed = ENOMEM;

	if (make_arguments(&arguments, request) == 0)
		failed = child_process_start(&run->child, program, arguments.items, in);
	free(arguments.items);
	return failed;
}

/* ---- watching ---- */

/* NULL, or why it must be ended. */
static const char *read_out(struct run *run)
{
	char bytes[4096];
	ssize_t got;

	while ((got = read(run->child.out, bytes, sizeof(bytes))) > 0) {
		if ((size_t)got > STS_POLICY_BYTES_MAX - run->length)
			return "it wrote more than a policy can have";
		memcpy(run->bytes + run->length, bytes, (size_t)got);
		run->length += (size_t)got;
	}
	if (got == 0 || errno != EAGAIN)
		child_process_close(&run->child.out);
	return NULL;
}

static const char *read_err(struct run *run)
{
	char bytes[512];
	ssize_t got;

	while ((got = read(run->child.err, bytes, sizeof(bytes))) > 0) {
		size_t room = sizeof(run->words) - run->words_length;
		size_t taken = (size_t)got < room ? (size_t)got : room;

		memcpy(run->words + run->words_length, bytes, taken);
		run->words_length += taken;
		run->words_read += (size_t)got;
		if (run->words_read > WORDS_MAX)
			return "it never stopped complaining";
	}
	if (got == 0 || errno != EAGAIN)
		child_process_close(&run->child.err);
	return NULL;
}

/* What came so far; NULL, or why it must be ended. */
static const char *read_both(struct run *run)
{
	const char *why = NULL;

	if (run->child.out >= 0)
		why = read_out(run);
	if (why == NULL && run->child.err >= 0)
		why = read_err(run);
	return why;
}

/* Until it has ended by itself (NULL), or must be ended because of this. */
static const char *watch(struct run *run, int cancel_fd, struct deadline deadline)
{
	for (;;) {
		struct pollfd fds[] = { { run->child.pid_fd, POLLIN, 0 },
					{ run->child.out, POLLIN, 0 },
					{ run->child.err, POLLIN, 0 },
					{ cancel_fd, POLLIN, 0 } };
		const char *why;

		if (poll(fds, 4, deadline_poll_ms(deadline)) < 0 && errno != EINTR)
			return "it cannot be watched";
		if (fds[3].revents != 0)
			return "the edge is being stopped";
		/* One that has ended writes nothing more: what there is, is all. */
		why = read_both(run);
		if (why != NULL || fds[0].revents != 0)
			return why;
		if (deadline_has_passed(deadline))
			return "it did not end in time";
	}
}

/* ---- the outcome ---- */

static void fail(struct sts_fetch_result *result, enum sts_fetch_status status, const char *format,
		 ...) __attribute__((format(printf, 3, 4)));

static void fail(struct sts_fetch_result *result, enum sts_fetch_status status, const char *format,
		 ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(result->reason, sizeof(result->reason), format, arguments);
	va_end(arguments);
	result->status = status;
}

static bool is_status(int code)
{
	switch ((enum sts_fetch_status)code) {
	case STS_FETCH_STATUS_DONE:
	case STS_FETCH_STATUS_USAGE:
	case STS_FETCH_STATUS_NO_POLICY:
	case STS_FETCH_STATUS_UNAVAILABLE:
	case STS_FETCH_STATUS_LOCAL:
	case STS_FETCH_STATUS_CERTIFICATE:
	case STS_FETCH_STATUS_REFUSED:
	case STS_FETCH_STATUS_CONFIG:
		return true;
	}
	return false;
}

/* wait_status: waitpid(2)'s, or -1. */
static void judge(struct run *run, int wait_status, struct sts_fetch_result *result)
{
	size_t length = strnlen(run->words, run->words_length);
	const char *end = memchr(run->words, '\n', length);
	char words[sizeof(run->words) + 1];
	int code;

	log_printable(words, sizeof(words), run->words,
		      end != NULL ? (size_t)(end - run->words) : length);
	if (wait_status < 0 || !WIFEXITED(wait_status)) {
		if (wait_status >= 0 && WIFSIGNALED(wait_status))
			fail(result, STS_FETCH_STATUS_LOCAL, NAME " was ended by signal %d",
			     WTERMSIG(wait_status));
		else
			fail(result, STS_FETCH_STATUS_LOCAL, "the end of " NAME " was not seen");
		return;
	}
	code = WEXITSTATUS(wait_status);
	if (!is_status(code))
		fail(result, STS_FETCH_STATUS_LOCAL, NAME " ended with status %d (%.200s)", code,
		     words);
	else if (code != STS_FETCH_STATUS_DONE && words[0] == '\0')
		fail(result, (enum sts_fetch_status)code, NAME " ended with status %d", code);
	else if (code != STS_FETCH_STATUS_DONE)
		fail(result, (enum sts_fetch_status)code, "%s", words);
	else
		result->status = STS_FETCH_STATUS_DONE;
}

static void finish(struct run *run, int cancel_fd, struct deadline deadline,
		   struct sts_fetch_result *result)
{
	const char *why = watch(run, cancel_fd, deadline);
	int wait_status = child_process_end(&run->child, why != NULL);

	if (why != NULL)
		fail(result,
		     deadline_has_passed(deadline) ? STS_FETCH_STATUS_UNAVAILABLE :
						     STS_FETCH_STATUS_LOCAL,
		     NAME " was killed: %s", why);
	else
		judge(run, wait_status, result);
}

/* What keeps every policy from being fetched must be known to the administrator. */
static void tell_own_faults(struct sts_fetcher *fetcher, const struct sts_fetch_request *request,
			    const struct sts_fetch_result *result)
{
	bool is_cancelled;

	if (result->status != STS_FETCH_STATUS_LOCAL && result->status != STS_FETCH_STATUS_CONFIG &&
	    result->status != STS_FETCH_STATUS_USAGE)
		return;
	pthread_mutex_lock(&fetcher->lock);
	is_cancelled = fetcher->is_cancelled;
	pthread_mutex_unlock(&fetcher->lock);
	if (!is_cancelled && log_limit_allows(&fetcher->log_limit, deadline_now_ms()))
		log_warning("the MTA-STS policy of %s cannot be fetched: %s", request->domain,
			    result->reason);
}

static void run_one(struct sts_fetcher *fetcher, const struct sts_fetch_request *request,
		    struct deadline deadline, struct sts_fetch_result *result)
{
	struct run run = { 0 };
	int failed, in = -1;

	/* The program may open no more files than this process, see sandbox.h, so it gets this one
	 * opened. */
	if (request->ca_file != NULL && (in = text_file_open(request->ca_file)) < 0) {
		fail(result, STS_FETCH_STATUS_CONFIG, "%s: %m", request->ca_file);
		return;
	}
	run.bytes = malloc(STS_POLICY_BYTES_MAX);
	failed = run.bytes != NULL ? start(&run, fetcher->program, request, in) : ENOMEM;
	child_process_close(&in);
	if (failed == 0)
		finish(&run, fetcher->cancel_fd, deadline, result);
	else
		fail(result, STS_FETCH_STATUS_LOCAL, "%s cannot be started: %s", fetcher->program,
		     strerrordesc_np(failed));
	if (result->status == STS_FETCH_STATUS_DONE) {
		result->bytes = run.bytes;
		result->length = run.length;
	} else {
		free(run.bytes);
	}
}

void sts_fetcher_run(struct sts_fetcher *fetcher, const struct sts_fetch_request *request,
		     struct deadline deadline, struct sts_fetch_result *result)
{
	const char *why = take_place(fetcher, deadline);

	*result = (struct sts_fetch_result){ .status = STS_FETCH_STATUS_UNAVAILABLE };
	if (why != NULL) {
		fail(result, STS_FETCH_STATUS_UNAVAILABLE, "%s", why);
		return;
	}
	run_one(fetcher, request, deadline, result);
	tell_own_faults(fetcher, request, result);
	give_place_back(fetcher);
}

void sts_fetch_result_wipe(struct sts_fetch_result *result)
{
	free(result->bytes);
	*result = (struct sts_fetch_result){ 0 };
}
