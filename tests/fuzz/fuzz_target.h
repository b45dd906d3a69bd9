/* What several fuzz targets need: promises that are kept or end it, silence, bytes as a file. */
#ifndef FUZZ_TARGET_H
#define FUZZ_TARGET_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static inline void require(bool condition)
{
	if (!condition)
		abort();
}

static inline void require_printable(const char *text)
{
	for (; *text != '\0'; text++)
		require(*text >= ' ' && *text <= '~');
}

/* Log lines are made, and lost. */
static inline void be_silent(void)
{
	log_open("fuzz", LOG_TARGET_SYSLOG, (enum log_level) - 1);
}

struct memory_file {
	int fd;
	char path[64];
};

static inline void memory_file_open(struct memory_file *file, const void *bytes, size_t length)
{
	file->fd = memfd_create("fuzz", MFD_CLOEXEC);
	require(file->fd >= 0 && write(file->fd, bytes, length) == (ssize_t)length);
	snprintf(file->path, sizeof(file->path), "/proc/self/fd/%d", file->fd);
}

static inline void memory_file_close(struct memory_file *file)
{
	close(file->fd);
}

#endif
