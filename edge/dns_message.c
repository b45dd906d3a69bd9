/*
 * Writes a query and reads its answer (RFC 1035 4, EDNS RFC 6891, DO and AD RFC 4035 3.2 and RFC
 * 6840 5.7). ldns takes the packet apart; this file decides what counts.
 *
 * Only the answer section counts, and in it only records of the name asked for or of a name that a
 * chain of CNAMEs leads to from there, starting at the question (RFC 1034 3.6.2). Records of other
 * names are not looked at, wherever they stand, so that nobody can slip them in. NXDOMAIN speaks
 * about the last name of the chain (RFC 6604 3); NOERROR without records is NODATA, unless a chain
 * leads away and no SOA says that this is all (RFC 2308 2.2). A truncated message is not evaluated
 * at all.
 */
#include "dns_message.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <ldns/ldns.h>
#include <stdio.h>
#include <stdlib.h>
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

static ldns_rr_type rr_type_of(enum dns_type type)
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

size_t dns_message_write_query(uint8_t out[DNS_QUERY_MAX], const struct dns_question *question)
{
	ldns_rdf *name = ldns_dname_new_frm_str(question->name);
	ldns_pkt *packet;
	uint8_t *bytes = NULL;
	size_t length = 0;

	if (name == NULL)
		return 0;
	packet = ldns_pkt_query_new(name, rr_type_of(question->type), LDNS_RR_CLASS_IN, LDNS_RD);
	if (packet == NULL) {
		ldns_rdf_deep_free(name);
		return 0;
	}
	ldns_pkt_set_id(packet, question->id);
	ldns_pkt_set_ad(packet, true);
	ldns_pkt_set_cd(packet, question->checking_disabled);
	ldns_pkt_set_edns_udp_size(packet, DNS_UDP_SIZE);
	ldns_pkt_set_edns_do(packet, true);
	if (ldns_pkt2wire(&bytes, packet, &length) != LDNS_STATUS_OK || length > DNS_QUERY_MAX)
		length = 0;
	if (length > 0)
		memcpy(out, bytes, length);
	free(bytes);
	ldns_pkt_free(packet);
	return length;
}

/*
 * The text of a name in wire form, lower case; "" for the root. false if a byte in it is not a host
 * name's: then '?' stands in its place.
 */
static bool dname_copy(char out[DNS_NAME_MAX + 1], const ldns_rdf *dname)
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

static bool record_is(const ldns_rr *record, const char *owner, ldns_rr_type type)
{
	char name[DNS_NAME_MAX + 1];

	return ldns_rr_get_type(record) == type && ldns_rr_get_class(record) == LDNS_RR_CLASS_IN &&
	       ldns_rr_owner(record) != NULL && dname_copy(name, ldns_rr_owner(record)) &&
	       strcmp(name, owner) == 0;
}

/* RFC 2181 8: a TTL with its highest bit set counts as 0. */
static void use_ttl(struct dns_message *message, const ldns_rr *record)
{
	uint32_t ttl_s = ldns_rr_ttl(record);

	if (ttl_s > INT32_MAX)
		ttl_s = 0;
	if (ttl_s < message->ttl_s)
		message->ttl_s = ttl_s;
}

/* Rdata of exactly this many bytes at this place, or NULL. */
static const uint8_t *rdata_of(const ldns_rr *record, size_t index, size_t size)
{
	const ldns_rdf *rdf = index < ldns_rr_rd_count(record) ? ldns_rr_rdf(record, index) : NULL;

	return rdf != NULL && ldns_rdf_size(rdf) == size ? ldns_rdf_data(rdf) : NULL;
}

static bool add_mx(struct dns_message *message, const ldns_rr *record)
{
	const uint8_t *preference = rdata_of(record, 0, 2);
	const ldns_rdf *exchange = ldns_rr_rd_count(record) > 1 ? ldns_rr_rdf(record, 1) : NULL;
	struct dns_mx *mx = &message->mx[message->count];

	if (preference == NULL || exchange == NULL ||
	    ldns_rdf_get_type(exchange) != LDNS_RDF_TYPE_DNAME)
		return false;
	mx->preference = (uint16_t)(preference[0] << 8 | preference[1]);
	dname_copy(mx->exchange, exchange);
	return true;
}

static bool add_name(struct dns_message *message, const ldns_rr *record)
{
	const ldns_rdf *name = ldns_rr_rd_count(record) > 0 ? ldns_rr_rdf(record, 0) : NULL;

	if (name == NULL || ldns_rdf_get_type(name) != LDNS_RDF_TYPE_DNAME)
		return false;
	dname_copy(message->mx[message->count].exchange, name);
	return true;
}

static bool add_address(struct dns_message *message, const ldns_rr *record, enum dns_type type)
{
	struct sockaddr_storage *address = &message->addresses[message->count];
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
static bool add_tlsa(struct dns_message *message, const ldns_rr *record)
{
	const uint8_t *usage = rdata_of(record, 0, 1), *selector = rdata_of(record, 1, 1);
	const uint8_t *matching_type = rdata_of(record, 2, 1);
	const ldns_rdf *data = ldns_rr_rd_count(record) > 3 ? ldns_rr_rdf(record, 3) : NULL;
	struct dns_tlsa *tlsa = &message->tlsa[message->count];
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
static bool add_txt(struct dns_message *message, const ldns_rr *record)
{
	size_t size = 1, used = 0;
	char *text;

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
	message->txt[message->count] = text;
	return true;
}

static enum dns_reading failed(struct dns_message *message, const char *problem)
{
	dns_message_wipe(message);
	snprintf(message->problem, sizeof(message->problem), "%s", problem);
	return DNS_READ_FAILED;
}

static int records_allocate(struct dns_message *message, enum dns_type type, size_t count)
{
	switch (type) {
	case DNS_TYPE_MX:
	case DNS_TYPE_PTR:
	case DNS_TYPE_CNAME:
		message->mx = calloc(count, sizeof(*message->mx));
		return message->mx != NULL ? 0 : -1;
	case DNS_TYPE_A:
	case DNS_TYPE_AAAA:
		message->addresses = calloc(count, sizeof(*message->addresses));
		return message->addresses != NULL ? 0 : -1;
	case DNS_TYPE_TLSA:
		message->tlsa = calloc(count, sizeof(*message->tlsa));
		return message->tlsa != NULL ? 0 : -1;
	case DNS_TYPE_TXT:
		message->txt = calloc(count, sizeof(*message->txt));
		return message->txt != NULL ? 0 : -1;
	}
	return -1;
}

static bool add_record(struct dns_message *message, const ldns_rr *record, enum dns_type type)
{
	switch (type) {
	case DNS_TYPE_MX:
		return add_mx(message, record);
	case DNS_TYPE_PTR:
	case DNS_TYPE_CNAME:
		return add_name(message, record);
	case DNS_TYPE_A:
	case DNS_TYPE_AAAA:
		return add_address(message, record, type);
	case DNS_TYPE_TLSA:
		return add_tlsa(message, record);
	case DNS_TYPE_TXT:
		return add_txt(message, record);
	}
	return false;
}

/* The records of message->name; DNS_READ_NODATA if there are none. */
static enum dns_reading collect(struct dns_message *message, const ldns_rr_list *section,
				enum dns_type type)
{
	for (size_t i = 0; i < ldns_rr_list_rr_count(section) && message->count < DNS_RECORDS_MAX;
	     i++) {
		const ldns_rr *record = ldns_rr_list_rr(section, i);
		size_t left = ldns_rr_list_rr_count(section) - i;

		if (!record_is(record, message->name, rr_type_of(type)))
			continue;
		if (message->count == 0 &&
		    records_allocate(message, type,
				     left < DNS_RECORDS_MAX ? left : DNS_RECORDS_MAX) != 0)
			return failed(message, "out of memory for the answer");
		if (!add_record(message, record, type))
			return failed(message, "malformed record");
		message->count++;
		use_ttl(message, record);
	}
	return message->count > 0 ? DNS_READ_FOUND : DNS_READ_NODATA;
}

static const ldns_rr *find_cname(const ldns_rr_list *section, const char *owner)
{
	for (size_t i = 0; i < ldns_rr_list_rr_count(section); i++)
		if (record_is(ldns_rr_list_rr(section, i), owner, LDNS_RR_TYPE_CNAME))
			return ldns_rr_list_rr(section, i);
	return NULL;
}

static bool has_soa(const ldns_rr_list *section)
{
	for (size_t i = 0; i < ldns_rr_list_rr_count(section); i++)
		if (ldns_rr_get_type(ldns_rr_list_rr(section, i)) == LDNS_RR_TYPE_SOA)
			return true;
	return false;
}

/* Moves message->name along the CNAMEs in the section. DNS_READ_FOUND: arrived, or no CNAME at all.
 */
static enum dns_reading follow_aliases(struct dns_message *message, const ldns_rr_list *section)
{
	const ldns_rr *alias;

	while ((alias = find_cname(section, message->name)) != NULL) {
		const ldns_rdf *target = ldns_rr_rd_count(alias) > 0 ? ldns_rr_rdf(alias, 0) : NULL;

		if (target == NULL || ldns_rdf_get_type(target) != LDNS_RDF_TYPE_DNAME)
			return failed(message, "malformed record");
		if (++message->aliases > DNS_CNAME_MAX)
			return failed(message, "CNAME loop");
		use_ttl(message, alias);
		/* A name that may not be asked for cannot exist for us. */
		if (!dname_copy(message->name, target) || message->name[0] == '\0')
			return DNS_READ_NXDOMAIN;
	}
	return DNS_READ_FOUND;
}

static enum dns_reading failed_rcode(struct dns_message *message)
{
	const ldns_lookup_table *known = ldns_lookup_by_id(ldns_rcodes, message->rcode);
	char number[32];

	snprintf(number, sizeof(number), "DNS error code %d", message->rcode);
	return failed(message, known != NULL ? known->name : number);
}

static enum dns_reading evaluate(struct dns_message *message, const ldns_pkt *packet,
				 enum dns_type type)
{
	const ldns_rr_list *section = ldns_pkt_answer(packet);
	unsigned aliases_before = message->aliases;
	enum dns_reading reading;

	message->rcode = ldns_pkt_get_rcode(packet) | ldns_pkt_edns_extended_rcode(packet) << 4;
	message->authentic_data = ldns_pkt_ad(packet);
	if (message->rcode != LDNS_RCODE_NOERROR && message->rcode != LDNS_RCODE_NXDOMAIN)
		return failed_rcode(message);
	reading = type == DNS_TYPE_CNAME ? DNS_READ_FOUND : follow_aliases(message, section);
	if (reading != DNS_READ_FOUND)
		return reading;
	if (message->rcode == LDNS_RCODE_NXDOMAIN)
		return DNS_READ_NXDOMAIN;
	reading = collect(message, section, type);
	if (reading == DNS_READ_NODATA && message->aliases > aliases_before &&
	    !has_soa(ldns_pkt_authority(packet)))
		return DNS_READ_ALIAS;
	return reading;
}

static bool answers_question(const ldns_pkt *packet, const struct dns_question *question)
{
	const ldns_rr_list *section = ldns_pkt_question(packet);

	return ldns_pkt_get_opcode(packet) == LDNS_PACKET_QUERY &&
	       ldns_rr_list_rr_count(section) == 1 &&
	       record_is(ldns_rr_list_rr(section, 0), question->name, rr_type_of(question->type));
}

enum dns_reading dns_message_read(const uint8_t *bytes, size_t length,
				  const struct dns_question *question, struct dns_message *message)
{
	enum dns_reading reading;
	ldns_pkt *packet = NULL;

	message->rcode = -1;
	message->authentic_data = false;
	message->ttl_s = UINT32_MAX;
	message->count = 0;
	message->mx = NULL;
	message->addresses = NULL;
	message->tlsa = NULL;
	message->txt = NULL;
	message->problem[0] = '\0';
	memcpy(message->name, question->name, sizeof(message->name));
	/*
	 * Looked at by hand: a message cut off in the middle of a record is no less an answer for
	 * that.
	 */
	if (length < DNS_HEADER_SIZE || (bytes[0] << 8 | bytes[1]) != question->id ||
	    !LDNS_QR_WIRE(bytes))
		return DNS_READ_FOREIGN;
	if (LDNS_TC_WIRE(bytes))
		return DNS_READ_TRUNCATED;
	if (ldns_wire2pkt(&packet, bytes, length) != LDNS_STATUS_OK)
		return failed(message, "malformed answer");
	reading = answers_question(packet, question) ? evaluate(message, packet, question->type)
						     : DNS_READ_FOREIGN;
	ldns_pkt_free(packet);
	return reading;
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

void dns_message_wipe(struct dns_message *message)
{
	free(message->mx);
	free(message->addresses);
	dns_tlsa_free(message->tlsa, message->count);
	dns_txt_free(message->txt, message->count);
	message->mx = NULL;
	message->addresses = NULL;
	message->tlsa = NULL;
	message->txt = NULL;
	message->count = 0;
}
