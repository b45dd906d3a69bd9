/*
 * A libconfig file on its way to libconfig: read with a bound and looked through, because libconfig
 * 1.5 truncates integers, takes an unclosed comment for the end of the file, and answers most
 * mistakes with "syntax error".
 */
#ifndef CONF_FILE_H
#define CONF_FILE_H

#include <stddef.h>

#include "text_file.h"

/* A configuration has a few dozen settings; more than this is another kind of file. */
#define CONF_FILE_MAX (1024 * 1024)
#define CONF_FILE_SETTINGS_MAX 1000

/*
 * Reads `path` and prepares it for config_read_string(): every integer carries the suffix "L",
 * lines keep their numbers. 0, or -1 with "PATH:LINE: what" in error. text_file_wipe() frees the
 * result.
 */
int conf_file_read(struct text_file *prepared, const char *path, char *error, size_t error_size);

#endif
