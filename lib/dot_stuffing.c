/*
 * The end of mail data (RFC 5321 4.1.1.4, 4.5.2), found without ever changing the content, and
 * proof that the content holds no second one. Lines end in CRLF and nothing else; end of data is
 * CRLF "." CRLF and nothing else, where the start of data counts as a line start. So neither LF "."
 * LF nor CR LF "." CR CR LF nor any other near miss (CVE-2023-51764, -51765, -51766) can end a
 * message here, and as stray CR and LF do not survive the scanner, a server that is laxer than we
 * are cannot be led to see an end of data either. NUL and long lines pass as they are.
 *
 *   content     = *( [ "." ] line CRLF )      ; "." alone is not a line
 *   end-of-data = "." CRLF                    ; at a line start
 *
 * Every byte of every message goes through here, so runs without CR and LF are found by memchr and
 * moved as a whole.
 */
#include "dot_stuffing.h"

#include <string.h>

enum scan_state {
	SCAN_LINE_START,
	SCAN_IN_LINE,
	SCAN_AFTER_CR,		/* the CR is held back */
	SCAN_AFTER_DOT,		/* a dot at line start, held back */
	SCAN_AFTER_DOT_CR,	/* both held back */
	SCAN_END_OF_DATA,
	SCAN_UNSOUND,		/* verifier only */
};

/*
 * The next CR and LF of a chunk. Each is looked for only when the one found before was passed,
 * which keeps chunks full of CR, or of LF, linear.
 */
struct line_ends {
	const char *cr, *lf, *end;
};

static const char *find(const char *from, const char *end, char byte)
{
	const char *found = from < end ? memchr(from, byte, (size_t)(end - from)) : NULL;

	return found != NULL ? found : end;
}

static void line_ends_init(struct line_ends *ends, const char *in, size_t length)
{
	ends->end = length > 0 ? in + length : in;	/* an empty chunk may be NULL */
	ends->cr = find(in, ends->end, '\r');
	ends->lf = find(in, ends->end, '\n');
}

/* The first CR or LF at or after `from`, or the end of the chunk. */
static const char *line_ends_next(struct line_ends *ends, const char *from)
{
	if (ends->cr < from)
		ends->cr = find(from, ends->end, '\r');
	if (ends->lf < from)
		ends->lf = find(from, ends->end, '\n');
	return ends->cr < ends->lf ? ends->cr : ends->lf;
}

void dot_scanner_init(struct dot_scanner *scanner)
{
	scanner->state = SCAN_LINE_START;
	scanner->strays = 0;
}

static char *put_stray(struct dot_scanner *scanner, char *out)
{
	scanner->strays++;
	*out++ = ' ';
	return out;
}

/*
 * A byte that is neither CR nor LF, and not the dot at a line start: the run it begins needs no
 * more looking at.
 */
static char *scan_text(struct dot_scanner *scanner, char byte, char *out)
{
	if (scanner->state == SCAN_AFTER_DOT || scanner->state == SCAN_AFTER_DOT_CR)
		*out++ = '.';
	if (scanner->state == SCAN_AFTER_CR || scanner->state == SCAN_AFTER_DOT_CR)
		out = put_stray(scanner, out);
	*out++ = byte;
	scanner->state = SCAN_IN_LINE;
	return out;
}

static char *scan_cr(struct dot_scanner *scanner, char *out)
{
	switch ((enum scan_state)scanner->state) {
	case SCAN_LINE_START:
	case SCAN_IN_LINE:
		scanner->state = SCAN_AFTER_CR;
		break;
	case SCAN_AFTER_CR:		/* of CR CR the first is the stray */
		out = put_stray(scanner, out);
		break;
	case SCAN_AFTER_DOT:
		scanner->state = SCAN_AFTER_DOT_CR;
		break;
	case SCAN_AFTER_DOT_CR:
		*out++ = '.';
		out = put_stray(scanner, out);
		scanner->state = SCAN_AFTER_CR;
		break;
	case SCAN_END_OF_DATA:
	case SCAN_UNSOUND:
		break;
	}
	return out;
}

static char *scan_lf(struct dot_scanner *scanner, char *out)
{
	switch ((enum scan_state)scanner->state) {
	case SCAN_AFTER_CR:
		*out++ = '\r';
		*out++ = '\n';
		scanner->state = SCAN_LINE_START;
		break;
	case SCAN_AFTER_DOT_CR:
		scanner->state = SCAN_END_OF_DATA;
		break;
	case SCAN_AFTER_DOT:
		*out++ = '.';
		/* fallthrough */
	case SCAN_LINE_START:
	case SCAN_IN_LINE:
		out = put_stray(scanner, out);
		scanner->state = SCAN_IN_LINE;
		break;
	case SCAN_END_OF_DATA:
	case SCAN_UNSOUND:
		break;
	}
	return out;
}

bool dot_scanner_scan(struct dot_scanner *scanner, const char *in, size_t in_length,
		      size_t *used_out, char *out, size_t *made_out)
{
	const char *at = in, *run_end;
	char *to = out;
	struct line_ends ends;

	line_ends_init(&ends, in, in_length);
	while (at < ends.end && scanner->state != SCAN_END_OF_DATA) {
		if (scanner->state == SCAN_IN_LINE && (run_end = line_ends_next(&ends, at)) > at) {
			memcpy(to, at, (size_t)(run_end - at));
			to += run_end - at;
			at = run_end;
		} else if (*at == '\r') {
			to = scan_cr(scanner, to);
			at++;
		} else if (*at == '\n') {
			to = scan_lf(scanner, to);
			at++;
		} else if (*at == '.' && scanner->state == SCAN_LINE_START) {
			scanner->state = SCAN_AFTER_DOT;
			at++;
		} else {
			to = scan_text(scanner, *at++, to);
		}
	}
	*used_out = (size_t)(at - in);
	*made_out = (size_t)(to - out);
	return scanner->state == SCAN_END_OF_DATA;
}

void dot_verifier_init(struct dot_verifier *verifier)
{
	verifier->state = SCAN_LINE_START;
}

/*
 * The state after one byte of content. A CR after a dot at line start is either end of data or a
 * stray: unsound.
 */
static enum scan_state verify_byte(enum scan_state state, char byte)
{
	if (state == SCAN_UNSOUND)
		return SCAN_UNSOUND;
	if (state == SCAN_AFTER_CR)
		return byte == '\n' ? SCAN_LINE_START : SCAN_UNSOUND;
	if (byte == '\n')
		return SCAN_UNSOUND;
	if (byte == '\r')
		return state == SCAN_AFTER_DOT ? SCAN_UNSOUND : SCAN_AFTER_CR;
	return byte == '.' && state == SCAN_LINE_START ? SCAN_AFTER_DOT : SCAN_IN_LINE;
}

bool dot_verifier_feed(struct dot_verifier *verifier, const void *bytes, size_t length)
{
	const char *at = bytes, *run_end;
	struct line_ends ends;

	line_ends_init(&ends, at, length);
	while (at < ends.end && verifier->state != SCAN_UNSOUND) {
		if (verifier->state == SCAN_IN_LINE && (run_end = line_ends_next(&ends, at)) > at)
			at = run_end;
		else
			verifier->state = (int)verify_byte((enum scan_state)verifier->state, *at++);
	}
	return verifier->state != SCAN_UNSOUND;
}

bool dot_verifier_finish(const struct dot_verifier *verifier)
{
	return verifier->state == SCAN_LINE_START;
}
