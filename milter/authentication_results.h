/* Whose Authentication-Results field is it (RFC 8601)? */
#ifndef AUTHENTICATION_RESULTS_H
#define AUTHENTICATION_RESULTS_H

#include <stdbool.h>

/*
 * Does a reader who trusts `authserv_id` have to take this value for that server's? True also for a
 * value that cannot be read: some reader may read it.
 */
bool authentication_results_is_from(const char *value, const char *authserv_id);

#endif
