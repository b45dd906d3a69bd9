/*
 * Any bytes as a configuration file: no crash, no leak, and after a refusal nothing has changed.
 *
 * feeds: a configuration file
 * covers: lib/conf.c lib/conf_file.c lib/conf_value.c
 */
#include "lib/conf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);
const char *__lsan_default_suppressions(void);

/*
 * libconfig 1.5 forgets the text it has just read when the next token is a syntax error. Not ours
 * to mend.
 */
const char *__lsan_default_suppressions(void)
{
	return "leak:libconfig.so";
}

struct sample {
	char *note;
	int64_t port;
	bool starttls;
	int flavour;
	struct conf_list hosts;
	int64_t size;
	int64_t patience;
};

static const char *const flavours[] = { "may", "encrypt", NULL };

static const struct conf_setting settings[] = {
	{ "note", CONF_STRING, offsetof(struct sample, note), "hello", 1, 100, NULL, NULL, "", NULL },
	{ "port", CONF_INTEGER, offsetof(struct sample, port), "25", 1, 65535, NULL, NULL, "", NULL },
	{ "starttls", CONF_BOOLEAN, offsetof(struct sample, starttls), "yes", 0, 0, NULL, NULL,
	  "", NULL },
	{ "flavour", CONF_CHOICE, offsetof(struct sample, flavour), "may", 0, 0, flavours, NULL,
	  "", NULL },
	{ "hosts", CONF_STRING_LIST, offsetof(struct sample, hosts), "a", 1, 0, NULL, NULL, "", NULL },
	{ "size", CONF_SIZE, offsetof(struct sample, size), "25M", 1, INT64_C(1) << 40, NULL, NULL,
	  "", NULL },
	{ "patience", CONF_DURATION, offsetof(struct sample, patience), "30s", 1, 1000000, NULL,
	  NULL, "", NULL },
	{ 0 },
};

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void check_bounds(const struct sample *sample)
{
	require(sample->note != NULL && sample->note[0] != '\0' && strlen(sample->note) <= 100);
	require(sample->port >= 1 && sample->port <= 65535);
	require(sample->flavour == 0 || sample->flavour == 1);
	require(sample->hosts.count >= 1);
	for (size_t i = 0; i < sample->hosts.count; i++)
		require(sample->hosts.items[i][0] != '\0');
	require(sample->size >= 1 && sample->size <= INT64_C(1) << 40);
	require(sample->patience >= 1 && sample->patience <= 1000000);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	struct sample sample, before;
	char path[64], error[512] = "";
	int fd = memfd_create("conf", MFD_CLOEXEC);

	require(fd >= 0 && write(fd, bytes, length) == (ssize_t)length);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	memset(&sample, 0, sizeof(sample));
	require(conf_defaults(&sample, settings, error, sizeof(error)) == 0);
	before = sample;
	if (conf_read(&sample, settings, path, error, sizeof(error)) != 0)
		require(memcmp(&sample, &before, sizeof(sample)) == 0 &&
			strncmp(error, path, strlen(path)) == 0);
	check_bounds(&sample);
	conf_wipe(&sample, settings);
	close(fd);
	return 0;
}
