/*
 * Log lines: one message, one line, one write(2), so that lines of several threads never mix.
 *
 * Three shapes. syslog(3), facility mail, with the process id, as Postfix logs. stderr that is the
 * systemd journal: "<N>" priority prefix, and the journal adds name and time. Any other stderr:
 * "ident: level: TAG: text" for people. As in Postfix an informational line carries no level word.
 *
 * A control byte in a finished message becomes '?': even if a caller forgot log_printable(), a peer
 * cannot start a line of its own. A message that does not fit is cut and ends in "...".
 */
#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

/* A write of at most PIPE_BUF (4096) bytes to a pipe is not torn apart (POSIX write(2)). */
#define LOG_LINE_MAX 4096
#define LOG_TAG_MAX 64

struct level_names {
	int priority;		/* syslog(3) and sd-daemon(3) use the same numbers */
	const char *word;
};

static const struct level_names levels[] = {
	[LOG_LEVEL_ERROR] = { LOG_ERR, "error: " },
	[LOG_LEVEL_WARNING] = { LOG_WARNING, "warning: " },
	[LOG_LEVEL_INFO] = { LOG_INFO, "" },
	[LOG_LEVEL_DEBUG] = { LOG_DEBUG, "debug: " },
};
static const struct level_names panic_level = { LOG_CRIT, "panic: " };

/* Written by log_open() alone, before threads start; read by everybody afterwards. */
static const char *log_ident;
static enum log_target log_destination = LOG_TARGET_STDERR;
static enum log_level log_max_level = LOG_LEVEL_INFO;
static int stderr_is_journal;
/* Set in this order, looked at in the other. */
static void *_Atomic log_witness_context;
static log_witness_fn *_Atomic log_witness;

static _Thread_local char thread_tag[LOG_TAG_MAX];

/*
 * systemd.exec(5): JOURNAL_STREAM is "device:inode" of the journal's end of stderr; a redirected
 * stderr differs.
 */
static int is_journal(int fd)
{
	const char *text = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat status;

	if (text == NULL || sscanf(text, "%llu:%llu", &device, &inode) != 2 ||
	    fstat(fd, &status) != 0)
		return 0;
	return device == (unsigned long long)status.st_dev &&
	       inode == (unsigned long long)status.st_ino;
}

void log_open(const char *ident, enum log_target target, enum log_level max_level)
{
	log_ident = ident;
	log_destination = target;
	log_max_level = max_level;
	stderr_is_journal = is_journal(STDERR_FILENO);
	if (target == LOG_TARGET_SYSLOG)
		openlog(ident, LOG_PID, LOG_MAIL);
}

void log_set_witness(log_witness_fn *witness, void *context)
{
	log_witness_context = context;
	log_witness = witness;
}

void log_set_tag(const char *tag)
{
	if (tag == NULL)
		tag = "";
	log_printable(thread_tag, sizeof(thread_tag), tag, strlen(tag));
}

const char *log_tag(void)
{
	return thread_tag;
}

static void write_line(const char *line, size_t length)
{
	while (write(STDERR_FILENO, line, length) < 0 && errno == EINTR)
		;
}

static size_t print_prefix(char *line, size_t size, const struct level_names *level)
{
	int length;

	if (stderr_is_journal)
		length = snprintf(line, size, "<%d>", level->priority);
	else
		length = snprintf(line, size, "%s%s", log_ident ? log_ident : "",
				  log_ident ? ": " : "");
	return length < 0 ? 0 : (size_t)length < size ? (size_t)length : size - 1;
}

/*
 * Prints into text[size], always leaving a terminated string without control bytes; returns its
 * length.
 */
__attribute__((format(printf, 4, 0)))
static size_t print_message(char *text, size_t size, const struct level_names *level,
			    const char *format, va_list arguments)
{
	const char *colon = thread_tag[0] != '\0' ? ": " : "";
	int head, length;
	size_t used;

	head = snprintf(text, size, "%s%s%s", level->word, thread_tag, colon);
	if (head < 0 || (size_t)head >= size)
		head = 0;
	length = vsnprintf(text + head, size - (size_t)head, format, arguments);
	if (length < 0)
		length = snprintf(text + head, size - (size_t)head, "(unprintable: %s)", format);
	if ((size_t)head + (size_t)length >= size)
		memcpy(text + size - 4, "...", 4);
	used = strlen(text);
	for (size_t i = 0; i < used; i++)
		if (((unsigned char)text[i] < ' ' && text[i] != '\t') || text[i] == 0x7f)
			text[i] = '?';
	return used;
}

__attribute__((format(printf, 2, 0)))
static void emit(const struct level_names *level, const char *format, va_list arguments)
{
	char line[LOG_LINE_MAX];
	size_t prefix = 0, length;
	log_witness_fn *witness;
	int saved_errno = errno;

	if (log_destination == LOG_TARGET_SYSLOG) {
		print_message(line, sizeof(line), level, format, arguments);
		syslog(LOG_MAIL | level->priority, "%s", line);
	} else {
		prefix = print_prefix(line, LOG_LINE_MAX / 2, level);
		length = prefix + print_message(line + prefix, sizeof(line) - prefix, level, format,
						arguments);
		line[length] = '\n';	/* where the NUL was */
		write_line(line, length + 1);
		line[length] = '\0';
	}
	witness = log_witness;
	if (witness != NULL)
		witness(log_witness_context, line + prefix);
	errno = saved_errno;
}

#define EMIT(which)						\
	do {							\
		va_list arguments;				\
								\
		if ((which) > log_max_level)			\
			return;					\
		va_start(arguments, format);			\
		emit(&levels[which], format, arguments);	\
		va_end(arguments);				\
	} while (0)

void log_error(const char *format, ...)
{
	EMIT(LOG_LEVEL_ERROR);
}

void log_warning(const char *format, ...)
{
	EMIT(LOG_LEVEL_WARNING);
}

void log_info(const char *format, ...)
{
	EMIT(LOG_LEVEL_INFO);
}

void log_debug(const char *format, ...)
{
	EMIT(LOG_LEVEL_DEBUG);
}

void log_panic(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	emit(&panic_level, format, arguments);
	va_end(arguments);
	abort();
}

char *log_printable(char *out, size_t out_size, const char *peer_text, size_t length)
{
	size_t used = 0;

	if (out_size == 0)
		return out;
	for (; used < length && used < out_size - 1; used++) {
		unsigned char byte = (unsigned char)peer_text[used];

		out[used] = byte >= ' ' && byte < 0x7f ? (char)byte : '?';
	}
	out[used] = '\0';
	return out;
}
