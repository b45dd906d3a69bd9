/* Takes the five attributes that tell a certificate; everything else is Postfix's business. */
#include "policy_request.h"

#include <string.h>

static const struct attribute {
	const char *name;
	size_t offset, size;
} attributes[] = {
#define ATTRIBUTE(member) { #member, offsetof(struct policy_request, member), sizeof(((struct policy_request *)0)->member) }
	ATTRIBUTE(client_address),
	ATTRIBUTE(client_port),
	ATTRIBUTE(sender),
	ATTRIBUTE(ccert_fingerprint),
	ATTRIBUTE(ccert_pubkey_fingerprint),
};

/* -1 if the line is no attribute. */
static int take_line(struct policy_request *request, const char *line, size_t length)
{
	const char *equals = memchr(line, '=', length);
	size_t name_length = equals != NULL ? (size_t)(equals - line) : 0, value_length;

	if (name_length == 0 || memchr(line, '\0', length) != NULL)
		return -1;
	value_length = length - name_length - 1;
	for (size_t i = 0; i < sizeof(attributes) / sizeof(attributes[0]); i++) {
		const struct attribute *attribute = &attributes[i];

		if (strlen(attribute->name) != name_length || memcmp(attribute->name, line, name_length) != 0 ||
		    value_length >= attribute->size)
			continue;
		memcpy((char *)request + attribute->offset, equals + 1, value_length);
		((char *)request + attribute->offset)[value_length] = '\0';
	}
	return 0;
}

ptrdiff_t policy_request_parse(struct policy_request *request, const char *text, size_t length)
{
	const char *line = text, *const end = text + length;

	memset(request, 0, sizeof(*request));
	while (line < end) {
		const char *line_feed = memchr(line, '\n', (size_t)(end - line));

		if (line_feed == NULL)
			break;
		if (line_feed == line)
			return line + 1 - text;
		if (take_line(request, line, (size_t)(line_feed - line)) < 0)
			return -1;
		line = line_feed + 1;
	}
	return length >= POLICY_REQUEST_MAX ? -1 : 0;
}
