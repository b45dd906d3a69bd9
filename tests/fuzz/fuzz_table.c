/*
 * Any bytes as a table: no crash, no leak; what is read keeps the promises of table.h.
 *
 * feeds: any table
 * covers: lib/table.c lib/text_file.c:read_all, line_number, check_text
 */
#include "lib/table.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define WORDS_MAX 8

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void check_line(struct table_line *line)
{
	char *words[WORDS_MAX];
	int count;

	require(line->key[0] != '\0' && line->key[strcspn(line->key, " \t\n")] == '\0');
	require(strchr(" \t", line->value[0]) == NULL || line->value[0] == '\0');
	require(strchr(line->value, '\n') == NULL);
	require(strlen(line->key) + strlen(line->value) <= TABLE_LINE_MAX);
	count = table_split(line->value, words, WORDS_MAX);
	require(count >= -1 && count <= WORDS_MAX);
	for (int i = 0; i < count; i++)
		require(strlen(words[i]) <= TABLE_LINE_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	char path[64], error[512] = "";
	struct table table;
	struct stat status;
	int fd = memfd_create("table", MFD_CLOEXEC);
	size_t line = 0;

	require(fd >= 0 && write(fd, bytes, length) == (ssize_t)length);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (table_read(&table, path, &status, error, sizeof(error)) != 0)
		require(table.count == 0 && table.lines == NULL &&
			strncmp(error, path, strlen(path)) == 0);
	require(!table_has_changed(path, &status));
	for (size_t i = 0; i < table.count; i++) {
		require(table.lines[i].line > line);
		line = table.lines[i].line;
		check_line(&table.lines[i]);
	}
	table_wipe(&table);
	close(fd);
	return 0;
}
