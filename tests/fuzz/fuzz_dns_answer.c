/*
 * Arbitrary bytes as an answer to a question (case 51). Byte 0 chooses the type asked for; the id
 * is made to fit, so that every input gets past the first check. libFuzzer entry point; the corpus
 * holds real answers.
 *
 * feeds: DNS messages
 * covers: dns/dns_message.c:collect, find_cname, follow_aliases, has_soa, evaluate,
 *     dns_message_read dns/dns_record.c dns/dns_name.c:dns_name_from_wire
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "dns/dns_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

/* What text there is can be logged. */
static void check_text(const char *text, char lowest)
{
	for (; *text != '\0'; text++)
		if (*text < lowest || *text > '~')
			abort();
}

/* For the sanitizer: every byte of it is there. */
static void check_data(const struct dns_tlsa *tlsa)
{
	size_t sum = 0;

	for (size_t i = 0; i < tlsa->length; i++)
		sum += tlsa->data[i];
	if (sum > tlsa->length * UINT8_MAX)
		abort();
}

/* The members that this type does not use are empty. */
static void check_records(const struct dns_records *records, enum dns_type type)
{
	bool has_names = type == DNS_TYPE_MX || type == DNS_TYPE_CNAME;

	if ((records->tlsa != NULL && type != DNS_TYPE_TLSA) ||
	    (records->mx != NULL && !has_names) || (records->txt != NULL && type != DNS_TYPE_TXT))
		abort();
	for (size_t i = 0; i < records->count; i++) {
		if (has_names)
			check_text(records->mx[i].exchange, '!');
		if (type == DNS_TYPE_TXT)
			check_text(records->txt[i], ' ');
		if (type == DNS_TYPE_TLSA)
			check_data(&records->tlsa[i]);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	static const enum dns_type types[] = { DNS_TYPE_A,    DNS_TYPE_MX,  DNS_TYPE_AAAA,
					       DNS_TYPE_TLSA, DNS_TYPE_TXT, DNS_TYPE_CNAME };
	struct dns_question question = { .name = "example.com" };
	struct dns_message message = { .aliases = 0 };
	enum dns_reading reading;

	if (length < 3)
		return 0;
	question.type = types[bytes[0] % (sizeof(types) / sizeof(types[0]))];
	question.id = (uint16_t)(bytes[1] << 8 | bytes[2]);
	reading = dns_message_read(bytes + 1, length - 1, &question, &message);
	if ((reading == DNS_READ_FOUND) != (message.records.count > 0) ||
	    message.records.count > DNS_RECORDS_MAX || message.aliases > DNS_CNAME_MAX + 1 ||
	    strlen(message.name) > DNS_NAME_MAX)
		abort();
	check_records(&message.records, question.type);
	dns_message_wipe(&message);
	return 0;
}
