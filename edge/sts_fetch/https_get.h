/*
 * One GET of an MTA-STS policy (RFC 8461 3.2, 3.3) with libcurl: HTTPS, this host, these addresses,
 * nothing else. Names are not looked up, redirects are not followed, no proxy, no cookies, no file.
 */
#ifndef HTTPS_GET_H
#define HTTPS_GET_H

#include <stddef.h>
#include <stdint.h>

#include "edge/address_guard.h"
#include "edge/sts_fetch_status.h"
#include "lib/sts_policy.h"

struct https_get {
	const char *host;	/* "mta-sts.example.com" */
	const char *addresses;	/* "192.0.2.1,[2001:db8::1]" */
	uint16_t port;
	const char *authorities; /* PEM */
	size_t authorities_length;
	const struct address_guard *guard;
};

struct https_body {
	char bytes[STS_POLICY_BYTES_MAX];
	size_t length;
};

/* Once, before confinement_seal(): whatever the libraries want to read is read here. */
enum sts_fetch_status https_get_init(char *error, size_t error_size);
/* Any status but DONE leaves a reason in error, printable, that begins with the host's name. */
enum sts_fetch_status https_get(const struct https_get *request, struct https_body *body,
				char *error, size_t error_size);

#endif
