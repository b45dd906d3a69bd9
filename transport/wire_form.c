/* Byte by byte: pipe(8) starts a process for each message, so this is never what takes the time. */
#include "wire_form.h"

#include <string.h>

void wire_form_init(struct wire_form *form)
{
	form->in_line = false;
	form->after_cr = false;
}

size_t wire_form_convert(struct wire_form *form, const char *in, size_t length, char *out)
{
	char *to = out;

	for (size_t i = 0; i < length; i++) {
		if (in[i] == '\n' && !form->after_cr)
			*to++ = '\r';
		if (in[i] == '.' && !form->in_line)
			*to++ = '.';
		*to++ = in[i];
		form->in_line = in[i] != '\n';
		form->after_cr = in[i] == '\r';
	}
	return (size_t)(to - out);
}

size_t wire_form_end(struct wire_form *form, char *out)
{
	size_t made = 0;

	if (form->in_line)
		made = wire_form_convert(form, "\n", 1, out);
	memcpy(out + made, ".\r\n", 3);
	return made + 3;
}
