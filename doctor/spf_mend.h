/* The SPF record that should be published instead. Pure. */
#ifndef SPF_MEND_H
#define SPF_MEND_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

#define SPF_MEND_MAX 1600

/*
 * One record out of those that are there (perhaps none, perhaps several, perhaps with errors), in
 * which these addresses pass: the addresses first, which costs no look-up; then every term that is
 * right, once; at the end what is said of all others, "~all" if it was "+all" or nothing. A redirect
 * stays the last word if there is one. false: it does not fit, and what is in `out' is to be
 * published by nobody.
 */
bool spf_mend_compose(char out[SPF_MEND_MAX], char *const *texts, size_t text_count,
		      const struct sockaddr_storage *addresses, size_t address_count);

#endif
