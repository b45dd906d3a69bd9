/*
 * Rows in an array, linked by age. Counting a network's rows is a scan of at most `capacity` small
 * rows per accept, which costs less than the accept itself.
 */
#include "stranger_table.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int stranger_table_init(struct stranger_table *table, size_t capacity, size_t per_network)
{
	memset(table, 0, sizeof(*table));
	table->rows = calloc(capacity, sizeof(*table->rows));
	if (table->rows == NULL)
		return -1;
	table->capacity = capacity;
	table->per_network = per_network;
	table->oldest = table->newest = STRANGER_NONE;
	for (size_t i = 0; i < capacity; i++) {
		table->rows[i].fd = -1;
		table->rows[i].newer = i + 1 < capacity ? (uint32_t)(i + 1) : STRANGER_NONE;
	}
	return 0;
}

void stranger_table_wipe(struct stranger_table *table)
{
	while (table->oldest != STRANGER_NONE && table->rows != NULL)
		close(stranger_table_take(table, table->oldest));
	free(table->rows);
	memset(table, 0, sizeof(*table));
}

/* The first 24 bits of IPv4 (also mapped), the first 56 of IPv6; the two cannot collide. */
static uint64_t network_of(const struct sockaddr_storage *address)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)address;
	uint64_t network = 0;

	if (address->ss_family == AF_INET)
		return UINT64_C(1) << 63 | ntohl(v4->sin_addr.s_addr) >> 8;
	if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
		for (int i = 12; i < 15; i++)
			network = network << 8 | v6->sin6_addr.s6_addr[i];
		return UINT64_C(1) << 63 | network;
	}
	for (int i = 0; i < 7; i++)
		network = network << 8 | v6->sin6_addr.s6_addr[i];
	return network;
}

int stranger_table_take(struct stranger_table *table, uint32_t row)
{
	struct stranger *stranger = &table->rows[row];
	int fd = stranger->fd;

	if (stranger->older != STRANGER_NONE)
		table->rows[stranger->older].newer = stranger->newer;
	else
		table->oldest = stranger->newer;
	if (stranger->newer != STRANGER_NONE)
		table->rows[stranger->newer].older = stranger->older;
	else
		table->newest = stranger->older;
	stranger->fd = -1;
	stranger->newer = table->free;
	table->free = row;
	table->count--;
	return fd;
}

/* Makes room where the newcomer's network, or the whole table, is full. */
static void make_room(struct stranger_table *table, uint64_t network)
{
	uint32_t oldest_of_network = STRANGER_NONE;
	size_t same = 0;

	for (uint32_t row = table->newest; row != STRANGER_NONE; row = table->rows[row].older) {
		if (table->rows[row].network == network) {
			oldest_of_network = row;
			same++;
		}
	}
	if (same >= table->per_network)
		close(stranger_table_take(table, oldest_of_network));
	else if (table->count == table->capacity)
		close(stranger_table_take(table, table->oldest));
}

uint32_t stranger_table_add(struct stranger_table *table, int fd,
			    const struct sockaddr_storage *address, struct deadline deadline)
{
	uint64_t network = network_of(address);
	struct stranger *stranger;
	uint32_t row;

	make_room(table, network);
	row = table->free;
	stranger = &table->rows[row];
	table->free = stranger->newer;
	*stranger = (struct stranger){
		.fd = fd, .network = network, .deadline = deadline, .address = *address,
		.older = table->newest, .newer = STRANGER_NONE,
	};
	if (table->newest != STRANGER_NONE)
		table->rows[table->newest].newer = row;
	else
		table->oldest = row;
	table->newest = row;
	table->count++;
	return row;
}

struct deadline stranger_table_expire(struct stranger_table *table)
{
	while (table->oldest != STRANGER_NONE) {
		struct deadline deadline = table->rows[table->oldest].deadline;

		if (!deadline_has_passed(deadline))
			return deadline;
		close(stranger_table_take(table, table->oldest));
	}
	return DEADLINE_NEVER;
}
