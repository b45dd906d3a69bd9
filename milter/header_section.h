/*
 * The header section of a message in a file, in fields as Postfix would give them to a milter: for
 * looking at a message without Postfix.
 */
#ifndef HEADER_SECTION_H
#define HEADER_SECTION_H

#include <stddef.h>
#include <stdio.h>

#include "message.h"

/*
 * Reads `in`, lines ending in LF or CRLF, up to the end of the header section, and adds its fields
 * within the bounds of message_add_field(); nothing is held beyond size_limit. 0, or -1 with errno:
 * the file cannot be read, or there is no memory.
 */
int header_section_read(struct message *message, FILE *in, size_t count_limit, size_t size_limit);

#endif
