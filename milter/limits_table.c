/*
 * The lines in an array sorted by their key (rate_key.h). Networks are found by their key too: the
 * client's address is cut to each length that occurs in the table, the longest first.
 */
#include "limits_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/table.h"
#include "lib/text_file.h"

/* Addresses of IPv6 come by the /64: a host that has one has them all (RFC 6177, RFC 7421). */
#define IPV6_OWNER_BITS 64
#define LENGTHS 129

struct entry {
	struct rate_key key;
	struct limit_line line;
	size_t number;
};

struct limits_table {
	struct entry *entries;		/* by key */
	size_t count;
	bool has_ipv4[LENGTHS], has_ipv6[LENGTHS];	/* networks of that length */
	bool has_sizes;
};

static int compare(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return strcmp(x->key.text, y->key.text);
}

static int take_line(struct limits_table *table, const struct table_line *line, char *reason, size_t reason_size)
{
	struct entry *entry = &table->entries[table->count];
	struct rate_network network;

	entry->number = line->line;
	if (rate_key_parse(&entry->key, &network, line->key, reason, reason_size) < 0 ||
	    limit_line_parse(&entry->line, line->value, reason, reason_size) < 0)
		return -1;
	if (network.family == AF_INET)
		table->has_ipv4[network.length] = true;
	else if (network.family == AF_INET6)
		table->has_ipv6[network.length] = true;
	table->has_sizes = table->has_sizes || entry->line.size > 0;
	table->count++;
	return 0;
}

/* Sorted, the second line of a key is beside the first. */
static int find_double(const struct limits_table *table, char *reason, size_t reason_size, size_t *number)
{
	for (size_t i = 1; i < table->count; i++) {
		const struct entry *a = &table->entries[i - 1], *b = &table->entries[i];
		size_t first = a->number < b->number ? a->number : b->number;

		if (compare(a, b) != 0)
			continue;
		*number = a->number + b->number - first;
		snprintf(reason, reason_size, "\"%.100s\" stands in line %zu already", a->key.text, first);
		return -1;
	}
	return 0;
}

static int take_lines(struct limits_table *table, const struct table *text, char *reason, size_t reason_size,
		      size_t *number)
{
	for (size_t i = 0; i < text->count; i++) {
		*number = text->lines[i].line;
		if (take_line(table, &text->lines[i], reason, reason_size) < 0)
			return -1;
	}
	qsort(table->entries, table->count, sizeof(*table->entries), compare);
	return find_double(table, reason, reason_size, number);
}

struct limits_table *limits_table_read(const char *path, struct stat *status, char *error, size_t error_size)
{
	struct limits_table *table = calloc(1, sizeof(*table));
	struct table text = { 0 };
	size_t number = 0;
	char reason[300];

	memset(status, 0, sizeof(*status));
	if (table == NULL)
		goto no_memory;
	if (table_read(&text, path, status, error, error_size) < 0 && !text_file_is_absent(status))
		goto fail;
	table->entries = calloc(text.count + 1, sizeof(*table->entries));
	if (table->entries == NULL)
		goto no_memory;
	if (take_lines(table, &text, reason, sizeof(reason), &number) < 0) {
		snprintf(error, error_size, "%s:%zu: %s", path, number, reason);
		goto fail;
	}
	table_wipe(&text);
	return table;
no_memory:
	snprintf(error, error_size, "%s: out of memory", path);
fail:
	table_wipe(&text);
	limits_table_destroy(table);
	return NULL;
}

void limits_table_destroy(struct limits_table *table)
{
	if (table == NULL)
		return;
	free(table->entries);
	free(table);
}

static const struct entry *find(const struct limits_table *table, const struct rate_key *key)
{
	struct entry wanted;

	wanted.key = *key;
	return bsearch(&wanted, table->entries, table->count, sizeof(wanted), compare);
}

static const struct entry *find_or_any(const struct limits_table *table, const struct rate_key *key, const char *any)
{
	const struct entry *found = find(table, key);
	struct rate_key any_key;

	if (found != NULL)
		return found;
	snprintf(any_key.text, sizeof(any_key.text), "%s", any);
	return find(table, &any_key);
}

/*
 * The line of the client's longest network. *network becomes what the bucket belongs to: the address
 * or its /64, or the network of the line if that is smaller, so that one bucket never has two rates.
 */
static const struct entry *find_network(const struct limits_table *table, struct rate_network *network)
{
	const bool *has = network->family == AF_INET ? table->has_ipv4 : table->has_ipv6;
	unsigned owner_bits = network->family == AF_INET ? network->length : IPV6_OWNER_BITS;
	struct rate_network cut = *network;
	struct rate_key key;

	for (unsigned length = network->length + 1; length-- > 0;) {
		const struct entry *found;

		if (!has[length])
			continue;
		cut.length = length;
		rate_key_of_network(&key, &cut);
		found = find(table, &key);
		if (found == NULL)
			continue;
		network->length = length > owner_bits ? length : owner_bits;
		return found;
	}
	network->length = owner_bits;
	return NULL;
}

static const struct entry *find_client(const struct limits_table *table, const struct client *client,
				       struct rate_key *owner)
{
	struct rate_network network;
	const struct entry *found;

	if (client->is_local) {
		snprintf(owner->text, sizeof(owner->text), "local");
		return find(table, owner);
	}
	if (!rate_network_of_address(&network, &client->address))
		return NULL;
	found = find_network(table, &network);
	rate_key_of_network(owner, &network);
	return found != NULL ? found : find_or_any(table, owner, "client:*");
}

static size_t add(struct limits_match *matches, size_t count, const struct entry *entry, const struct rate_key *owner)
{
	if (entry == NULL)
		return count;
	matches[count].line = entry->line;
	matches[count].number = entry->number;
	matches[count].owner = *owner;
	return count + 1;
}

size_t limits_table_match(const struct limits_table *table, const struct client *client, const char *sender_domain,
			  struct limits_match matches[LIMITS_MATCHES_MAX])
{
	struct rate_key owner;
	size_t count = 0;

	if (table->count == 0)
		return 0;
	if (client->login[0] != '\0') {
		rate_key_of_login(&owner, client->login);
		count = add(matches, count, find_or_any(table, &owner, "login:*"), &owner);
	}
	count = add(matches, count, find_client(table, client, &owner), &owner);
	if (sender_domain[0] != '\0') {
		rate_key_of_domain(&owner, sender_domain);
		count = add(matches, count, find_or_any(table, &owner, "domain:*"), &owner);
	}
	return count;
}

size_t limits_table_count(const struct limits_table *table)
{
	return table->count;
}

bool limits_table_has_sizes(const struct limits_table *table)
{
	return table->has_sizes;
}
