/* The one message of `postern test`: what it says, and how it is given to Postfix. */
#ifndef TEST_MESSAGE_H
#define TEST_MESSAGE_H

#include <stddef.h>

#define TEST_MESSAGE_TOKEN_MAX 40

struct test_message {
	char token[TEST_MESSAGE_TOKEN_MAX];	/* stands in its Message-ID, and in no other */
	const char *sender;	/* NULL: sendmail's default */
	const char *recipient;
};

/* Draws the token. */
void test_message_init(struct test_message *message, const char *sender, const char *recipient);
/*
 * Runs `sendmail` with it. EX_OK, or an exit code with error: sendmail's own, or EX_OSERR, EX_UNAVAILABLE if it cannot be run.
 * What sendmail says goes to standard error.
 */
int test_message_send(const struct test_message *message, const char *sendmail, char *error, size_t error_size);

#endif
