/*
 * A slow link: packets that are routed into the device NAME come out of it again MS milliseconds (with a fraction, if wanted) later, in
 * their order.
 *
 *     delay NAME MS
 *
 * Packets, not connections: the handshakes of TCP, its acknowledgements and its windows are delayed as on a long line, for whoever
 * speaks. There is no limit to the rate and no loss, until 64 MiB are under way. Prints "ready"; ends with its standard input.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define PACKET_MAX 2048
#define PACKETS_MAX 32768
/* Who is due so soon goes along: one wake-up for many. */
#define SLACK_NS 100000

struct packet {
	int64_t due_ns;
	size_t length;
	uint8_t bytes[PACKET_MAX];
};

struct link {
	int fd;
	int64_t delay_ns;
	struct packet *packets;		/* a ring */
	size_t first, count;
};

static void fail(const char *what)
{
	fprintf(stderr, "delay: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int open_device(const char *name)
{
	struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0)
		fail("/dev/net/tun");
	return fd;
}

static void take_in(struct link *link)
{
	uint8_t lost[PACKET_MAX];

	for (;;) {
		struct packet *packet = &link->packets[(link->first + link->count) % PACKETS_MAX];
		int has_room = link->count < PACKETS_MAX;
		ssize_t length = read(link->fd, has_room ? packet->bytes : lost, PACKET_MAX);

		if (length <= 0)
			return;
		if (!has_room)
			continue;
		packet->length = (size_t)length;
		packet->due_ns = now_ns() + link->delay_ns;
		link->count++;
	}
}

/* Nanoseconds until the next one is due; -1: there is none. */
static int64_t let_out(struct link *link)
{
	int64_t now = now_ns();

	while (link->count > 0) {
		const struct packet *packet = &link->packets[link->first];

		if (packet->due_ns > now + SLACK_NS)
			return packet->due_ns - now;
		/* A full queue drops it, as a router would. */
		if (write(link->fd, packet->bytes, packet->length) < 0 && errno != ENOBUFS && errno != EAGAIN && errno != EIO)
			fail("write");
		link->first = (link->first + 1) % PACKETS_MAX;
		link->count--;
	}
	return -1;
}

static void run(struct link *link)
{
	struct pollfd watched[] = { { .fd = link->fd, .events = POLLIN }, { .fd = STDIN_FILENO, .events = POLLIN } };

	while (watched[1].revents == 0) {
		int64_t left_ns = let_out(link);
		struct timespec left = { .tv_sec = left_ns / 1000000000, .tv_nsec = left_ns % 1000000000 };

		if (ppoll(watched, 2, left_ns < 0 ? NULL : &left, NULL) < 0 && errno != EINTR)
			fail("ppoll");
		if (watched[0].revents != 0)
			take_in(link);
	}
}

int main(int argc, char **argv)
{
	struct link link = { .packets = calloc(PACKETS_MAX, sizeof(struct packet)) };

	if (argc != 3) {
		fputs("usage: delay NAME MS\n", stderr);
		return 64;
	}
	if (link.packets == NULL)
		fail("memory");
	link.fd = open_device(argv[1]);
	link.delay_ns = (int64_t)(strtod(argv[2], NULL) * 1e6);
	puts("ready");
	fflush(stdout);
	run(&link);
	return 0;
}
