/* What makes a file that was written survive a power cut, for those who replace one by rename(2). */
#ifndef DURABLE_FILE_H
#define DURABLE_FILE_H

#include <stddef.h>

/* All of it, and to the disk. 0, or -1 with errno. */
int durable_file_write(int fd, const char *text, size_t length);
/* A rename lasts only when the directory of the path is on disk. Without it nothing else is lost. */
void durable_file_sync_directory(const char *path);

#endif
