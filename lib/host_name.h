/* Host names as they may stand in EHLO and in the DNS. */
#ifndef HOST_NAME_H
#define HOST_NAME_H

#include <stdbool.h>

/*
 * RFC 1123 2.1, RFC 5321 4.1.2 (Domain): labels of letters, digits and inner hyphens; at least two;
 * no IPv4 address.
 */
bool host_name_is_full(const char *name);

#endif
