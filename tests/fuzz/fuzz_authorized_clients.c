/*
 * Any bytes as the edge's allow-list: every line is either a client that is found by its key, each
 * key once and never the edge's own, or an invite, which is found as such alone, or a bad line that was
 * complained about. Who is not in the list is not found. What follows the MARK is the file of enrolled keys: each
 * of them that is in the list stands in the line of an invite.
 *
 * feeds: the edge's allow-list
 * covers: tunnel/authorized_clients.c tunnel/base64_key.c
 */
#include "fuzz_target.h"
#include "tunnel/authorized_clients.h"
#include "tunnel/noise.h"

static const uint8_t own_key[32] = {
	1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16,
	17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32
};

#define MARK "\n--enrolled--\n"

struct complaints {
	const char *path, *enrolled;
	size_t count;
};

static void complain(void *context, const char *message)
{
	struct complaints *complaints = context;

	complaints->count++;
	if (complaints->enrolled != NULL && strncmp(message, complaints->enrolled, strlen(complaints->enrolled)) == 0)
		complaints->count--;
	else
		require(strncmp(message, complaints->path, strlen(complaints->path)) == 0);
	require(strchr(message, '\n') == NULL);
}

static void check(const struct authorized_clients *list)
{
	static const uint8_t nobody[32];
	bool has_zero_key = false;

	for (size_t i = 0; i < list->count; i++) {
		const struct authorized_client *client = &list->clients[i];

		require(client->name[0] != '\0' && strlen(client->name) <= CLIENT_NAME_MAX);
		require_printable(client->name);
		require(memcmp(client->public_key, own_key, sizeof(own_key)) != 0 &&
			!noise_key_looks_secret(client->public_key));
		require(i == 0 || memcmp(list->clients[i - 1].public_key, client->public_key,
					 sizeof(own_key)) < 0);
		require(authorized_clients_find(list, client->public_key) == (client->is_pending ? NULL : client));
		require(client->options.invite_expires == 0 ||
			authorized_clients_find_invite(list, client->invite_key) != NULL);
		require(!client->is_pending || authorized_clients_find_invite(list, client->public_key) == client);
		has_zero_key = has_zero_key || (!client->is_pending &&
						memcmp(client->public_key, nobody, sizeof(nobody)) == 0);
	}
	require(authorized_clients_find(list, own_key) == NULL);
	require((authorized_clients_find(list, nobody) != NULL) == has_zero_key);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	const uint8_t *mark = length > 0 ? memmem(bytes, length, MARK, strlen(MARK)) : NULL;
	size_t list_length = mark != NULL ? (size_t)(mark - bytes) + 1 : length;
	size_t before = mark != NULL ? list_length + strlen(MARK) - 1 : length;
	struct authorized_clients list;
	struct memory_file file, enrolled;
	struct complaints complaints = { .path = file.path };
	char error[512] = "";

	memory_file_open(&file, bytes, list_length);
	memory_file_open(&enrolled, bytes + before, length - before);
	if (mark != NULL)
		complaints.enrolled = enrolled.path;
	if (authorized_clients_read(&list, file.path, complaints.enrolled, own_key, complain, &complaints, error,
				    sizeof(error)) < 0)
		require(list.count == 0 && strncmp(error, file.path, strlen(file.path)) == 0);
	require(list.bad_lines == complaints.count);
	check(&list);
	authorized_clients_wipe(&list);
	memory_file_close(&file);
	memory_file_close(&enrolled);
	return 0;
}
