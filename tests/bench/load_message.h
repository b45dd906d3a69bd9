/* The content of one message in wire form, made once per session and changed in its number and time only. */
#ifndef LOAD_MESSAGE_H
#define LOAD_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

struct load_message {
	char *bytes;
	size_t length;
	char *stamp;		/* where number and time stand in it */
};

/* About `size` bytes, at least the header. Ends the process when memory is out. */
void load_message_make(struct load_message *message, size_t size);
void load_message_stamp(struct load_message *message, uint32_t number, int64_t now_us);
void load_message_free(struct load_message *message);

#endif
