/* Asks the running milter through its control socket (control.h). */
#ifndef CONTROL_CLIENT_H
#define CONTROL_CLIENT_H

#include <stdio.h>

/*
 * Sends the request (without LF) and copies the text of the answer to `out`. Returns an exit code of
 * sysexits(3); for all but EX_OK `err` says why: EX_UNAVAILABLE nobody listens there, EX_DATAERR the
 * milter refused the request, EX_TEMPFAIL the answer broke off or took too long.
 */
int control_client_ask(const char *endpoint, const char *request, FILE *out, FILE *err);

#endif
