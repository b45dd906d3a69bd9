/*
 * Takes the rdata of single records over into memory of our own. Nothing here follows a name or
 * believes a length: ldns has found the bounds of each field, and a field that is not as the type
 * wants it makes the record malformed.
 */
#include "dns_record.h"

#include <ldns/ldns.h>
#include <stdlib.h>
#include <string.h>

#include "dns_name.h"

const char *dns_type_name(enum dns_type type)
{
	switch (type) {
	case DNS_TYPE_A:
		return "A";
	case DNS_TYPE_AAAA:
		return "AAAA";
	case DNS_TYPE_MX:
		return "MX";
	case DNS_TYPE_PTR:
		return "PTR";
	case DNS_TYPE_CNAME:
		return "CNAME";
	case DNS_TYPE_TLSA:
		return "TLSA";
	case DNS_TYPE_TXT:
		return "TXT";
	}
	return "?";
}

uint16_t dns_type_number(enum dns_type type)
{
	switch (type) {
	case DNS_TYPE_A:
		return LDNS_RR_TYPE_A;
	case DNS_TYPE_AAAA:
		return LDNS_RR_TYPE_AAAA;
	case DNS_TYPE_MX:
		return LDNS_RR_TYPE_MX;
	case DNS_TYPE_PTR:
		return LDNS_RR_TYPE_PTR;
	case DNS_TYPE_CNAME:
		return LDNS_RR_TYPE_CNAME;
	case DNS_TYPE_TLSA:
		return LDNS_RR_TYPE_TLSA;
	case DNS_TYPE_TXT:
		return LDNS_RR_TYPE_TXT;
	}
	return LDNS_RR_TYPE_NULL;
}

bool dns_record_is(const ldns_rr *record, const char *owner, enum dns_type type)
{
	char name[DNS_NAME_MAX + 1];

	return ldns_rr_get_type(record) == dns_type_number(type) &&
	       ldns_rr_get_class(record) == LDNS_RR_CLASS_IN && ldns_rr_owner(record) != NULL &&
	       dns_name_from_wire(name, ldns_rr_owner(record)) && strcmp(name, owner) == 0;
}

/* Rdata of exactly this many bytes at this place, or NULL. */
static const uint8_t *rdata_of(const ldns_rr *record, size_t index, size_t size)
{
	const ldns_rdf *rdf = index < ldns_rr_rd_count(record) ? ldns_rr_rdf(record, index) : NULL;

	return rdf != NULL && ldns_rdf_size(rdf) == size ? ldns_rdf_data(rdf) : NULL;
}

const ldns_rdf *dns_record_target(const ldns_rr *record)
{
	const ldns_rdf *name = ldns_rr_rd_count(record) > 0 ? ldns_rr_rdf(record, 0) : NULL;

	return name != NULL && ldns_rdf_get_type(name) == LDNS_RDF_TYPE_DNAME ? name : NULL;
}

static bool read_mx(struct dns_records *records, const ldns_rr *record)
{
	const uint8_t *preference = rdata_of(record, 0, 2);
	const ldns_rdf *exchange = ldns_rr_rd_count(record) > 1 ? ldns_rr_rdf(record, 1) : NULL;
	struct dns_mx *mx = &records->mx[records->count];

	if (preference == NULL || exchange == NULL ||
	    ldns_rdf_get_type(exchange) != LDNS_RDF_TYPE_DNAME)
		return false;
	mx->preference = (uint16_t)(preference[0] << 8 | preference[1]);
	dns_name_from_wire(mx->exchange, exchange);
	return true;
}

static bool read_name(struct dns_records *records, const ldns_rr *record)
{
	const ldns_rdf *name = dns_record_target(record);

	if (name == NULL)
		return false;
	dns_name_from_wire(records->mx[records->count].exchange, name);
	return true;
}

static bool read_address(struct dns_records *records, const ldns_rr *record, enum dns_type type)
{
	struct sockaddr_storage *address = &records->addresses[records->count];
	const uint8_t *bytes = rdata_of(record, 0, type == DNS_TYPE_A ? 4 : 16);

	if (bytes == NULL)
		return false;
	memset(address, 0, sizeof(*address));
	if (type == DNS_TYPE_A) {
		address->ss_family = AF_INET;
		memcpy(&((struct sockaddr_in *)address)->sin_addr, bytes, 4);
	} else {
		address->ss_family = AF_INET6;
		memcpy(&((struct sockaddr_in6 *)address)->sin6_addr, bytes, 16);
	}
	return true;
}

/* The data may be of any length; what it must be is RFC 6698's business, and dane.c's. */
static bool read_tlsa(struct dns_records *records, const ldns_rr *record)
{
	const uint8_t *usage = rdata_of(record, 0, 1), *selector = rdata_of(record, 1, 1);
	const uint8_t *matching_type = rdata_of(record, 2, 1);
	const ldns_rdf *data = ldns_rr_rd_count(record) > 3 ? ldns_rr_rdf(record, 3) : NULL;
	struct dns_tlsa *tlsa = &records->tlsa[records->count];
	size_t length = data != NULL ? ldns_rdf_size(data) : 0;

	if (usage == NULL || selector == NULL || matching_type == NULL)
		return false;
	tlsa->data = malloc(length > 0 ? length : 1);
	if (tlsa->data == NULL)
		return false;
	if (length > 0)
		memcpy(tlsa->data, ldns_rdf_data(data), length);
	tlsa->usage = *usage;
	tlsa->selector = *selector;
	tlsa->matching_type = *matching_type;
	tlsa->length = length;
	return true;
}

/* RFC 1035 3.3.14: one or more strings, each with its length before it. */
static bool read_txt(struct dns_records *records, const ldns_rr *record)
{
	size_t size = 1, used = 0;
	char *text;

	if (ldns_rr_rd_count(record) == 0)
		return false;
	for (size_t i = 0; i < ldns_rr_rd_count(record); i++)
		size += ldns_rdf_size(ldns_rr_rdf(record, i));
	text = malloc(size);
	if (text == NULL)
		return false;
	for (size_t i = 0; i < ldns_rr_rd_count(record); i++) {
		const ldns_rdf *rdf = ldns_rr_rdf(record, i);

		for (size_t at = 1; at < ldns_rdf_size(rdf); at++) {
			uint8_t byte = ldns_rdf_data(rdf)[at];

			text[used++] = byte >= ' ' && byte <= '~' ? (char)byte : '?';
		}
	}
	text[used] = '\0';
	records->txt[records->count] = text;
	return true;
}

int dns_records_allocate(struct dns_records *records, enum dns_type type, size_t count)
{
	switch (type) {
	case DNS_TYPE_MX:
	case DNS_TYPE_PTR:
	case DNS_TYPE_CNAME:
		records->mx = calloc(count, sizeof(*records->mx));
		return records->mx != NULL ? 0 : -1;
	case DNS_TYPE_A:
	case DNS_TYPE_AAAA:
		records->addresses = calloc(count, sizeof(*records->addresses));
		return records->addresses != NULL ? 0 : -1;
	case DNS_TYPE_TLSA:
		records->tlsa = calloc(count, sizeof(*records->tlsa));
		return records->tlsa != NULL ? 0 : -1;
	case DNS_TYPE_TXT:
		records->txt = calloc(count, sizeof(*records->txt));
		return records->txt != NULL ? 0 : -1;
	}
	return -1;
}

static bool read_record(struct dns_records *records, const ldns_rr *record, enum dns_type type)
{
	switch (type) {
	case DNS_TYPE_MX:
		return read_mx(records, record);
	case DNS_TYPE_PTR:
	case DNS_TYPE_CNAME:
		return read_name(records, record);
	case DNS_TYPE_A:
	case DNS_TYPE_AAAA:
		return read_address(records, record, type);
	case DNS_TYPE_TLSA:
		return read_tlsa(records, record);
	case DNS_TYPE_TXT:
		return read_txt(records, record);
	}
	return false;
}

bool dns_records_add(struct dns_records *records, const ldns_rr *record, enum dns_type type)
{
	if (!read_record(records, record, type))
		return false;
	records->count++;
	return true;
}

void dns_tlsa_free(struct dns_tlsa *tlsa, size_t count)
{
	for (size_t i = 0; tlsa != NULL && i < count; i++)
		free(tlsa[i].data);
	free(tlsa);
}

void dns_txt_free(char **txt, size_t count)
{
	for (size_t i = 0; txt != NULL && i < count; i++)
		free(txt[i]);
	free(txt);
}

void dns_records_wipe(struct dns_records *records)
{
	free(records->mx);
	free(records->addresses);
	dns_tlsa_free(records->tlsa, records->count);
	dns_txt_free(records->txt, records->count);
	memset(records, 0, sizeof(*records));
}
