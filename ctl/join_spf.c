/*
 * Says what to publish; the rest of a record is its owner's business, and whether it is right is for
 * `postern doctor' to say.
 */
#include "join_spf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "dns/dns_lookup.h"
#include "doctor/spf_record.h"
#include "lib/host_name.h"

#define DOMAINS_MAX 20
#define RECORD_MAX 1024
#define LOOKUP_MS 5000

struct domains {
	char *list[DOMAINS_MAX];
	size_t count;
};

static void add_domain(struct domains *domains, const char *name)
{
	for (size_t i = 0; i < domains->count; i++)
		if (strcasecmp(domains->list[i], name) == 0)
			return;
	if (domains->count == DOMAINS_MAX || !host_name_is_full(name))
		return;
	domains->list[domains->count] = strdup(name);
	if (domains->list[domains->count] != NULL)
		domains->count++;
}

/* Lists only; who has tables of domains knows them himself. */
static void add_domains(struct domains *domains, const struct postfix *postfix, const char *parameter)
{
	char *value = postfix_value(postfix->directory, parameter), *save = NULL;

	for (char *word = value != NULL ? strtok_r(value, ", \t\n", &save) : NULL; word != NULL;
	     word = strtok_r(NULL, ", \t\n", &save))
		add_domain(domains, word);
	free(value);
}

/* A term without its qualifier. */
static bool is_term(const char *word, size_t length, const char *term)
{
	if (length > 0 && strchr("+-~?", word[0]) != NULL) {
		word++;
		length--;
	}
	return strlen(term) == length && strncasecmp(word, term, length) == 0;
}

static bool decides_about_all(const char *word, size_t length)
{
	return is_term(word, length, "all") ||
	       (length >= strlen("redirect=") && strncasecmp(word, "redirect=", strlen("redirect=")) == 0);
}

bool join_spf_record(char *out, size_t out_size, const char *old, const char *edge_name, bool *is_there)
{
	char mechanism[DNS_NAME_MAX + 3];
	size_t length;
	const char *word;

	snprintf(mechanism, sizeof(mechanism), "a:%s", edge_name);
	*is_there = false;
	if (old == NULL)
		return snprintf(out, out_size, "v=spf1 mx %s -all", mechanism) < (int)out_size;
	for (word = old; *word != '\0'; word += length) {
		word += strspn(word, " ");
		length = strcspn(word, " ");
		if (is_term(word, length, mechanism)) {
			*is_there = true;
			return snprintf(out, out_size, "%s", old) < (int)out_size;
		}
		if (decides_about_all(word, length))
			break;
	}
	length = (size_t)(word - old);
	while (length > 0 && old[length - 1] == ' ')
		length--;
	return snprintf(out, out_size, "%.*s %s%s%s", (int)length, old, mechanism, *word != '\0' ? " " : "",
			word) < (int)out_size;
}

static const char *find_spf(const struct dns_answer *answer, size_t *count)
{
	const char *found = NULL;

	*count = 0;
	for (size_t i = 0; answer->result == DNS_FOUND && i < answer->count; i++)
		if (spf_record_is_one(answer->txt[i])) {
			found = answer->txt[i];
			(*count)++;
		}
	return found;
}

static void print_record(const char *domain, const char *old, const char *edge_name)
{
	char record[RECORD_MAX];
	bool is_there;

	if (!join_spf_record(record, sizeof(record), old, edge_name, &is_there))
		printf("    %s: its SPF record is too long for one more term; add a:%s to it\n", domain, edge_name);
	else if (is_there)
		printf("    %s: its SPF record names %s already\n", domain, edge_name);
	else
		printf("    %s. TXT \"%s\"%s\n", domain, record, old != NULL ? "   (instead of the present one)" : "");
}

static void print_domain(struct dns_resolver *resolver, const char *domain, const char *edge_name)
{
	struct dns_answer answer;
	const char *old;
	size_t count;

	dns_lookup(resolver, domain, DNS_TYPE_TXT, deadline_in_ms(LOOKUP_MS), &answer);
	old = find_spf(&answer, &count);
	if (answer.result == DNS_ERROR)
		printf("    %s: its SPF record is not known now (%s); it has to name a:%s\n", domain, answer.error, edge_name);
	else if (count > 1)
		printf("    %s: it has %zu SPF records, and only one may be; that one has to name a:%s\n", domain, count,
		       edge_name);
	else
		print_record(domain, old, edge_name);
	dns_answer_wipe(&answer);
}

void join_spf_print(const struct postfix *postfix, const char *edge_name)
{
	static const char *const parameters[] = { "myorigin", "virtual_mailbox_domains", "virtual_alias_domains",
						  "mydestination" };
	struct domains domains = { .count = 0 };
	char error[DNS_ERROR_MAX];
	struct dns_resolver *resolver = dns_resolver_create(NULL, false, error, sizeof(error));

	for (size_t i = 0; i < sizeof(parameters) / sizeof(parameters[0]); i++)
		add_domains(&domains, postfix, parameters[i]);
	printf("In the DNS of each domain that is sent for, let the edge send (SPF):\n");
	for (size_t i = 0; i < domains.count; i++) {
		if (resolver != NULL)
			print_domain(resolver, domains.list[i], edge_name);
		free(domains.list[i]);
	}
	if (domains.count == 0 || resolver == NULL)
		printf("    YOUR-DOMAIN. TXT \"v=spf1 mx a:%s -all\", or the same term in the record that is there\n", edge_name);
	dns_resolver_destroy(resolver);
}
