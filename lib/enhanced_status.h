/* Enhanced mail system status codes, RFC 3463 and RFC 2034: class.subject.detail. */
#ifndef ENHANCED_STATUS_H
#define ENHANCED_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct enhanced_status {
	uint8_t class;		/* 2, 4, 5; 0 = none given */
	uint16_t subject;	/* 0..999 */
	uint16_t detail;	/* 0..999 */
};

#define ENHANCED_STATUS(c, s, d) ((struct enhanced_status){ (c), (s), (d) })
#define ENHANCED_STATUS_NONE ENHANCED_STATUS(0, 0, 0)
#define ENHANCED_STATUS_TEXT_MAX 12

/*
 * Parses "2.1.5" at the start of text, followed by white space or the end. Returns the bytes used (without white
 * space), or 0 if there is none. Leading zeros and classes other than 2, 4, 5 are none.
 */
size_t enhanced_status_parse(struct enhanced_status *status, const char *text, size_t length);
char *enhanced_status_print(struct enhanced_status status, char *out, size_t size);
bool enhanced_status_is_given(struct enhanced_status status);
/* The same subject and detail with the class of a reply code (2xx, 4xx, 5xx), x.0.0 when none was given. */
struct enhanced_status enhanced_status_for_code(struct enhanced_status status, int code);

#endif
