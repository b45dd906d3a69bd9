/*
 * Host names out of text and out of a packet, bounded and checked (RFC 1035 2.3.4, 3.1). Whatever
 * leaves this file can be logged.
 */
#include "dns_name.h"

#include <ctype.h>
#include <ldns/ldns.h>
#include <string.h>

#define LABEL_MAX 63
#define NAME_TEXT_MAX 253

static bool is_label_byte(unsigned char byte)
{
	return byte < 0x80 && (isalnum(byte) || byte == '-' || byte == '_');
}

bool dns_name_copy(char out[DNS_NAME_MAX + 1], const char *name)
{
	size_t length = strlen(name), label = 0;

	if (length > 0 && name[length - 1] == '.')
		length--;
	if (length == 0 || length > NAME_TEXT_MAX)
		return false;
	for (size_t i = 0; i < length; i++) {
		if (name[i] == '.' && label == 0)
			return false;
		label = name[i] == '.' ? 0 : label + 1;
		if (label > LABEL_MAX || (name[i] != '.' && !is_label_byte((unsigned char)name[i])))
			return false;
		out[i] = (char)tolower((unsigned char)name[i]);
	}
	out[length] = '\0';
	return label > 0;
}

bool dns_name_from_wire(char out[DNS_NAME_MAX + 1], const struct ldns_struct_rdf *dname)
{
	const uint8_t *bytes = ldns_rdf_data(dname);
	size_t size = ldns_rdf_size(dname), at = 0, used = 0;
	bool is_clean = true;

	while (at < size && bytes[at] != 0) {
		size_t label = bytes[at++];

		if (label > LABEL_MAX || label > size - at || used + label + 1 > DNS_NAME_MAX) {
			is_clean = false;
			break;
		}
		if (used > 0)
			out[used++] = '.';
		for (; label > 0; label--, at++) {
			bool is_good = is_label_byte(bytes[at]);

			out[used++] = is_good ? (char)tolower(bytes[at]) : '?';
			is_clean = is_clean && is_good;
		}
	}
	out[used] = '\0';
	return is_clean;
}
