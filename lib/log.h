/*
 * Log lines for people who use grep: to syslog (facility mail) as Postfix does, or to stderr with
 * systemd's <N> priority prefixes. Text from a peer goes through log_printable() first, always.
 */
#ifndef LOG_H
#define LOG_H

#include <stddef.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
enum log_target { LOG_TARGET_STDERR, LOG_TARGET_SYSLOG };

/*
 * Chooses the target; `ident` ("postern/edge") must live as long as the program. Before the call
 * lines go to stderr.
 */
void log_open(const char *ident, enum log_target target, enum log_level max_level);

/*
 * Sets this thread's session tag, printed as "TAG: " before the message; the queue id, so that
 * `grep QUEUEID` tells the whole story. NULL or "" removes it. Copied (cut to 63 bytes, made
 * printable).
 */
void log_set_tag(const char *tag);
const char *log_tag(void);

void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * Whoever keeps a copy of what is logged: called in the logging thread with each line as it was logged,
 * level word and tag included, without the name of the program. It may not log. NULL: nobody. To be set
 * while no other thread logs.
 */
typedef void log_witness_fn(void *context, const char *line);
void log_set_witness(log_witness_fn *witness, void *context);

/* A programming error: logs and aborts. */
void log_panic(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/*
 * Copies peer text into `out` (always NUL-terminated, at most out_size - 1 bytes): control and
 * 8-bit bytes become '?', over-long text is cut. Input may contain NUL. Returns out.
 */
char *log_printable(char *out, size_t out_size, const char *peer_text, size_t length);

#endif
