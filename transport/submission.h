/* Hands a message to the mail system of this host through its sendmail(1). */
#ifndef SUBMISSION_H
#define SUBMISSION_H

#include "lib/buffer.h"
#include "lib/deadline.h"

/*
 * Runs `sendmail -i -t -f <>` with the message (LF line ends, recipients in its header) on its
 * standard input. No shell; our own descriptors are not passed on. 0 once it has exited with
 * success; -1 with the reason, printable, in error.
 */
int submission_run(const char *sendmail, const struct buffer *message, struct deadline deadline,
		   char *error, size_t error_size);

#endif
