/*
 * A load generator: many mail hosts in one process.
 *
 *     load tunnel HOST:PORT EDGE-PUBLIC-KEY CLIENT-KEY-FILE [OPTION...]
 *     load smtp HOST:PORT [OPTION...]
 *
 *     -p N     sessions, each with one message at a time (1)       -n N     messages in all (100)
 *     -s N     bytes of content (4096)                             -i N     number of the first one (1)
 *     -f ADDR  envelope sender (bench@home.example)                -l LIST  local parts, in turn (you)
 *     -k C     domains are CNNN.DOMAIN (d)                         -d N     their count, in turn (1)
 *     -D NAME  DOMAIN (bench.example)                              -r N     messages a second, by all together (0: no limit)
 *     -a N     number of the first domain (1)                      -b       begin when told to
 *
 * All sessions are open before the first message is sent. With -b it then says "open", and waits for a line on its standard input. Writes one
 * line of JSON at the end.
 */
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <semaphore.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "lib/thread.h"
#include "load_route.h"
#include "tunnel/base64_key.h"
#include "tunnel/static_key.h"

#define LOCAL_PARTS_MAX 16
/* So many sessions are opened at the same time: fewer than an edge takes for strangers of one network. */
#define OPENING_MAX 16

struct load {
	struct load_target target;
	unsigned parallel, domains, first_domain, rate, first_number, count;
	bool waits;
	size_t size;
	char kind;
	const char *domain;
	char *local_parts[LOCAL_PARTS_MAX];
	unsigned local_part_count;

	sem_t doors;			/* who may be opening its session */
	pthread_barrier_t start;	/* all sessions are open */
	int64_t began_us;		/* written by one thread before the barrier lets go */
	atomic_uint next;		/* message that nobody has yet */
	int64_t *waited_us;		/* by message; each written by the thread that sent it */
	uint8_t *outcomes;		/* likewise */
	pthread_mutex_t reason_lock;	/* protects reasons */
	char reasons[LOAD_OUTCOMES][LOAD_REASON_MAX];	/* the first of each kind */
};

static void fail(const char *what)
{
	fprintf(stderr, "load: %s\n", what);
	exit(1);
}

int64_t load_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int load_open(struct load_session *session, const struct load_target *target)
{
	session->target = target;
	return target->is_smtp ? load_smtp_open(session) : load_tunnel_open(session);
}

enum load_outcome load_send(struct load_session *session, const char *recipient, const struct load_message *message, int64_t *waited_us)
{
	return session->target->is_smtp ? load_smtp_send(session, recipient, message, waited_us)
					: load_tunnel_send(session, recipient, message, waited_us);
}

void load_close(struct load_session *session)
{
	if (!session->is_open)
		return;
	if (session->target->is_smtp)
		close(session->fd);
	else
		tunnel_close(&session->tunnel, CLOSE_IDLE, "done");
	session->is_open = false;
}

/* With a rate, each message has its time. */
static void await_turn(const struct load *load, unsigned message)
{
	int64_t due;
	struct timespec at;

	if (load->rate == 0)
		return;
	due = load->began_us + (int64_t)message * 1000000 / load->rate;
	at = (struct timespec){ .tv_sec = due / 1000000, .tv_nsec = due % 1000000 * 1000 };
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
}

static void note(struct load *load, unsigned message, enum load_outcome outcome, int64_t waited_us, const char *reason)
{
	load->outcomes[message] = (uint8_t)outcome;
	load->waited_us[message] = waited_us;
	if (outcome == LOAD_RELAYED)
		return;
	pthread_mutex_lock(&load->reason_lock);
	if (load->reasons[outcome][0] == '\0')
		snprintf(load->reasons[outcome], LOAD_REASON_MAX, "%s", reason);
	pthread_mutex_unlock(&load->reason_lock);
}

static void send_one(struct load *load, struct load_session *session, struct load_message *content, unsigned message)
{
	enum load_outcome outcome = LOAD_LOST;
	int64_t waited_us = 0;
	char recipient[400];

	snprintf(recipient, sizeof(recipient), "%s@%c%03u.%s", load->local_parts[message % load->local_part_count], load->kind,
		 load->first_domain + message % load->domains, load->domain);
	load_message_stamp(content, load->first_number + message, load_now_us());
	if (session->is_open || load_open(session, &load->target) == 0)
		outcome = load_send(session, recipient, content, &waited_us);
	note(load, message, outcome, waited_us, session->reason);
}

/* One thread, while the others wait. */
static void begin(struct load *load)
{
	if (load->waits) {
		puts("open");
		fflush(stdout);
		if (getchar() == EOF)
			exit(1);
	}
	load->began_us = load_now_us();
}

static void *run(void *argument)
{
	struct load *load = argument;
	struct load_session *session = calloc(1, sizeof(*session));
	struct load_message content;
	unsigned message;

	load_message_make(&content, load->size);
	sem_wait(&load->doors);
	if (session == NULL || load_open(session, &load->target) < 0)
		fail(session == NULL ? "no memory" : session->reason);
	sem_post(&load->doors);
	if (pthread_barrier_wait(&load->start) == PTHREAD_BARRIER_SERIAL_THREAD)
		begin(load);
	pthread_barrier_wait(&load->start);
	while ((message = atomic_fetch_add(&load->next, 1)) < load->count) {
		await_turn(load, message);
		send_one(load, session, &content, message);
	}
	load_close(session);
	load_message_free(&content);
	free(session);
	return NULL;
}

static int compare(const void *a, const void *b)
{
	int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;

	return (left > right) - (left < right);
}

static void print_quoted(const char *text)
{
	putchar('"');
	for (; *text != '\0'; text++)
		if (*text == '"' || *text == '\\')
			printf("\\%c", *text);
		else if ((unsigned char)*text >= ' ')
			putchar(*text);
	putchar('"');
}

static void report(struct load *load, int64_t took_us)
{
	static const char *const names[LOAD_OUTCOMES] = { "relayed", "delayed", "failed", "lost" };
	unsigned long counts[LOAD_OUTCOMES] = { 0 };
	int64_t *waited = load->waited_us;

	for (unsigned i = 0; i < load->count; i++)
		counts[load->outcomes[i]]++;
	qsort(waited, load->count, sizeof(*waited), compare);
	printf("{\"seconds\": %.6f, \"messages\": %u, \"p50_us\": %" PRId64 ", \"p99_us\": %" PRId64 ", \"max_us\": %" PRId64, (double)took_us / 1e6,
	       load->count, waited[load->count / 2],
	       waited[(uint64_t)load->count * 99 / 100], waited[load->count - 1]);
	for (int i = 0; i < LOAD_OUTCOMES; i++)
		printf(", \"%s\": %lu", names[i], counts[i]);
	for (int i = LOAD_DELAYED; i < LOAD_OUTCOMES; i++) {
		printf(", \"why_%s\": ", names[i]);
		print_quoted(load->reasons[i]);
	}
	puts("}");
}

static void parse_target(struct load *load, int argc, char **argv)
{
	char error[300];

	if (argc < 3)
		fail("usage: load tunnel HOST:PORT EDGE-KEY KEY-FILE | smtp HOST:PORT, and options: see the source");
	load->target.is_smtp = strcmp(argv[1], "smtp") == 0;
	if (endpoint_parse(&load->target.endpoint, argv[2], NULL, error, sizeof(error)) < 0)
		fail(error);
	optind = 3;
	if (load->target.is_smtp)
		return;
	optind = 5;
	if (argc < 5 || base64_key_decode(load->target.edge_key, argv[3], strlen(argv[3])) < 0)
		fail("no such key");
	if (static_key_read(&load->target.own, argv[4], error, sizeof(error)) < 0)
		fail(error);
}

static void parse_local_parts(struct load *load, char *list)
{
	load->local_part_count = 0;
	for (char *word = strtok(list, ","); word != NULL && load->local_part_count < LOCAL_PARTS_MAX; word = strtok(NULL, ","))
		load->local_parts[load->local_part_count++] = word;
}

static unsigned number(const char *text)
{
	return (unsigned)strtoul(text, NULL, 10);
}

static void parse_options(struct load *load, int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "p:n:s:i:f:l:k:d:D:r:a:b")) != -1) {
		switch (option) {
		case 'p': load->parallel = number(optarg); break;
		case 'n': load->count = number(optarg); break;
		case 's': load->size = strtoul(optarg, NULL, 10); break;
		case 'i': load->first_number = number(optarg); break;
		case 'f': load->target.sender = optarg; break;
		case 'l': parse_local_parts(load, optarg); break;
		case 'k': load->kind = optarg[0]; break;
		case 'd': load->domains = number(optarg); break;
		case 'D': load->domain = optarg; break;
		case 'r': load->rate = number(optarg); break;
		case 'a': load->first_domain = number(optarg); break;
		case 'b': load->waits = true; break;
		default: exit(64);
		}
	}
	if (load->parallel == 0 || load->count == 0 || load->domains == 0 || load->local_part_count == 0)
		fail("nothing to do");
}

int main(int argc, char **argv)
{
	static char you[] = "you";
	struct load load = {
		.parallel = 1, .domains = 1, .first_domain = 1, .first_number = 1, .count = 100, .size = 4096, .kind = 'd',
		.domain = "bench.example", .local_parts = { you }, .local_part_count = 1,
		.target.sender = "bench@home.example", .reason_lock = PTHREAD_MUTEX_INITIALIZER,
	};
	struct rlimit limit = { .rlim_cur = 65536, .rlim_max = 65536 };
	pthread_t *threads;

	setrlimit(RLIMIT_NOFILE, &limit);
	if (sodium_init() < 0)
		fail("no libsodium");
	parse_target(&load, argc, argv);
	parse_options(&load, argc, argv);
	pthread_barrier_init(&load.start, NULL, load.parallel);
	sem_init(&load.doors, 0, OPENING_MAX);
	threads = calloc(load.parallel, sizeof(*threads));
	load.waited_us = calloc(load.count, sizeof(*load.waited_us));
	load.outcomes = calloc(load.count, sizeof(*load.outcomes));
	if (threads == NULL || load.waited_us == NULL || load.outcomes == NULL)
		fail("no memory");
	for (unsigned i = 0; i < load.parallel; i++)
		if (thread_start(&threads[i], run, &load) < 0)
			fail("no thread");
	for (unsigned i = 0; i < load.parallel; i++)
		pthread_join(threads[i], NULL);
	report(&load, load_now_us() - load.began_us);
	static_key_wipe(&load.target.own);
	return 0;
}
