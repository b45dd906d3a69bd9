/* Every variable part carries its length, so that no two identities print alike. */
#include "connection_key.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

static int put_text(struct buffer *out, const char *text)
{
	size_t length = strlen(text);

	return buffer_put_u32(out, (uint32_t)length) | buffer_put(out, text, length);
}

/* Not as a whole: what is behind the address in a sockaddr_storage may be anything. */
static int put_address(struct buffer *out, const struct sockaddr_storage *address)
{
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)address;
	const struct sockaddr_in *four = (const struct sockaddr_in *)address;

	if (address == NULL)
		return buffer_put_u8(out, AF_UNSPEC);
	if (address->ss_family == AF_INET6)
		return buffer_put_u8(out, AF_INET6) | buffer_put_u16(out, ntohs(six->sin6_port)) |
		       buffer_put_u32(out, six->sin6_scope_id) |
		       buffer_put(out, &six->sin6_addr, sizeof(six->sin6_addr));
	return buffer_put_u8(out, AF_INET) | buffer_put_u16(out, ntohs(four->sin_port)) |
	       buffer_put(out, &four->sin_addr, sizeof(four->sin_addr));
}

static int compare_tlsa(const void *a, const void *b)
{
	const struct dns_tlsa *left = *(const struct dns_tlsa *const *)a, *right = *(const struct dns_tlsa *const *)b;
	int order = left->usage - right->usage;

	if (order == 0)
		order = left->selector - right->selector;
	if (order == 0)
		order = left->matching_type - right->matching_type;
	if (order == 0 && left->length != right->length)
		order = left->length < right->length ? -1 : 1;
	return order != 0 ? order : memcmp(left->data, right->data, left->length);
}

static int put_tlsa(struct buffer *out, const struct dns_tlsa *tlsa)
{
	return buffer_put_u8(out, tlsa->usage) | buffer_put_u8(out, tlsa->selector) |
	       buffer_put_u8(out, tlsa->matching_type) | buffer_put_u32(out, (uint32_t)tlsa->length) |
	       buffer_put(out, tlsa->data, tlsa->length);
}

static int put_dane(struct buffer *out, const struct dane_records *dane)
{
	const struct dns_tlsa *sorted[DANE_RECORDS_MAX];
	size_t count = dane->count;
	int result;

	if (count > DANE_RECORDS_MAX)
		return -1;
	for (size_t i = 0; i < count; i++)
		sorted[i] = &dane->tlsa[i];
	qsort(sorted, count, sizeof(*sorted), compare_tlsa);
	result = put_text(out, dane->base_domain) | buffer_put_u32(out, (uint32_t)count);
	for (size_t i = 0; i < count; i++)
		result |= put_tlsa(out, sorted[i]);
	return result;
}

static int put_terms(struct buffer *out, const struct tls_terms *terms)
{
	int result = buffer_put_u8(out, (uint8_t)terms->level) | buffer_put_u8(out, (uint8_t)terms->check) |
		     buffer_put_u8(out, terms->is_test) | buffer_put_u8(out, terms->is_unlisted) |
		     buffer_put_u8(out, terms->needs_requiretls) | buffer_put_u8(out, terms->is_san_only) |
		     buffer_put_u8(out, (uint8_t)terms->ciphers) | buffer_put_u32(out, terms->protocols) |
		     put_text(out, terms->label) | put_text(out, terms->note) | put_text(out, terms->sni) |
		     buffer_put_u32(out, (uint32_t)terms->name_count) |
		     buffer_put_u32(out, (uint32_t)terms->fingerprint_count);

	for (size_t i = 0; i < terms->name_count; i++)
		result |= put_text(out, terms->names[i]);
	for (size_t i = 0; i < terms->fingerprint_count; i++)
		result |= buffer_put(out, terms->fingerprints[i], sizeof(terms->fingerprints[i]));
	if (terms->check == TLS_CHECK_DANE)
		result |= put_dane(out, terms->dane);
	return result;
}

int connection_key_print(struct buffer *out, const struct connection_identity *identity)
{
	int result = put_address(out, identity->address) | put_address(out, identity->source) |
		     put_text(out, identity->ehlo_name) | put_text(out, identity->relay) |
		     buffer_put_u64(out, identity->setup) | put_terms(out, identity->terms);

	return result == 0 ? 0 : -1;
}
