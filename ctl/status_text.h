/* A status document (status_document.h) for people, in the manner of `wg show`. */
#ifndef STATUS_TEXT_H
#define STATUS_TEXT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/*
 * Prints it. Destinations where nothing is under way and that are not slowed are counted after the
 * first few, unless `is_all`. now: seconds since the epoch. Whatever is in the document, no control
 * character is printed but line feeds.
 */
void status_text_print(const json_t *document, bool is_all, long long now, FILE *out);

#endif
