/* The milter protocol's events (libmilter's xxfi_*), as thin adapters to mail_transaction.h. */
#ifndef CALLBACKS_H
#define CALLBACKS_H

#include "milter.h"

/*
 * Registers the callbacks with libmilter, which opens no socket before. 0, or -1: libmilter did not
 * take them.
 */
int callbacks_register(void);
/* `milter` is theirs for the rest of the process; to be called before smfi_main(3). */
void callbacks_serve(struct milter *milter);

#endif
