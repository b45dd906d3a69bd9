/*
 * Any bytes as the file of enrolled keys: each invite is in it once and is found, with a key that does
 * not look secret; what was found prints as a line of the file. A line that was added to any file by
 * the rules of edge/enrolment.c counts, unless its invite is there before.
 *
 * feeds: the file of enrolled keys
 * covers: tunnel/enrolled_keys.c
 */
#include "fuzz_target.h"
#include "tunnel/enrolled_keys.h"
#include "tunnel/noise.h"

static void complain(void *context, const char *message)
{
	size_t *count = context;

	++*count;
	require(strchr(message, '\n') == NULL);
}

static void read_keys(struct enrolled_keys *keys, const void *bytes, size_t length)
{
	struct memory_file file;
	char error[500] = "";
	size_t complaints = 0;

	memory_file_open(&file, bytes, length);
	require(enrolled_keys_read(keys, file.path, complain, &complaints, error, sizeof(error)) == 0);
	require(complaints == keys->bad_lines);
	memory_file_close(&file);
}

static void check(const struct enrolled_keys *keys, const char *text, size_t length)
{
	char line[ENROLLED_KEYS_LINE_MAX];

	for (size_t i = 0; i < keys->count; i++) {
		const struct enrolled_key *key = &keys->keys[i];

		require(i == 0 || memcmp(keys->keys[i - 1].invite_key, key->invite_key, sizeof(key->invite_key)) < 0);
		require(!noise_key_looks_secret(key->client_key));
		require(enrolled_keys_find(keys, key->invite_key) == key);
		enrolled_keys_print(key, line);
		require(memmem(text, length, line, strlen(line)) != NULL);
	}
}

static void check_added(const struct enrolled_keys *before, const char *text, size_t length)
{
	struct enrolled_key key = { .invite_key = { 1 }, .client_key = { 3 }, .time = 1795403100 };
	char *longer = malloc(length + ENROLLED_KEYS_LINE_MAX + 10);
	const struct enrolled_key *was = enrolled_keys_find(before, key.invite_key), *found;
	struct enrolled_keys after;
	size_t used = length;

	require(longer != NULL);
	memcpy(longer, text, length);
	if (before->is_torn)
		used += (size_t)sprintf(longer + used, " torn\n");
	enrolled_keys_print(&key, longer + used);
	read_keys(&after, longer, used + strlen(longer + used));
	found = enrolled_keys_find(&after, key.invite_key);
	require(found != NULL && !after.is_torn && after.count == before->count + (was == NULL));
	require(memcmp(found->client_key, was != NULL ? was->client_key : key.client_key, sizeof(key.client_key)) == 0);
	enrolled_keys_wipe(&after);
	free(longer);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	struct enrolled_keys keys;

	read_keys(&keys, bytes, length);
	check(&keys, (const char *)bytes, length);
	check_added(&keys, (const char *)bytes, length);
	enrolled_keys_wipe(&keys);
	return 0;
}
