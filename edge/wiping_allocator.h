/*
 * Memory is wiped when it is given back, whoever used it: the edge defines free(3) and realloc(3) itself, and the libraries
 * (OpenSSL, ldns) call these. There is nothing to call here; who includes this says that the program depends on it.
 */
#ifndef WIPING_ALLOCATOR_H
#define WIPING_ALLOCATOR_H

#include <stdbool.h>

/* false: a sanitizer's allocator is in use, which keeps what is freed in its own way. */
bool wiping_allocator_is_active(void);

#endif
