/*
 * Any bytes as the table relay: taken whole or not at all. What a domain gets out of it is written
 * in the one form that reads as itself, and shows no password to a server that has proved nothing,
 * unless the line says so.
 *
 * feeds: the table relay
 * covers: edge/relay_destination.c edge/relay_hop.c edge/relay_table.c:take_relay, take_value,
 *     take_lines, read_map, relay_map_find, relay_map_get
 */
#include "edge/relay_table.h"
#include "fuzz_target.h"

static const char *const domains[] = { "example.com", "MX.example.com", "a.b.example.org",
				       "[192.0.2.1]", "test",           "" };

static void check_destination(const struct relay_destination *destination)
{
	struct relay_destination again;
	char error[400];

	require(relay_destination_parse(&again, destination->next_hop, error, sizeof(error)) == 0);
	require(strcmp(again.next_hop, destination->next_hop) == 0 &&
		strcmp(again.host, destination->host) == 0);
	require(again.is_host == destination->is_host && again.port == destination->port);
	require(destination->port >= 1 && destination->port <= 65535);
	require_printable(destination->next_hop);
	require(strpbrk(destination->next_hop, " \t*@/") == NULL);
}

static void check_hop(const struct relay_hop *hop)
{
	enum tls_level level = hop->tls.level;

	check_destination(&hop->destination);
	require(hop->tls.line > 0 && relay_hop_is_same(hop, hop));
	require(!hop->is_wrapped || level > TLS_MAY);
	if (level == TLS_NONE || level == TLS_MAY || level == TLS_ENCRYPT || level == TLS_DANE)
		require(hop->auth == RELAY_AUTH_NO ||
			(hop->auth == RELAY_AUTH_UNVERIFIED && level != TLS_NONE));
}

/* Each relay once. */
static void check_all(const struct relay_map *map)
{
	const struct relay_hop *hop, *other;

	for (size_t i = 0; (hop = relay_map_get(map, i)) != NULL; i++) {
		check_hop(hop);
		for (size_t j = 0; j < i && (other = relay_map_get(map, j)) != NULL; j++)
			require(strcmp(hop->destination.next_hop, other->destination.next_hop) != 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	struct relay_table *table;
	struct relay_map *map = NULL;
	struct memory_file file;
	char error[1000] = "";

	memory_file_open(&file, bytes, length);
	table = relay_table_create(file.path, error, sizeof(error));
	if (table == NULL)
		require(strncmp(error, file.path, strlen(file.path)) == 0);
	else
		map = relay_table_acquire(table);
	if (map != NULL) {
		check_all(map);
		for (size_t i = 0; i < sizeof(domains) / sizeof(domains[0]); i++) {
			const struct relay_hop *hop = relay_map_find(map, domains[i]);

			if (hop != NULL)
				check_hop(hop);
		}
	}
	relay_map_release(map);
	relay_table_destroy(table);
	memory_file_close(&file);
	return 0;
}
