/* The one message of `postern test`: what it says, and how it is given to Postfix. */
#ifndef TEST_MESSAGE_H
#define TEST_MESSAGE_H

#include <stddef.h>

#include "lib/deadline.h"

#define TEST_MESSAGE_TOKEN_MAX 40

struct test_message {
	char token[TEST_MESSAGE_TOKEN_MAX];	/* stands in its Message-ID, and in no other */
	const char *sender;	/* NULL: sendmail's default */
	const char *recipient;
};

/* Draws the token. */
void test_message_init(struct test_message *message, const char *sender, const char *recipient);
/*
 * Runs `sendmail` with it. 0, or -1 with error: it cannot be run, did not take the message, or had not ended at the deadline, when
 * it is killed (Postfix's waits for room on a full disk for ever). What sendmail says goes to standard error.
 */
int test_message_send(const struct test_message *message, const char *sendmail, struct deadline deadline, char *error,
		      size_t error_size);

#endif
