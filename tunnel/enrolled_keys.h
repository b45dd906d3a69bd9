/*
 * Which key has taken the place of which invite: a file that the edge alone writes, and only adds to.
 *
 *	line = invite-key SP client-key SP time LF	; base64 (base64_key.h), utc_time.h
 *
 * Of several lines about one invite the first counts. A line that is damaged is reported and skipped;
 * one at the end without its line feed was not written to its end, and does not count. Who is
 * authorised the allow-list says: a line here without an invite there has no effect.
 */
#ifndef ENROLLED_KEYS_H
#define ENROLLED_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "lib/utc_time.h"

#define ENROLLED_KEYS_FILE "/var/lib/postern/enrolled"
/* A million lines, nearly. */
#define ENROLLED_KEYS_BYTES_MAX (96 * 1024 * 1024)
/* With its line feed and NUL. */
#define ENROLLED_KEYS_LINE_MAX (44 + 1 + 44 + 1 + UTC_TIME_TEXT + 2)

struct enrolled_key {
	uint8_t invite_key[32];
	uint8_t client_key[32];
	int64_t time;		/* seconds since 1970 */
	size_t line;
};

struct enrolled_keys {
	struct enrolled_key *keys;	/* sorted by invite_key, each once */
	size_t count;
	size_t bad_lines;
	bool is_torn;			/* its last line has no end */
	struct stat status;		/* of the file as read; all zero: there is none */
};

/* Called for every line that is skipped: "PATH:LINE: reason". */
typedef void enrolled_keys_complain_fn(void *context, const char *message);

/* A missing file is an empty one. 0, or -1 with error and *keys empty. `complain` may be NULL. */
int enrolled_keys_read(struct enrolled_keys *keys, const char *path, enrolled_keys_complain_fn *complain,
		       void *context, char *error, size_t error_size);
void enrolled_keys_wipe(struct enrolled_keys *keys);
/* NULL: nobody has used this invite. */
const struct enrolled_key *enrolled_keys_find(const struct enrolled_keys *keys, const uint8_t invite_key[32]);
/* The line as it stands in the file, with its line feed. */
void enrolled_keys_print(const struct enrolled_key *key, char out[ENROLLED_KEYS_LINE_MAX]);

#endif
