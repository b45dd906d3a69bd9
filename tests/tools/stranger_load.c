/*
 * Strangers for an edge, many a second and from many networks, bounded in number and time.
 *
 *     stranger_load EDGE4 EDGE6 PORT EDGE-PUBLIC-KEY KINDS COUNT RATE HELD SECONDS [CLIENT-KEY-FILE]
 *
 * Opens RATE connections a second, COUNT in all, at most for SECONDS; each says what a stranger of its kind says and waits for
 * the end, for at most 8 s. KINDS is a list with commas, whose kinds take turns:
 *
 *     silent    nothing
 *     http tls random   a GET, a ClientHello, 112 bytes
 *     mac1      a right mac1 over garbage
 *     unknown   a whole first message, by a key that the edge does not know
 *     replay    the same first message of a client, always (needs the client's key)
 *     recorded  many first messages of a client, in turn (likewise)
 *
 * HELD is how many connections it has at most at the same time. Sources are 198.18.0.0/15 and 2001:db8:ff00::/40 in turn, each connection from the next IPv4 /24 or
 * IPv6 /56; both must be local to this network namespace. Writes one line of JSON.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/deadline.h"
#include "tunnel/base64_key.h"
#include "tunnel/noise.h"
#include "tunnel/static_key.h"
#include "tunnel/tunnel.h"

#define PATIENCE_MS 8000
#define PREPARED 1024
#define GREETING_MAX 512
#define KINDS_MAX 8

enum kind { SILENT, HTTP, TLS, RANDOM, MAC1, UNKNOWN, REPLAY, RECORDED, KIND_COUNT };

static const char *const kind_names[KIND_COUNT] = { "silent", "http", "tls", "random", "mac1", "unknown", "replay", "recorded" };

struct visitor {
	int fd;			/* -1: free */
	enum kind kind;
	bool is_connected;
	struct deadline deadline;
	uint32_t older, newer;	/* by age, or the next free one */
};

#define NOBODY ((uint32_t)-1)

struct counts {
	unsigned long opened, failed, connected, ended, outlasted, received;
	unsigned long held, held_most;
};

struct load {
	struct sockaddr_in edge4;
	struct sockaddr_in6 edge6;
	uint8_t edge_key[NOISE_DHLEN];
	struct noise_static_key client;
	struct noise_keypair stranger;
	enum kind kinds[KINDS_MAX];
	size_t kind_count;
	unsigned long count, rate;
	uint32_t held;
	uint8_t (*unknown)[TUNNEL_INITIATION_SIZE], (*recorded)[TUNNEL_INITIATION_SIZE];
	struct visitor *visitors;
	uint32_t oldest, newest, free;
	int epoll_fd;
	struct counts counts;
};

static void fail(const char *what)
{
	fprintf(stderr, "stranger_load: %s\n", what);
	exit(1);
}

/* ---- what they say ---- */

static void prepare_initiation(const struct load *load, uint8_t *initiation, struct noise_static_key own)
{
	struct noise_handshake_params params = {
		.pattern = NOISE_IKPSK2, .role = NOISE_INITIATOR, .prologue = TUNNEL_PROLOGUE,
		.prologue_length = sizeof(TUNNEL_PROLOGUE) - 1, .s = own, .remote_static = load->edge_key,
	};
	struct noise_handshake_state handshake;
	size_t length;

	noise_handshake_init(&handshake, &params);
	if (noise_handshake_write_message(&handshake, NULL, 0, initiation + TUNNEL_MAC1_SIZE, &length) < 0)
		fail("no first message");
	tunnel_mac1(initiation, load->edge_key, initiation + TUNNEL_MAC1_SIZE, length);
}

static void prepare(struct load *load)
{
	noise_keypair_generate(&load->stranger);
	for (size_t i = 0; i < load->kind_count; i++) {
		bool is_clients = load->kinds[i] == REPLAY || load->kinds[i] == RECORDED;
		uint8_t (**prepared)[TUNNEL_INITIATION_SIZE] = is_clients ? &load->recorded : &load->unknown;

		if ((!is_clients && load->kinds[i] != UNKNOWN) || *prepared != NULL)
			continue;
		*prepared = calloc(PREPARED, sizeof(**prepared));
		for (size_t j = 0; j < PREPARED; j++)
			prepare_initiation(load, (*prepared)[j],
					   is_clients ? load->client : noise_keypair_static_key(&load->stranger));
	}
}

static size_t greeting(const struct load *load, enum kind kind, unsigned long number, uint8_t bytes[GREETING_MAX])
{
	static const char get[] = "GET / HTTP/1.1\r\nHost: edge.vps.example\r\nUser-Agent: Mozilla/5.0 (compatible; scanner)\r\n"
				  "Accept: */*\r\nAccept-Encoding: gzip, deflate\r\nConnection: close\r\n\r\n";
	static const uint8_t hello[] = { 0x16, 3, 1, 0, 0xf8, 1, 0, 0, 0xf4, 3, 3 };

	randombytes_buf(bytes, GREETING_MAX);
	switch (kind) {
	case SILENT:
		return 0;
	case HTTP:
		memcpy(bytes, get, sizeof(get) - 1);
		return sizeof(get) - 1;
	case TLS:
		memcpy(bytes, hello, sizeof(hello));
		return 0xf8 + 5;
	case RANDOM:
		return TUNNEL_INITIATION_SIZE;
	case MAC1:
		tunnel_mac1(bytes, load->edge_key, bytes + TUNNEL_MAC1_SIZE, TUNNEL_INITIATION_SIZE - TUNNEL_MAC1_SIZE);
		return TUNNEL_INITIATION_SIZE;
	case UNKNOWN:
		memcpy(bytes, load->unknown[number % PREPARED], TUNNEL_INITIATION_SIZE);
		return TUNNEL_INITIATION_SIZE;
	case REPLAY:
	case RECORDED:
		memcpy(bytes, load->recorded[kind == REPLAY ? 0 : number % PREPARED], TUNNEL_INITIATION_SIZE);
		return TUNNEL_INITIATION_SIZE;
	case KIND_COUNT:
		break;
	}
	return 0;
}

/* ---- their sockets ---- */

static int connect4(const struct load *load, unsigned long number)
{
	unsigned long network = number % 512;
	struct sockaddr_in source = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl((uint32_t)(0xc6120000 + (network << 8) + 1 + number / 512 % 250)) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;

	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&source, sizeof(source)) < 0 ||
	    (connect(fd, (const struct sockaddr *)&load->edge4, sizeof(load->edge4)) < 0 && errno != EINPROGRESS)) {
		close(fd);
		return -1;
	}
	return fd;
}

static int connect6(const struct load *load, unsigned long number)
{
	struct sockaddr_in6 source = { .sin6_family = AF_INET6 };
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;

	inet_pton(AF_INET6, "2001:db8:ff00::1", &source.sin6_addr);
	source.sin6_addr.s6_addr[5] = (uint8_t)(number >> 8);
	source.sin6_addr.s6_addr[6] = (uint8_t)number;
	setsockopt(fd, IPPROTO_IPV6, IPV6_FREEBIND, &on, sizeof(on));
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&source, sizeof(source)) < 0 ||
	    (connect(fd, (const struct sockaddr *)&load->edge6, sizeof(load->edge6)) < 0 && errno != EINPROGRESS)) {
		close(fd);
		return -1;
	}
	return fd;
}

static void open_one(struct load *load)
{
	unsigned long number = load->counts.opened++;
	uint32_t row = load->free;
	struct visitor *visitor = &load->visitors[row];
	struct epoll_event event = { .events = EPOLLOUT | EPOLLIN | EPOLLRDHUP, .data.u32 = row };
	int fd = number % 2 == 0 ? connect4(load, number / 2) : connect6(load, number / 2);

	if (fd < 0) {
		load->counts.failed++;
		return;
	}
	load->free = visitor->newer;
	*visitor = (struct visitor){ .fd = fd, .kind = load->kinds[number % load->kind_count],
		.older = load->newest, .newer = NOBODY };
	/* A silent one has all the time that it is given. */
	visitor->deadline = visitor->kind == SILENT ? DEADLINE_NEVER : deadline_in_ms(PATIENCE_MS);
	if (load->newest != NOBODY)
		load->visitors[load->newest].newer = row;
	else
		load->oldest = row;
	load->newest = row;
	if (++load->counts.held > load->counts.held_most)
		load->counts.held_most = load->counts.held;
	epoll_ctl(load->epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

static void close_one(struct load *load, uint32_t row)
{
	struct visitor *visitor = &load->visitors[row];

	close(visitor->fd);
	visitor->fd = -1;
	if (visitor->older != NOBODY)
		load->visitors[visitor->older].newer = visitor->newer;
	else
		load->oldest = visitor->newer;
	if (visitor->newer != NOBODY)
		load->visitors[visitor->newer].older = visitor->older;
	else
		load->newest = visitor->older;
	visitor->newer = load->free;
	load->free = row;
	load->counts.held--;
}

static void speak(struct load *load, uint32_t row)
{
	struct visitor *visitor = &load->visitors[row];
	struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP, .data.u32 = row };
	uint8_t bytes[GREETING_MAX];
	size_t length = greeting(load, visitor->kind, load->counts.connected++, bytes);

	visitor->is_connected = true;
	epoll_ctl(load->epoll_fd, EPOLL_CTL_MOD, visitor->fd, &event);
	if (length > 0 && send(visitor->fd, bytes, length, MSG_NOSIGNAL) < 0)
		load->counts.failed++;
}

static void look(struct load *load, uint32_t row, uint32_t events)
{
	struct visitor *visitor = &load->visitors[row];
	uint8_t bytes[GREETING_MAX];
	ssize_t got;

	if (visitor->fd < 0)
		return;
	if (!visitor->is_connected && (events & EPOLLOUT) && !(events & EPOLLERR))
		speak(load, row);
	if (!(events & (EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP)))
		return;
	got = recv(visitor->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	if (got > 0) {
		load->counts.received += (unsigned long)got;
	} else if (got == 0 || errno != EAGAIN) {
		if (visitor->is_connected)
			load->counts.ended++;
		else
			load->counts.failed++;
		close_one(load, row);
	}
}

static void expire(struct load *load)
{
	while (load->oldest != NOBODY && deadline_has_passed(load->visitors[load->oldest].deadline)) {
		load->counts.outlasted++;
		close_one(load, load->oldest);
	}
}

static void run(struct load *load, int64_t seconds)
{
	int64_t began = deadline_now_ms();
	struct epoll_event events[256];
	int ready;

	while (load->counts.opened < load->count || load->oldest != NOBODY) {
		int64_t passed = deadline_now_ms() - began;
		unsigned long due = (unsigned long)passed * load->rate / 1000;

		if (passed >= seconds * 1000)
			break;
		/* What could not be opened for want of room is not made up for. */
		for (unsigned long i = 0; i < 200 && load->counts.opened < load->count && load->counts.opened < due &&
					  load->free != NOBODY; i++)
			open_one(load);
		expire(load);
		ready = epoll_wait(load->epoll_fd, events, 256, 2);
		for (int i = 0; i < ready; i++)
			look(load, events[i].data.u32, events[i].events);
	}
}

/* ---- arguments ---- */

static void parse_kinds(struct load *load, char *text)
{
	for (char *word = strtok(text, ","); word != NULL; word = strtok(NULL, ",")) {
		enum kind kind = SILENT;

		while (kind < KIND_COUNT && strcmp(kind_names[kind], word) != 0)
			kind++;
		if (kind == KIND_COUNT || load->kind_count == KINDS_MAX)
			fail("unknown kind");
		load->kinds[load->kind_count++] = kind;
	}
	if (load->kind_count == 0)
		fail("no kind");
}

static void parse(struct load *load, int argc, char **argv)
{
	char error[200];

	if (argc < 10)
		fail("usage: EDGE4 EDGE6 PORT EDGE-PUBLIC-KEY KINDS COUNT RATE HELD SECONDS [CLIENT-KEY-FILE]");
	load->edge4.sin_family = AF_INET;
	load->edge6.sin6_family = AF_INET6;
	load->edge4.sin_port = load->edge6.sin6_port = htons((uint16_t)atoi(argv[3]));
	if (inet_pton(AF_INET, argv[1], &load->edge4.sin_addr) != 1 ||
	    inet_pton(AF_INET6, argv[2], &load->edge6.sin6_addr) != 1)
		fail("no such address");
	if (base64_key_decode(load->edge_key, argv[4], strlen(argv[4])) < 0)
		fail("no such key");
	parse_kinds(load, argv[5]);
	load->count = strtoul(argv[6], NULL, 10);
	load->rate = strtoul(argv[7], NULL, 10);
	load->held = (uint32_t)strtoul(argv[8], NULL, 10);
	if (argc > 10 && static_key_read(&load->client, argv[10], error, sizeof(error)) < 0)
		fail(error);
}

static void make_room(struct load *load)
{
	struct rlimit limit = { .rlim_cur = load->held + 100, .rlim_max = load->held + 100 };

	setrlimit(RLIMIT_NOFILE, &limit);
	load->visitors = calloc(load->held, sizeof(*load->visitors));
	load->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (load->visitors == NULL || load->epoll_fd < 0)
		fail("no room");
	for (uint32_t i = 0; i < load->held; i++) {
		load->visitors[i].fd = -1;
		load->visitors[i].newer = i + 1 < load->held ? i + 1 : NOBODY;
	}
	load->oldest = load->newest = NOBODY;
}

int main(int argc, char **argv)
{
	struct load load = { 0 };
	const struct counts *counts = &load.counts;

	if (sodium_init() < 0)
		fail("no libsodium");
	parse(&load, argc, argv);
	make_room(&load);
	prepare(&load);
	run(&load, strtol(argv[9], NULL, 10));
	printf("{\"opened\": %lu, \"failed\": %lu, \"connected\": %lu, \"ended\": %lu, \"outlasted\": %lu, \"received\": %lu, "
	       "\"held\": %lu, \"held_most\": %lu}\n", counts->opened, counts->failed, counts->connected, counts->ended,
	       counts->outlasted, counts->received, counts->held, counts->held_most);
	static_key_wipe(&load.client);
	free(load.unknown);
	free(load.recorded);
	free(load.visitors);
	return 0;
}
