/*
 * Arbitrary bytes as an answer to a question (case 51). Byte 0 chooses the type asked for; the id
 * is made to fit, so that every input gets past the first check. libFuzzer entry point; the corpus
 * holds real answers.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "edge/dns_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	static const enum dns_type types[] = { DNS_TYPE_A, DNS_TYPE_MX, DNS_TYPE_AAAA };
	struct dns_question question = { .name = "example.com" };
	struct dns_message message = { .aliases = 0 };
	enum dns_reading reading;

	if (length < 3)
		return 0;
	question.type = types[bytes[0] % 3];
	question.id = (uint16_t)(bytes[1] << 8 | bytes[2]);
	reading = dns_message_read(bytes + 1, length - 1, &question, &message);
	if ((reading == DNS_READ_FOUND) != (message.records.count > 0) ||
	    message.records.count > DNS_RECORDS_MAX || message.aliases > DNS_CNAME_MAX + 1 ||
	    strlen(message.name) > DNS_NAME_MAX)
		abort();
	for (size_t i = 0; i < message.records.count && question.type == DNS_TYPE_MX; i++)
		for (const char *at = message.records.mx[i].exchange; *at != '\0'; at++)
			if (*at <= ' ' || *at > '~')
				abort();
	dns_message_wipe(&message);
	return 0;
}
