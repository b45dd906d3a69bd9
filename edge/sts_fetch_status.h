/*
 * How postern-sts-fetch ends: the exit statuses that the edge and its helper agree on. The numbers
 * are those of sysexits.h where one fits.
 */
#ifndef STS_FETCH_STATUS_H
#define STS_FETCH_STATUS_H

#include <sysexits.h>

enum sts_fetch_status {
	STS_FETCH_STATUS_DONE = EX_OK,	/* the policy's bytes are on stdout */
	STS_FETCH_STATUS_USAGE = EX_USAGE,
	STS_FETCH_STATUS_NO_POLICY = EX_DATAERR, /* too big, not text/plain, compressed */
	STS_FETCH_STATUS_UNAVAILABLE = EX_UNAVAILABLE, /* connection, time-out, HTTP status */
	STS_FETCH_STATUS_LOCAL = EX_OSERR, /* memory, confinement, output */
	STS_FETCH_STATUS_CERTIFICATE = EX_PROTOCOL, /* the policy host's does not hold */
	STS_FETCH_STATUS_REFUSED = EX_NOPERM, /* no address that may be connected to */
	STS_FETCH_STATUS_CONFIG = EX_CONFIG, /* authorities' certificates */
};

#endif
