/*
 * Any bytes as the file of MTA-STS policies: no crash, no leak; what is taken out of it is a policy
 * that is in force, and comes back when it is written and read again. Nobody finds a checksum by
 * chance, so with an odd first byte every line gets its own.
 *
 * feeds: the file of cached MTA-STS policies
 * covers: edge/sts_file.c:read_whole, read_number, read_mode, read_words, read_line, read_lines,
 *     sts_file_read, print_entry, print_line, sts_file_print
 */
#include "edge/sts_file.h"
#include "fuzz_target.h"
#include "tunnel/content_digest.h"

#define NOW 1800000000
#define CHECKSUM_TEXT 32

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	be_silent();
	return 0;
}

static void put_line(FILE *out, const uint8_t *line, size_t length)
{
	uint8_t sum[CONTENT_DIGEST_SIZE];
	struct content_digest digest;

	content_digest_init(&digest);
	content_digest_update(&digest, line, length);
	content_digest_final(&digest, sum);
	for (size_t i = 0; i < CHECKSUM_TEXT / 2; i++)
		fprintf(out, "%02x", sum[i]);
	fputc(' ', out);
	fwrite(line, 1, length, out);
	fputc('\n', out);
}

static void put_checksums(FILE *out, const uint8_t *bytes, size_t length)
{
	while (length > 0) {
		const uint8_t *end = memchr(bytes, '\n', length);
		size_t line = end != NULL ? (size_t)(end - bytes) : length;

		put_line(out, bytes, line);
		bytes += end != NULL ? line + 1 : line;
		length -= end != NULL ? line + 1 : line;
	}
}

static void read_table(struct sts_table *table, const void *bytes, size_t length)
{
	struct memory_file file;
	char error[200] = "";

	memset(table, 0, sizeof(*table));
	memory_file_open(&file, bytes, length);
	require(sts_file_read(table, file.path, NOW, error, sizeof(error)) == 0 &&
		error[0] == '\0');
	memory_file_close(&file);
}

static void check_entry(const struct sts_table *table, struct sts_entry *entry)
{
	require(sts_table_find(table, entry->domain) == entry && sts_entry_is_in_force(entry, NOW));
	require(entry->domain[0] != '*' &&
		sts_pattern_is_valid(entry->domain, strlen(entry->domain)));
	require(sts_id_is_valid(entry->id, strlen(entry->id)));
	require(entry->policy.max_age_s >= 0 && entry->policy.max_age_s <= STS_MAX_AGE_MAX);
	require(entry->policy.mode == STS_MODE_NONE || entry->policy.mx_count > 0);
	require(entry->policy.mx_count <= STS_MX_MAX);
	for (size_t i = 0; i < entry->policy.mx_count; i++)
		require(sts_pattern_is_valid(entry->policy.mx[i], strlen(entry->policy.mx[i])));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	size_t given_length = 0, first_length, second_length;
	char *given = NULL, *first, *second;
	struct sts_table table;
	FILE *out = open_memstream(&given, &given_length);

	if (length > 0 && bytes[0] & 1)
		put_checksums(out, bytes + 1, length - 1);
	else if (length > 0)
		fwrite(bytes + 1, 1, length - 1, out);
	fclose(out);
	read_table(&table, given, given_length);
	for (size_t i = 0; i < table.count; i++)
		check_entry(&table, table.entries[i]);
	first = sts_file_print(&table, NOW, &first_length);
	sts_table_wipe(&table);
	read_table(&table, first, first_length);
	second = sts_file_print(&table, NOW, &second_length);
	sts_table_wipe(&table);
	require(first_length == second_length && memcmp(first, second, first_length) == 0);
	free(given);
	free(first);
	free(second);
	return 0;
}
