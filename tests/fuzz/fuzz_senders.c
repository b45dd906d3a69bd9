/*
 * Any bytes as a table `senders`, and as the value of one line: no crash, no leak, and every key has
 * either rights or a mistake that can be told.
 *
 * feeds: the table senders
 * covers: milter/senders_lines.c milter/sender_list.c
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "milter/senders_lines.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static struct sender_address address_of(const char *text)
{
	struct sender_address address = { 0 };
	char reason[200];
	struct mailbox mailbox;

	require(mailbox_parse(&mailbox, text, strlen(text), false, reason, sizeof(reason)) == 0 &&
		sender_address_from_mailbox(&address, &mailbox, reason, sizeof(reason)) == 0);
	return address;
}

/* Whoever may use this address everywhere may use it in each place; no list is both. */
static void ask_list(const struct sender_list *list)
{
	struct sender_address address = address_of("alice+x@sub.example.com"), self = address_of("alice@sub.example.com");

	address.domain = strchr(address.text, '@') + 1;
	self.domain = strchr(self.text, '@') + 1;
	for (int use = SENDER_IN_ENVELOPE; use <= SENDER_IN_FROM; use++)
		if (sender_list_allows(list, use, &address, NULL))
			require(sender_list_allows(list, use, &address, &self));
	sender_list_allows_null(list);
	if (sender_list_default_from(list) != NULL) {
		address = address_of(sender_list_default_from(list));
		address.domain = strrchr(address.text, '@') + 1;
		require(sender_list_allows(list, SENDER_IN_FROM, &address, NULL));
	}
}

static void try_value(const uint8_t *bytes, size_t length)
{
	char *value = malloc(length + 1), reason[300] = "";
	struct sender_list *list;

	require(value != NULL);
	memcpy(value, bytes, length);
	value[length] = '\0';
	list = sender_list_parse(value, "+-", reason, sizeof(reason));
	if (list != NULL)
		ask_list(list);
	else
		require(reason[0] != '\0' && strpbrk(reason, "\n\r\x7f") == NULL);
	sender_list_release(list);
	free(value);
}

static void ask_line(const struct senders_lines *lines, struct senders_key *key)
{
	const struct senders_line *line = senders_lines_find(lines, key);

	if (line == NULL)
		return;
	require((line->list == NULL) == (line->mistake != NULL));
	if (line->list != NULL)
		ask_list(line->list);
}

/* The first word of the bytes is a key, as it would be that of a login. */
static void ask_lines(const struct senders_lines *lines, const uint8_t *bytes, size_t length)
{
	char login[CLIENT_LOGIN_MAX + 1] = "", spelling[SENDERS_KEY_SPELLING_MAX], reason[600];
	struct senders_key key;

	for (size_t i = 0; i < length && i < CLIENT_LOGIN_MAX && bytes[i] > ' '; i++)
		login[i] = (char)bytes[i];
	if (senders_key_parse(&key, login, reason, sizeof(reason)) == 0)
		ask_line(lines, &key);
	else
		require(strpbrk(reason, "\n\r\x7f") == NULL);
	if (senders_key_from_login(&key, login)) {
		ask_line(lines, &key);
		for (size_t i = 0; senders_key_spelling(&key, i, spelling); i++) {
			struct senders_key again;

			/* Each spelling of a login is understood as that login. */
			require(senders_key_parse(&again, spelling, reason, sizeof(reason)) == 0);
			require(again.kind == SENDERS_KEY_EVERY_LOGIN || strcmp(again.text, key.text) == 0);
		}
	}
	if (senders_key_from_login_domain(&key, login))
		ask_line(lines, &key);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	char path[64], error[600] = "";
	struct senders_lines *lines;
	struct stat status;
	int fd = memfd_create("senders", MFD_CLOEXEC);

	require(fd >= 0 && write(fd, bytes, length) == (ssize_t)length);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	lines = senders_lines_read(path, "+", &status, error, sizeof(error));
	require(lines != NULL || error[0] != '\0');
	if (lines != NULL) {
		ask_lines(lines, bytes, length);
		for (size_t i = 0; i < senders_lines_mistake_count(lines); i++)
			require(strncmp(senders_lines_mistake(lines, i), path, strlen(path)) == 0);
	}
	senders_lines_destroy(lines);
	close(fd);
	try_value(bytes, length);
	return 0;
}
