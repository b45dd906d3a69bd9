/* How long ago something was, for people: "5 seconds", "3 minutes, 2 seconds", "1 day, 4 hours". */
#ifndef AGE_TEXT_H
#define AGE_TEXT_H

#include <stddef.h>

/* The two largest units, the second one only if it is not 0. 64 bytes are always enough. Returns out. */
char *age_text_print(char *out, size_t size, long long seconds);

#endif
