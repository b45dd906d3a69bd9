/*
 * Rows of the TLS statistics. What mail exchangers, DNS and web servers of strangers said ends
 * here: a row has only bounded, printable texts, so that neither the day's file nor a report can be
 * made to say anything else than what it is meant to.
 */
#include "tlsrpt_row.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "ascii.h"

/* RFC 1035 2.3.4 */
#define LABEL_MAX 63

static const char *const policy_names[] = {
	[TLSRPT_NO_POLICY] = "no-policy-found",
	[TLSRPT_TLSA] = "tlsa",
	[TLSRPT_STS] = "sts",
};

static const char *const result_names[] = {
	[TLSRPT_SUCCESS] = "success",
	[TLSRPT_STARTTLS_NOT_SUPPORTED] = "starttls-not-supported",
	[TLSRPT_CERTIFICATE_HOST_MISMATCH] = "certificate-host-mismatch",
	[TLSRPT_CERTIFICATE_EXPIRED] = "certificate-expired",
	[TLSRPT_CERTIFICATE_NOT_TRUSTED] = "certificate-not-trusted",
	[TLSRPT_VALIDATION_FAILURE] = "validation-failure",
	[TLSRPT_TLSA_INVALID] = "tlsa-invalid",
	[TLSRPT_DNSSEC_INVALID] = "dnssec-invalid",
	[TLSRPT_DANE_REQUIRED] = "dane-required",
	[TLSRPT_STS_POLICY_FETCH_ERROR] = "sts-policy-fetch-error",
	[TLSRPT_STS_POLICY_INVALID] = "sts-policy-invalid",
	[TLSRPT_STS_WEBPKI_INVALID] = "sts-webpki-invalid",
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int find(const char *const *names, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(names[i], name) == 0)
			return (int)i;
	return -1;
}

const char *tlsrpt_policy_name(enum tlsrpt_policy policy)
{
	return policy_names[policy];
}

int tlsrpt_policy_find(const char *name)
{
	return find(policy_names, COUNT(policy_names), name);
}

const char *tlsrpt_result_name(enum tlsrpt_result result)
{
	return result_names[result];
}

int tlsrpt_result_find(const char *name)
{
	return find(result_names, COUNT(result_names), name);
}

bool tlsrpt_domain_is_valid(const char *name)
{
	size_t label = 0, length = 0;

	for (; name[length] != '\0'; length++) {
		char c = name[length];

		if (length >= SMTP_DOMAIN_MAX || (c == '.' && label == 0))
			return false;
		if (c != '.' && !ascii_is_alnum(c) && c != '-' && c != '_')
			return false;
		label = c == '.' ? 0 : label + 1;
		if (label > LABEL_MAX || (label == 1 && c == '-'))
			return false;
	}
	return label > 0;
}

/* FNV-1a. Somebody who makes collisions on purpose only makes us compare texts. */
static uint64_t hash_more(uint64_t hash, const char *text)
{
	do
		hash = (hash ^ (unsigned char)*text) * UINT64_C(1099511628211);
	while (*text++ != '\0');
	return hash;
}

uint64_t tlsrpt_hash(const char *text)
{
	return hash_more(UINT64_C(14695981039346656037), text);
}

/* Does this text have a place in a row of this kind? Successes are only counted (RFC 8460 4.4). */
static bool is_wanted(enum tlsrpt_text which, enum tlsrpt_policy policy, enum tlsrpt_result result)
{
	switch (which) {
	case TLSRPT_TEXT_DOMAIN:
	case TLSRPT_TEXT_POLICY_DOMAIN:
		return true;
	case TLSRPT_TEXT_POLICY:
		return policy != TLSRPT_NO_POLICY;
	case TLSRPT_TEXT_MX_PATTERN:
		return policy == TLSRPT_STS;
	case TLSRPT_TEXT_MX_HOST:
	case TLSRPT_TEXT_RECEIVING_IP:
	case TLSRPT_TEXT_SENDING_IP:
	case TLSRPT_TEXT_REASON:
	case TLSRPT_TEXTS:
		break;
	}
	return result != TLSRPT_SUCCESS;
}

static size_t size_limit(enum tlsrpt_text which)
{
	switch (which) {
	case TLSRPT_TEXT_POLICY:
		return TLSRPT_POLICY_BYTES_MAX;
	case TLSRPT_TEXT_MX_PATTERN:
		return TLSRPT_PATTERN_BYTES_MAX;
	case TLSRPT_TEXT_REASON:
		return TLSRPT_REASON_MAX;
	case TLSRPT_TEXT_DOMAIN:
	case TLSRPT_TEXT_POLICY_DOMAIN:
	case TLSRPT_TEXT_MX_HOST:
	case TLSRPT_TEXT_RECEIVING_IP:
	case TLSRPT_TEXT_SENDING_IP:
	case TLSRPT_TEXTS:
		break;
	}
	return SMTP_DOMAIN_MAX;
}

/* Copies at most `size` bytes, without CR and without an LF at the end; returns the length. */
static size_t copy_lines(char *out, size_t size, const char *text, bool has_lines)
{
	size_t used = 0;

	for (; *text != '\0' && used < size; text++)
		if (has_lines && *text == '\n')
			out[used++] = '\n';
		else if (!has_lines || *text != '\r')
			out[used++] = (char)(*text >= ' ' && *text <= '~' ? *text : '?');
	/* Half a line would be another policy than the domain's. */
	if (has_lines && *text != '\0')
		while (used > 0 && out[used - 1] != '\n')
			used--;
	while (has_lines && used > 0 && out[used - 1] == '\n')
		used--;
	out[used] = '\0';
	return used;
}

static size_t copy_name(char *out, const char *name)
{
	size_t length = 0;

	if (tlsrpt_domain_is_valid(name))
		for (; name[length] != '\0'; length++)
			out[length] = ascii_lower(name[length]);
	out[length] = '\0';
	return length;
}

static size_t copy_address(char *out, const char *text)
{
	unsigned char binary[16];
	int family = AF_UNSPEC;

	if (inet_pton(AF_INET, text, binary) == 1)
		family = AF_INET;
	else if (inet_pton(AF_INET6, text, binary) == 1)
		family = AF_INET6;
	if (family == AF_UNSPEC || inet_ntop(family, binary, out, INET6_ADDRSTRLEN) == NULL)
		out[0] = '\0';
	return strlen(out);
}

static size_t copy_text(char *out, enum tlsrpt_text which, const char *text)
{
	switch (which) {
	case TLSRPT_TEXT_DOMAIN:
	case TLSRPT_TEXT_POLICY_DOMAIN:
	case TLSRPT_TEXT_MX_HOST:
		return copy_name(out, text);
	case TLSRPT_TEXT_RECEIVING_IP:
	case TLSRPT_TEXT_SENDING_IP:
		return copy_address(out, text);
	case TLSRPT_TEXT_POLICY:
	case TLSRPT_TEXT_MX_PATTERN:
		return copy_lines(out, size_limit(which), text, true);
	case TLSRPT_TEXT_REASON:
	case TLSRPT_TEXTS:
		break;
	}
	return copy_lines(out, size_limit(TLSRPT_TEXT_REASON), text, false);
}

/* Room for every text at its longest; given back afterwards. */
static struct tlsrpt_row *allocate(void)
{
	size_t size = sizeof(struct tlsrpt_row);

	for (int i = 0; i < TLSRPT_TEXTS; i++)
		size += size_limit((enum tlsrpt_text)i) + 1;
	return malloc(size);
}

/* realloc(3) may move the row, and the texts with it. */
static struct tlsrpt_row *shrink(struct tlsrpt_row *row, size_t bytes)
{
	struct tlsrpt_row *smaller = realloc(row, bytes);
	char *text;

	if (smaller == NULL)
		smaller = row;
	text = (char *)(smaller + 1);
	smaller->bytes = bytes;
	for (int i = 0; i < TLSRPT_TEXTS; i++) {
		smaller->text[i] = text;
		smaller->hash = hash_more(smaller->hash, text);
		text += strlen(text) + 1;
	}
	return smaller;
}

struct tlsrpt_row *tlsrpt_row_create(enum tlsrpt_policy policy, enum tlsrpt_result result,
				     const char *const text[TLSRPT_TEXTS])
{
	struct tlsrpt_row *row = allocate();
	const char *domain = text[TLSRPT_TEXT_DOMAIN];
	char *end;

	if (row == NULL || domain == NULL || !tlsrpt_domain_is_valid(domain)) {
		free(row);
		return NULL;
	}
	*row = (struct tlsrpt_row){ .policy = policy, .result = result, .sessions = 1 };
	row->hash = hash_more(tlsrpt_hash(policy_names[policy]), result_names[result]);
	end = (char *)(row + 1);
	for (int i = 0; i < TLSRPT_TEXTS; i++) {
		bool wanted = text[i] != NULL && is_wanted((enum tlsrpt_text)i, policy, result);
		size_t length = copy_text(end, (enum tlsrpt_text)i, wanted ? text[i] : "");

		if (i == TLSRPT_TEXT_POLICY_DOMAIN && length == 0)
			length = copy_name(end, domain);
		end += length + 1;
	}
	return shrink(row, (size_t)(end - (char *)row));
}

bool tlsrpt_row_is_same(const struct tlsrpt_row *a, const struct tlsrpt_row *b)
{
	if (a->hash != b->hash || a->policy != b->policy || a->result != b->result)
		return false;
	for (int i = 0; i < TLSRPT_TEXTS; i++)
		if (strcmp(a->text[i], b->text[i]) != 0)
			return false;
	return true;
}
