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

#include <ldns/ldns.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dns_name.h"

size_t dns_message_write_query(uint8_t out[DNS_QUERY_MAX], const struct dns_question *question)
{
	ldns_rdf *name = ldns_dname_new_frm_str(question->name);
	ldns_pkt *packet;
	uint8_t *bytes = NULL;
	size_t length = 0;

	if (name == NULL)
		return 0;
	packet = ldns_pkt_query_new(name, (ldns_rr_type)dns_type_number(question->type),
				    LDNS_RR_CLASS_IN, LDNS_RD);
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

/* RFC 2181 8: a TTL with its highest bit set counts as 0. */
static void use_ttl(struct dns_message *message, const ldns_rr *record)
{
	uint32_t ttl_s = ldns_rr_ttl(record);

	if (ttl_s > INT32_MAX)
		ttl_s = 0;
	if (ttl_s < message->ttl_s)
		message->ttl_s = ttl_s;
}

static enum dns_reading failed(struct dns_message *message, const char *problem)
{
	dns_message_wipe(message);
	snprintf(message->problem, sizeof(message->problem), "%s", problem);
	return DNS_READ_FAILED;
}

/* The records of message->name; DNS_READ_NODATA if there are none. */
static enum dns_reading collect(struct dns_message *message, const ldns_rr_list *section,
				enum dns_type type)
{
	struct dns_records *records = &message->records;

	for (size_t i = 0; i < ldns_rr_list_rr_count(section) && records->count < DNS_RECORDS_MAX;
	     i++) {
		const ldns_rr *record = ldns_rr_list_rr(section, i);
		size_t left = ldns_rr_list_rr_count(section) - i;

		if (!dns_record_is(record, message->name, type))
			continue;
		if (records->count == 0 &&
		    dns_records_allocate(records, type,
					 left < DNS_RECORDS_MAX ? left : DNS_RECORDS_MAX) != 0)
			return failed(message, "out of memory for the answer");
		if (!dns_records_add(records, record, type))
			return failed(message, "malformed record");
		use_ttl(message, record);
	}
	return records->count > 0 ? DNS_READ_FOUND : DNS_READ_NODATA;
}

static const ldns_rr *find_cname(const ldns_rr_list *section, const char *owner)
{
	for (size_t i = 0; i < ldns_rr_list_rr_count(section); i++)
		if (dns_record_is(ldns_rr_list_rr(section, i), owner, DNS_TYPE_CNAME))
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
		const ldns_rdf *target = dns_record_target(alias);

		if (target == NULL)
			return failed(message, "malformed record");
		if (++message->aliases > DNS_CNAME_MAX)
			return failed(message, "CNAME loop");
		use_ttl(message, alias);
		/* A name that may not be asked for cannot exist for us. */
		if (!dns_name_from_wire(message->name, target) || message->name[0] == '\0')
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
	       dns_record_is(ldns_rr_list_rr(section, 0), question->name, question->type);
}

enum dns_reading dns_message_read(const uint8_t *bytes, size_t length,
				  const struct dns_question *question, struct dns_message *message)
{
	enum dns_reading reading;
	ldns_pkt *packet = NULL;

	message->rcode = -1;
	message->authentic_data = false;
	message->ttl_s = UINT32_MAX;
	message->records = (struct dns_records){ 0 };
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

void dns_message_wipe(struct dns_message *message)
{
	dns_records_wipe(&message->records);
}
