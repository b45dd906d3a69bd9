/*
 * Host names as this project holds them: lower case, dots between labels, none at the end.
 */
#ifndef DNS_NAME_H
#define DNS_NAME_H

#include "dns_lookup.h"

/*
 * Copies a host name: lower case, no final dot. false if it is not one that may be asked for:
 * letters, digits, "-" and "_" in labels of 1..63 bytes, 253 in all. (The underscore is no host
 * name, but real MX hosts have it, and TLSA names begin with it.)
 */
bool dns_name_copy(char out[DNS_NAME_MAX + 1], const char *name);

struct ldns_struct_rdf; /* ldns_rdf */
/*
 * The text of a name in wire form, lower case; "" for the root. false if a byte in it is not a host
 * name's: then '?' stands in its place.
 */
bool dns_name_from_wire(char out[DNS_NAME_MAX + 1], const struct ldns_struct_rdf *dname);

#endif
