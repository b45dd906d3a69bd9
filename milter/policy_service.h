/*
 * The second socket: Postfix asks it by check_policy_service at each RCPT, and by asking tells the
 * client's certificate. The answer is always DUNNO; the decision is the milter's.
 */
#ifndef POLICY_SERVICE_H
#define POLICY_SERVICE_H

#include "client_certificates.h"

/*
 * Serves the connections that come in on `listen_fd` (non-blocking) in a thread of its own, for the
 * rest of the process. Connections beyond POLICY_CONNECTIONS_MAX wait to be accepted. 0, or -1: no
 * memory, no thread.
 */
#define POLICY_CONNECTIONS_MAX 2000
int policy_service_start(int listen_fd, struct client_certificates *certificates);

#endif
