/*
 * A table in the place of a resolver, for whoever asks through a struct lookup_source
 * (doctor/lookup.h). As text, a line for each record, "#" before a comment:
 *
 *	example.com TXT v=spf1 -all	the rest of the line, as it is
 *	example.com MX 10 mx.example.com
 *	example.com A 192.0.2.1		also AAAA, PTR, CNAME
 *	_25._tcp.mx.example.com TLSA 3 1 1 0123abcd
 *	example.com EXISTS		a name without records
 *	example.com TIMEOUT [TYPE]	no answer, for that type or for all that have no record; also
 *					SERVFAIL, BOGUS
 *	example.com SECURE		this name and those below are signed
 *
 * Names without any line do not exist. "*" as a name is every name that has no line.
 */
#ifndef FAKE_ZONE_H
#define FAKE_ZONE_H

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "doctor/lookup.h"

#define FAKE_ZONE_MAX 400

struct fake_zone {
	struct {
		char *name, *type, *data;
	} rows[FAKE_ZONE_MAX];
	size_t count;
	unsigned asked; /* questions so far */
};

static inline void fake_zone_add(struct fake_zone *zone, const char *name, const char *type,
				 const char *data)
{
	if (zone->count == FAKE_ZONE_MAX)
		abort();
	zone->rows[zone->count].name = strdup(name);
	zone->rows[zone->count].type = strdup(type);
	zone->rows[zone->count++].data = strdup(data);
}

static inline void fake_zone_add_text(struct fake_zone *zone, const char *text)
{
	while (*text != '\0') {
		size_t length = strcspn(text, "\n");
		char line[4096], name[300], type[16];
		int used = 0;

		snprintf(line, sizeof(line), "%.*s", (int)length, text);
		if (line[0] != '#' && sscanf(line, "%299s %15s%n", name, type, &used) == 2)
			fake_zone_add(zone, name, type, line[used] == ' ' ? line + used + 1 : "");
		text += length + (text[length] == '\n');
	}
}

static inline void fake_zone_wipe(struct fake_zone *zone)
{
	for (size_t i = 0; i < zone->count; i++) {
		free(zone->rows[i].name);
		free(zone->rows[i].type);
		free(zone->rows[i].data);
	}
	memset(zone, 0, sizeof(*zone));
}

static inline const char *fake_zone_type_name(enum dns_type type)
{
	static const char *const names[] = {
		[DNS_TYPE_A] = "A",	[DNS_TYPE_MX] = "MX",	    [DNS_TYPE_AAAA] = "AAAA",
		[DNS_TYPE_PTR] = "PTR", [DNS_TYPE_CNAME] = "CNAME", [DNS_TYPE_TLSA] = "TLSA",
		[DNS_TYPE_TXT] = "TXT",
	};

	return names[type];
}

static inline void fake_zone_push(struct dns_answer *answer, enum dns_type type, const char *data)
{
	size_t at = answer->count++;
	unsigned preference = 0, usage, selector, matching;
	int used = 0;

	answer->result = DNS_FOUND;
	if (type == DNS_TYPE_A || type == DNS_TYPE_AAAA) {
		struct sockaddr_storage *address;

		answer->addresses =
			realloc(answer->addresses, answer->count * sizeof(*answer->addresses));
		address = &answer->addresses[at];
		memset(address, 0, sizeof(*address));
		address->ss_family = type == DNS_TYPE_A ? AF_INET : AF_INET6;
		if (inet_pton(address->ss_family, data,
			      type == DNS_TYPE_A
				      ? (void *)&((struct sockaddr_in *)address)->sin_addr
				      : (void *)&((struct sockaddr_in6 *)address)->sin6_addr) != 1)
			abort();
	} else if (type == DNS_TYPE_TXT) {
		answer->txt = realloc(answer->txt, answer->count * sizeof(*answer->txt));
		answer->txt[at] = strdup(data);
	} else if (type == DNS_TYPE_TLSA) {
		const char *hex;

		answer->tlsa = realloc(answer->tlsa, answer->count * sizeof(*answer->tlsa));
		if (sscanf(data, "%u %u %u %n", &usage, &selector, &matching, &used) != 3)
			abort();
		hex = data + used;
		answer->tlsa[at] = (struct dns_tlsa){ .usage = (uint8_t)usage,
						      .selector = (uint8_t)selector,
						      .matching_type = (uint8_t)matching,
						      .length = strlen(hex) / 2,
						      .data = calloc(1, strlen(hex) / 2 + 1) };
		for (size_t i = 0; i < strlen(hex) / 2; i++) {
			unsigned byte;

			if (sscanf(hex + 2 * i, "%2x", &byte) != 1)
				abort();
			answer->tlsa[at].data[i] = (uint8_t)byte;
		}
	} else {
		size_t length;

		if (type == DNS_TYPE_MX && sscanf(data, "%u%n", &preference, &used) != 1)
			abort();
		data += used + strspn(data + used, " ");
		answer->mx = realloc(answer->mx, answer->count * sizeof(*answer->mx));
		memset(&answer->mx[at], 0, sizeof(answer->mx[at]));
		answer->mx[at].preference = (uint16_t)preference;
		snprintf(answer->mx[at].exchange, sizeof(answer->mx[at].exchange), "%s", data);
		length = strlen(answer->mx[at].exchange);
		if (length > 0 && answer->mx[at].exchange[length - 1] == '.')
			answer->mx[at].exchange[length - 1] = '\0';
	}
}

static inline void fake_zone_fail(struct dns_answer *answer, const char *how, const char *name,
				  enum dns_type type)
{
	answer->result = DNS_ERROR;
	answer->trust = strcmp(how, "BOGUS") == 0 ? DNS_BOGUS : DNS_FAILED;
	answer->failure = strcmp(how, "TIMEOUT") == 0 ? DNS_FAILURE_TIMEOUT : DNS_FAILURE_SERVFAIL;
	snprintf(answer->error, sizeof(answer->error), "%s for %.200s %s", how, name,
		 fake_zone_type_name(type));
}

static inline bool fake_zone_is_failure(const char *type)
{
	return strcmp(type, "TIMEOUT") == 0 || strcmp(type, "SERVFAIL") == 0 ||
	       strcmp(type, "BOGUS") == 0;
}

static inline bool fake_zone_is_signed(const struct fake_zone *zone, const char *name)
{
	for (size_t i = 0; i < zone->count; i++) {
		size_t length = strlen(name), suffix = strlen(zone->rows[i].name);

		if (strcmp(zone->rows[i].type, "SECURE") == 0 && length >= suffix &&
		    strcasecmp(name + length - suffix, zone->rows[i].name) == 0)
			return true;
	}
	return false;
}

static inline void fake_zone_look(const struct fake_zone *zone, const char *name, const char *owner,
				  enum dns_type type, unsigned aliases, struct dns_answer *answer)
{
	const char *failure = NULL, *alias = NULL, *wanted = fake_zone_type_name(type);

	for (size_t i = 0; i < zone->count; i++) {
		if (strcasecmp(zone->rows[i].name, owner) != 0 ||
		    strcmp(zone->rows[i].type, "SECURE") == 0)
			continue;
		if (answer->result == DNS_NXDOMAIN)
			answer->result = DNS_NODATA;
		if (strcmp(zone->rows[i].type, wanted) == 0)
			fake_zone_push(answer, type, zone->rows[i].data);
		else if (strcmp(zone->rows[i].type, "CNAME") == 0)
			alias = zone->rows[i].data;
		else if (fake_zone_is_failure(zone->rows[i].type) &&
			 (zone->rows[i].data[0] == '\0' || strcmp(zone->rows[i].data, wanted) == 0))
			failure = zone->rows[i].type;
	}
	if (alias != NULL && aliases < DNS_CNAME_MAX) {
		answer->result = DNS_NXDOMAIN;
		snprintf(answer->name, sizeof(answer->name), "%s", alias);
		fake_zone_look(zone, alias, alias, type, aliases + 1, answer);
	} else if (alias != NULL) {
		fake_zone_fail(answer, "CNAME loop", name, type);
	} else if (failure != NULL && answer->count == 0) {
		fake_zone_fail(answer, failure, name, type);
	} else if (answer->result == DNS_NXDOMAIN && strcmp(owner, "*") != 0) {
		fake_zone_look(zone, name, "*", type, aliases, answer);
	}
}

static inline void fake_zone_ask(void *context, const char *name, enum dns_type type,
				 struct dns_answer *answer)
{
	struct fake_zone *zone = context;

	zone->asked++;
	memset(answer, 0, sizeof(*answer));
	answer->result = DNS_NXDOMAIN;
	answer->trust = fake_zone_is_signed(zone, name) ? DNS_SECURE : DNS_INSECURE;
	answer->ttl_s = DNS_TTL_FLOOR_S;
	snprintf(answer->name, sizeof(answer->name), "%s", name);
	fake_zone_look(zone, name, name, type, 0, answer);
}

static inline struct lookup_source fake_zone_source(struct fake_zone *zone)
{
	return (struct lookup_source){ .ask = fake_zone_ask, .context = zone };
}

#endif
