/* Asks a running daemon through its control socket (control_socket.h). */
#ifndef CONTROL_CLIENT_H
#define CONTROL_CLIENT_H

#include <stddef.h>
#include <stdio.h>

/*
 * Sends the request (without LF) and copies the text of the answer to `out`. `daemon`: its name, for
 * the sentences. Returns an exit code of sysexits(3); for all but EX_OK `error` says why:
 * EX_UNAVAILABLE nobody listens there, EX_DATAERR the daemon refused the request, EX_TEMPFAIL the
 * answer broke off or took too long.
 */
int control_client_ask(const char *endpoint, const char *daemon, const char *request, FILE *out, char *error,
		       size_t error_size);
/*
 * The same for an answer that is read here: in memory, as a stream at its beginning, to be closed. NULL: *result_out is not EX_OK
 * (EX_OSERR: no memory).
 */
FILE *control_client_open(const char *endpoint, const char *daemon, const char *request, int *result_out, char *error,
			  size_t error_size);

#endif
