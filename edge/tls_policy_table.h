/*
 * The table tls_policy as the running edge sees it: read again whenever it changes. Since it says
 * what must not be weakened, it is taken whole or not at all: a file with a mistake in it stops the
 * edge from starting, and later leaves the table as it was, which the log says. So does a file that
 * has gone.
 */
#ifndef TLS_POLICY_TABLE_H
#define TLS_POLICY_TABLE_H

#include "tls_policy.h"

struct tls_policy_table;

/* A file that does not exist is an empty table. NULL with "PATH:LINE: ..." in error. */
struct tls_policy_table *tls_policy_table_create(const char *path, char *error, size_t error_size);
void tls_policy_table_destroy(struct tls_policy_table *table);

/*
 * The policy for a recipient domain (A-labels, lower case, or a literal "[192.0.2.1]"): its own line, or that of
 * the longest ".parent", or that of "*". false if there is none. Thread-safe.
 */
bool tls_policy_table_find(struct tls_policy_table *table, const char *domain,
			   struct tls_policy *policy);
const char *tls_policy_table_path(const struct tls_policy_table *table);

#endif
