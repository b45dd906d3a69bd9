/*
 * Text with LF line ends, as pipe(8) gives it, to SMTP wire form (RFC 5321 4.5.2): CRLF line ends,
 * a leading dot doubled, end of data. A CR LF that is there already stays one line end. Chunk safe.
 */
#ifndef WIRE_FORM_H
#define WIRE_FORM_H

#include <stdbool.h>
#include <stddef.h>

struct wire_form {
	bool in_line; /* the last byte was not a line end */
	bool after_cr;
};

/* Room that `length` bytes of input need at most. */
#define WIRE_FORM_ROOM(length) (2 * (length))
/* And the end. */
#define WIRE_FORM_END_ROOM 5

void wire_form_init(struct wire_form *form);
/* Returns the bytes written to `out`. */
size_t wire_form_convert(struct wire_form *form, const char *in, size_t length, char *out);
/* Closes an open last line, and the data. */
size_t wire_form_end(struct wire_form *form, char *out);

#endif
