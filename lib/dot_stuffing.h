/*
 * Content in SMTP wire form (RFC 5321 4.5.2): CRLF line ends, leading dots doubled, ended by CRLF "." CRLF.
 * It is passed on verbatim, never unstuffed; this module only finds its end and proves that nothing else in it
 * can be taken for one (CVE-2023-51764 and relatives). Chunk safe: input may be cut anywhere.
 */
#ifndef DOT_STUFFING_H
#define DOT_STUFFING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What to do with a CR not followed by LF, or a LF not preceded by CR. */
enum stray_cr_lf { STRAY_CR_LF_SPACE, STRAY_CR_LF_REJECT };

struct dot_scanner {
	int state;		/* private */
	uint64_t strays;	/* stray CR or LF replaced (or, with REJECT, seen) so far */
};

void dot_scanner_init(struct dot_scanner *scanner);

/*
 * Reads from `in` until the end of data or the end of the chunk and writes the content, without the final dot line
 * (the CRLF before the dot belongs to the content), to `out`. out needs in_length + 4 bytes (bytes held back from the chunk before).
 * *used_out: bytes of `in` consumed (what follows end-of-data is the next command). *made_out: bytes written.
 * Stray CR and LF become one space each. Returns true when the end was found.
 */
bool dot_scanner_scan(struct dot_scanner *scanner, const char *in, size_t in_length, size_t *used_out, char *out,
		      size_t *made_out);

/*
 * The receiving side of the tunnel: checks that content which arrives without the final dot line is sound: only
 * CRLF, no lone "." line inside, ends with CRLF (or is empty).
 */
struct dot_verifier {
	int state;
};
void dot_verifier_init(struct dot_verifier *verifier);
/* false as soon as the content is unsound; it stays false. */
bool dot_verifier_feed(struct dot_verifier *verifier, const void *bytes, size_t length);
/* Is the content sound and complete? */
bool dot_verifier_finish(const struct dot_verifier *verifier);

#endif
