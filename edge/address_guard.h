/*
 * Which addresses mail may be sent to, decided on the sockaddr at connect time, so that no DNS
 * answer can aim the edge at its own network (SSRF, DNS rebinding).
 */
#ifndef ADDRESS_GUARD_H
#define ADDRESS_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "lib/conf.h"

struct address_guard;

/*
 * allow: CIDRs exempted from the built-in refusals ("10.1.0.0/16"); own addresses are taken from
 * the interfaces at creation and are always refused unless allowed. NULL with error (quotes the bad
 * CIDR).
 */
struct address_guard *address_guard_create(const struct conf_list *allow, char *error,
					   size_t error_size);
void address_guard_destroy(struct address_guard *guard);
/*
 * NULL = may be connected to; otherwise why not ("private address 10.0.0.1 (RFC 1918)" without the
 * address: "a private address (RFC 1918)").
 */
const char *address_guard_refuses(const struct address_guard *guard,
				  const struct sockaddr *address);

#endif
