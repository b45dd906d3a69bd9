/*
 * epoll over listening sockets, strangers and the signal descriptor. A stranger's socket reports
 * readable only once all of message 1 is there (SO_RCVLOWAT); it is peeked at, and only if mac1
 * fits does a session thread see the connection.
 */
#include "listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "edge_session.h"
#include "lib/endpoint.h"
#include "lib/log.h"
#include "lib/service.h"
#include "reload.h"
#include "stranger_table.h"
#include "tunnel/tunnel.h"

/* How often the allow-list is looked at while nothing happens. */
#define HOUSEKEEPING_MS 1000
#define EVENTS_AT_ONCE 64

/* What an epoll event is about: the high half is the kind, the low half the index. */
enum event_kind { EVENT_LISTEN, EVENT_SIGNAL, EVENT_STRANGER, EVENT_KEEPER };
#define EVENT_DATA(kind, index) ((uint64_t)(kind) << 32 | (uint32_t)(index))

struct loop {
	struct listener *listener;
	struct edge *edge;
	const char *conf_path;
	int epoll_fd;
	int signal_fd;
	struct stranger_table strangers;
	struct deadline housekeeping;
	bool is_stopping;
	bool is_accepting;		/* false while descriptors are out */
};

int listener_open(struct listener *listener, const struct edge_conf *conf, char *error,
		  size_t error_size)
{
	struct endpoint endpoint;
	int opened;

	memset(listener, 0, sizeof(*listener));
	for (size_t i = 0; i < conf->listen.count; i++) {
		if (endpoint_parse(&endpoint, conf->listen.items[i], TUNNEL_DEFAULT_PORT, error,
				   error_size) < 0)
			goto fail;
		opened = endpoint_listen(&endpoint, listener->sockets + listener->socket_count,
					 LISTENER_SOCKETS_MAX - listener->socket_count, error,
					 error_size);
		if (opened < 0)
			goto fail;
		listener->socket_count += opened;
	}
	return 0;
fail:
	listener_close(listener);
	return -1;
}

void listener_close(struct listener *listener)
{
	for (int i = 0; i < listener->socket_count; i++)
		close(listener->sockets[i]);
	listener->socket_count = 0;
}

static int watch(struct loop *loop, int fd, uint64_t data)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP, .data.u64 = data };

	return epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

/* Its end alone: answers are for those who asked. */
static int watch_keeper(struct loop *loop)
{
	struct epoll_event event = { .events = 0, .data.u64 = EVENT_DATA(EVENT_KEEPER, 0) };

	return epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, keeper_client_fd(loop->edge->keeper),
			 &event);
}

static void watch_listening(struct loop *loop, bool is_wanted)
{
	for (int i = 0; i < loop->listener->socket_count; i++) {
		if (is_wanted)
			watch(loop, loop->listener->sockets[i], EVENT_DATA(EVENT_LISTEN, i));
		else
			epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, loop->listener->sockets[i], NULL);
	}
	loop->is_accepting = is_wanted;
}

static void accept_stranger(struct loop *loop, int listening)
{
	struct sockaddr_storage address = { 0 };
	socklen_t length = sizeof(address);
	int low_water = TUNNEL_INITIATION_SIZE;
	int fd = accept4(listening, (struct sockaddr *)&address, &length,
			 SOCK_CLOEXEC | SOCK_NONBLOCK);
	uint32_t row;

	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
			/*
			 * Looking away for a moment instead of spinning; housekeeping looks again.
			 */
			log_error("accept: %s; raise LimitNOFILE", strerror(errno));
			watch_listening(loop, false);
		}
		return;
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &low_water, sizeof(low_water));
	row = stranger_table_add(&loop->strangers, fd, &address,
				 deadline_in_ms(TUNNEL_HANDSHAKE_TIMEOUT_MS));
	if (watch(loop, fd, EVENT_DATA(EVENT_STRANGER, row)) < 0)
		close(stranger_table_take(&loop->strangers, row));
}

/*
 * Does it know the edge's public key, or that which is to replace it? A keyed hash over 96 bytes for
 * each of them, and nothing secret.
 */
static bool knows_edge_key(const struct edge *edge, int fd, struct edge_visitor *visitor)
{
	uint8_t initiation[TUNNEL_INITIATION_SIZE];

	if (recv(fd, initiation, sizeof(initiation), MSG_PEEK) != (ssize_t)sizeof(initiation))
		return false;
	for (uint32_t i = 0; i < edge->keys.count; i++) {
		memcpy(visitor->own_key, edge->keys.public_keys[i], sizeof(visitor->own_key));
		visitor->is_old_key = i + 1 < edge->keys.count;
		tunnel_mac1(visitor->mac1, visitor->own_key, initiation + TUNNEL_MAC1_SIZE,
			    sizeof(initiation) - TUNNEL_MAC1_SIZE);
		if (memcmp(visitor->mac1, initiation, TUNNEL_MAC1_SIZE) == 0)
			return true;
	}
	return false;
}

static void look_at_stranger(struct loop *loop, uint32_t row)
{
	struct edge_visitor visitor = { .network = loop->strangers.rows[row].network };
	int low_water = 1, on = 1, fd;

	endpoint_print_address((const struct sockaddr *)&loop->strangers.rows[row].address,
			       visitor.peer, sizeof(visitor.peer));
	fd = stranger_table_take(&loop->strangers, row);
	epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
	if (!knows_edge_key(loop->edge, fd, &visitor)) {
		close(fd);
		return;
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &low_water, sizeof(low_water));
	/* An outcome shall not wait for the acknowledgement of the one before it. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	edge_session_start(loop->edge, fd, &visitor);
}

static void on_signal(struct loop *loop)
{
	switch (service_signals_read(loop->signal_fd)) {
	case SERVICE_STOP:
		loop->is_stopping = true;
		break;
	case SERVICE_RELOAD:
		reload_configuration(loop->edge, loop->conf_path);
		break;
	case SERVICE_NONE:
		break;
	}
}

/* Without it no tunnel can be made and nobody is known; a new start makes it good. */
static void on_keeper_lost(struct loop *loop)
{
	char ended[100];

	keeper_client_bury(loop->edge->keeper, ended, sizeof(ended));
	log_error("the process that keeps the key %s; stopping", ended);
	loop->edge->has_lost_keeper = true;
	loop->is_stopping = true;
}

static enum event_kind kind_of(const struct epoll_event *event)
{
	return (enum event_kind)(event->data.u64 >> 32);
}

static void dispatch(struct loop *loop, const struct epoll_event *event)
{
	uint32_t index = (uint32_t)event->data.u64;

	switch (kind_of(event)) {
	case EVENT_LISTEN:
		accept_stranger(loop, loop->listener->sockets[index]);
		break;
	case EVENT_SIGNAL:
		on_signal(loop);
		break;
	case EVENT_STRANGER:
		look_at_stranger(loop, index);
		break;
	case EVENT_KEEPER:
		on_keeper_lost(loop);
		break;
	}
}

/*
 * Strangers first: accepting makes room by closing the oldest, and an event of that one would then
 * be taken for its row's next.
 */
static void dispatch_all(struct loop *loop, const struct epoll_event *events, int count)
{
	for (int i = 0; i < count; i++)
		if (kind_of(&events[i]) == EVENT_STRANGER)
			dispatch(loop, &events[i]);
	for (int i = 0; i < count && !loop->is_stopping; i++)
		if (kind_of(&events[i]) != EVENT_STRANGER)
			dispatch(loop, &events[i]);
}

/* Also when no mail comes that would ask: nothing stays longer than it is of use. */
static void forget_answers(struct edge *edge)
{
	struct edge_setup *setup = edge_acquire_setup(edge);

	dns_resolver_expire(setup->resolver);
	edge_setup_release(setup);
}

static void keep_house(struct loop *loop)
{
	if (!deadline_has_passed(loop->housekeeping))
		return;
	loop->housekeeping = deadline_in_ms(HOUSEKEEPING_MS);
	reload_end_revoked(loop->edge);
	forget_answers(loop->edge);
	if (!loop->is_accepting)
		watch_listening(loop, true);
}

static void loop_until_stopped(struct loop *loop)
{
	struct epoll_event events[EVENTS_AT_ONCE];

	while (!loop->is_stopping) {
		struct deadline next = deadline_earlier(stranger_table_expire(&loop->strangers),
							loop->housekeeping);
		int ready = epoll_wait(loop->epoll_fd, events, EVENTS_AT_ONCE,
				       deadline_poll_ms(next));

		if (ready < 0 && errno != EINTR)
			log_panic("epoll_wait: %s", strerror(errno));
		dispatch_all(loop, events, ready);
		keep_house(loop);
	}
}

bool listener_run(struct listener *listener, struct edge *edge, int signal_fd,
		  const char *conf_path)
{
	const struct edge_conf *conf = &edge->setup->conf;
	struct loop loop = {
		.listener = listener, .edge = edge, .conf_path = conf_path, .signal_fd = signal_fd,
		.housekeeping = deadline_in_ms(0),
	};

	loop.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop.epoll_fd < 0 || watch(&loop, signal_fd, EVENT_DATA(EVENT_SIGNAL, 0)) < 0 ||
	    watch_keeper(&loop) < 0 ||
	    stranger_table_init(&loop.strangers, (size_t)conf->strangers,
				(size_t)conf->strangers_per_network) < 0)
		log_panic("no epoll or memory at start: %s", strerror(errno));
	watch_listening(&loop, true);
	service_notify("READY=1");
	loop_until_stopped(&loop);
	service_notify("STOPPING=1");
	stranger_table_wipe(&loop.strangers);
	listener_close(listener);
	close(loop.epoll_fd);
	return reload_stop(edge);
}
