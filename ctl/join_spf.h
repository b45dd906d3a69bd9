/*
 * The SPF record (RFC 7208) that lets an edge send for the domains of this mail host.
 */
#ifndef JOIN_SPF_H
#define JOIN_SPF_H

#include <stdbool.h>
#include <stddef.h>

#include "postfix.h"

/* For each domain that Postfix sends for, as far as its configuration tells: the record to publish, or that it is there. */
void join_spf_print(const struct postfix *postfix, const char *edge_name);

/*
 * The record with a mechanism for the edge in it, before the one that decides about everybody else;
 * `old` NULL: a first one. *is_there: it names the edge already, and is as it was. false: it would
 * be too long.
 */
bool join_spf_record(char *out, size_t out_size, const char *old, const char *edge_name, bool *is_there);

#endif
