/*
 * A list in the order of arrival under one lock. An addition looks at all rows, which are few and
 * cost less than the Diffie-Hellman that follows.
 *
 * Whoever makes up a first message of his own is gone within a millisecond: only a client's key gets
 * an answer, and has the edge wait for what follows. What stays for the whole time-out is a replay
 * of a client's first message. A replay comes after its original, so it is the later one that is
 * refused, and one recorded message takes one row, however often it is sent.
 *
 * The row has a duplicate of the descriptor: the tunnel closes its own whenever it fails, and the
 * number may then be another connection's.
 */
#include "handshake_table.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void handshake_table_init(struct handshake_table *table)
{
	memset(table, 0, sizeof(*table));
	pthread_mutex_init(&table->lock, NULL);
}

/* Caller holds the lock. */
static void take_out(struct handshake_table *table, struct handshake *handshake)
{
	if (handshake->older != NULL)
		handshake->older->newer = handshake->newer;
	else
		table->oldest = handshake->newer;
	if (handshake->newer != NULL)
		handshake->newer->older = handshake->older;
	else
		table->newest = handshake->older;
	table->count--;
}

static void put_in(struct handshake_table *table, struct handshake *handshake)
{
	handshake->older = table->newest;
	if (table->newest != NULL)
		table->newest->newer = handshake;
	else
		table->oldest = handshake;
	table->newest = handshake;
	table->count++;
}

/* It stays counted until its thread has ended. */
static void drop(struct handshake_table *table, struct handshake *handshake)
{
	take_out(table, handshake);
	handshake->is_dropped = true;
	table->dropped++;
	shutdown(handshake->fd, SHUT_RDWR);
}

/* Caller holds the lock. */
static enum handshake_verdict make_room(struct handshake_table *table, uint64_t network,
					const uint8_t mac1[TUNNEL_MAC1_SIZE],
					struct handshake_limits limits)
{
	struct handshake *oldest_of_network = NULL;
	size_t same = 0;

	for (struct handshake *row = table->newest; row != NULL; row = row->older) {
		if (memcmp(row->mac1, mac1, TUNNEL_MAC1_SIZE) == 0)
			return HANDSHAKE_IS_REPLAY;
		if (row->network == network) {
			oldest_of_network = row;
			same++;
		}
	}
	if (same < limits.per_network && table->count < limits.in_all)
		return HANDSHAKE_BEGINS;
	if (table->dropped >= limits.in_all)
		return HANDSHAKE_HAS_NO_ROOM;
	drop(table, same >= limits.per_network ? oldest_of_network : table->oldest);
	return HANDSHAKE_BEGINS;
}

enum handshake_verdict handshake_table_add(struct handshake_table *table,
					   struct handshake *handshake, int fd, uint64_t network,
					   const uint8_t mac1[TUNNEL_MAC1_SIZE],
					   struct handshake_limits limits)
{
	enum handshake_verdict verdict;

	*handshake = (struct handshake){ .fd = -1, .network = network };
	memcpy(handshake->mac1, mac1, TUNNEL_MAC1_SIZE);
	pthread_mutex_lock(&table->lock);
	verdict = make_room(table, network, mac1, limits);
	if (verdict == HANDSHAKE_BEGINS) {
		handshake->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		if (handshake->fd >= 0)
			put_in(table, handshake);
		else
			verdict = HANDSHAKE_HAS_NO_ROOM;
	}
	pthread_mutex_unlock(&table->lock);
	return verdict;
}

void handshake_table_remove(struct handshake_table *table, struct handshake *handshake)
{
	if (handshake->fd < 0)
		return;
	pthread_mutex_lock(&table->lock);
	if (handshake->is_dropped)
		table->dropped--;
	else
		take_out(table, handshake);
	close(handshake->fd);
	handshake->fd = -1;
	pthread_mutex_unlock(&table->lock);
}

bool handshake_table_has_dropped(struct handshake_table *table, const struct handshake *handshake)
{
	bool is_dropped;

	pthread_mutex_lock(&table->lock);
	is_dropped = handshake->is_dropped;
	pthread_mutex_unlock(&table->lock);
	return is_dropped;
}
