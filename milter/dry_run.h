/*
 * What the milter would do, on paper: `postern senders-check` and `postern headers-check`. Nothing
 * is counted, logged or changed. WHO is a key of `senders`: a login, "local", a client's address, a
 * certificate's fingerprint.
 */
#ifndef DRY_RUN_H
#define DRY_RUN_H

#include <stdio.h>

#include "milter_setup.h"

/* Exit codes of sysexits(3): it would pass; it would be refused; it would be deferred. */
#define DRY_RUN_PASSES 0
#define DRY_RUN_REFUSED 77
#define DRY_RUN_DEFERRED 75

/* May WHO use the address in the envelope, in From? Which line says so? */
int dry_run_sender(struct milter_setup *setup, const char *who, const char *address, FILE *out);
/*
 * What becomes of the message in `in`, sent by `who` (NULL: local) with the envelope sender `sender`
 * (NULL: the address in From): every finding, the changes, the reply.
 */
int dry_run_headers(struct milter_setup *setup, const char *who, const char *sender, FILE *in, FILE *out);

#endif
