/*
 * `senders` as a constant database, made by postmap(1) or cdb(1): string in, string out. Opened
 * again when the file changes.
 */
#ifndef SENDERS_CDB_H
#define SENDERS_CDB_H

#include "senders.h"

struct senders_cdb;

/* As Postfix names its tables: without the ".cdb" that the file has; with it is right too. */
struct senders_cdb *senders_cdb_create(const char *path, char *error, size_t error_size);
void senders_cdb_destroy(struct senders_cdb *cdb);

/*
 * Thread-safe. *value_out (heap, NUL-terminated) only if found. BAD_LINE: the value is longer than
 * SOCKETMAP_VALUE_MAX or has a NUL inside. TROUBLE: the file cannot be read, or is damaged.
 */
enum senders_result senders_cdb_find(struct senders_cdb *cdb, const char *key, char **value_out, char *error,
				     size_t error_size);

#endif
