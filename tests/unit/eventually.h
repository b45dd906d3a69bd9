/*
 * What must come is waited for, and for so long that a machine which is slow, or busy for a while, is never taken for a broken program. No test
 * tells right from wrong by how soon it was. Needs cmocka.h.
 */
#ifndef EVENTUALLY_H
#define EVENTUALLY_H

#include <unistd.h>

#include "lib/deadline.h"

/* Less than a whole test program is given, so that whoever waits in vain says so. */
#define PATIENCE_MS 120000

#define EVENTUALLY(condition) \
	do { \
		struct deadline patience_ = deadline_in_ms(PATIENCE_MS); \
\
		while (!(condition)) { \
			if (deadline_has_passed(patience_)) \
				fail_msg("never came about: %s", #condition); \
			usleep(1000); \
		} \
	} while (0)

#endif
