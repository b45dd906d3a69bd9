/*
 * Resource records: out of ldns's form into ours, one type at a time. The rdata is checked for its
 * shape only; what is in it means nothing here.
 */
#ifndef DNS_RECORD_H
#define DNS_RECORD_H

#include "dns_lookup.h"

/* All of one type. Which of the arrays is in use follows from it, as in struct dns_answer. */
struct dns_records {
	size_t count;
	struct dns_mx *mx; /* DNS_TYPE_MX; DNS_TYPE_PTR, DNS_TYPE_CNAME: the name as exchange */
	struct sockaddr_storage *addresses;
	struct dns_tlsa *tlsa;
	char **txt;
};

const char *dns_type_name(enum dns_type type);
/* The type's number in a packet, which is also ldns's. */
uint16_t dns_type_number(enum dns_type type);

struct ldns_struct_rr; /* ldns_rr */
/* Of class IN, this owner (as dns_name_copy() makes it) and this type? */
bool dns_record_is(const struct ldns_struct_rr *record, const char *owner, enum dns_type type);
/* The name that a record of the type consists of, CNAME or PTR; NULL if it does not. */
const struct ldns_struct_rdf *dns_record_target(const struct ldns_struct_rr *record);

/* Room for so many records of the type in *records, which must be empty. -1: no memory. */
int dns_records_allocate(struct dns_records *records, enum dns_type type, size_t count);
/* Adds this one; there must be room. false: malformed, or no memory. */
bool dns_records_add(struct dns_records *records, const struct ldns_struct_rr *record,
		     enum dns_type type);
/* Frees them; what is left is empty. */
void dns_records_wipe(struct dns_records *records);

void dns_tlsa_free(struct dns_tlsa *tlsa, size_t count);
void dns_txt_free(char **txt, size_t count);

#endif
