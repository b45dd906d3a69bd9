/*
 * Arbitrary bytes as the SPF records of a small world: each line is the next answer to a question
 * for TXT, the first one that of the domain itself. All names have the same addresses, two MX and a
 * PTR. Evaluation ends within its limits, with a result that says why where it is an error; a
 * record that is parsed is made of its own bytes.
 *
 * feeds: SPF records and macros
 * covers: doctor/spf_record.c doctor/spf_macro.c doctor/spf_check.c doctor/spf_match.c
 */
#include <arpa/inet.h>

#include "doctor/spf_check.h"
#include "fuzz_target.h"

struct world {
	char *text; /* of all answers */
	char *next; /* NULL: no more */
	unsigned asked;
};

static void add_name(struct dns_answer *answer, const char *name)
{
	answer->mx = realloc(answer->mx, (answer->count + 1) * sizeof(*answer->mx));
	memset(&answer->mx[answer->count], 0, sizeof(*answer->mx));
	snprintf(answer->mx[answer->count++].exchange, DNS_NAME_MAX + 1, "%s", name);
}

static void add_address(struct dns_answer *answer, int family, const char *text)
{
	struct sockaddr_storage *address = calloc(1, sizeof(*address));

	address->ss_family = (sa_family_t)family;
	inet_pton(family, text,
		  family == AF_INET ? (void *)&((struct sockaddr_in *)address)->sin_addr
				    : (void *)&((struct sockaddr_in6 *)address)->sin6_addr);
	answer->addresses = address;
	answer->count = 1;
}

static void ask(void *context, const char *name, enum dns_type type, struct dns_answer *answer)
{
	struct world *world = context;

	world->asked++;
	memset(answer, 0, sizeof(*answer));
	answer->result = DNS_FOUND;
	if (strncmp(name, "void", 4) == 0) {
		answer->result = DNS_NXDOMAIN;
	} else if (strncmp(name, "error", 5) == 0) {
		answer->result = DNS_ERROR;
		snprintf(answer->error, sizeof(answer->error), "no answer");
	} else if (type == DNS_TYPE_TXT && world->next == NULL) {
		answer->result = DNS_NODATA;
	} else if (type == DNS_TYPE_TXT) {
		answer->txt = calloc(1, sizeof(*answer->txt));
		answer->txt[answer->count++] = strdup(strsep(&world->next, "\n"));
	} else if (type == DNS_TYPE_MX || type == DNS_TYPE_PTR) {
		add_name(answer, "mx.example.com");
		add_name(answer, "mx.example.org");
	} else {
		add_address(answer, type == DNS_TYPE_A ? AF_INET : AF_INET6,
			    type == DNS_TYPE_A ? "192.0.2.7" : "2001:db8::7");
	}
}

static void check(const uint8_t *bytes, size_t length, int family, const char *address)
{
	struct world world = { .text = strndup((const char *)bytes, length) };
	struct lookup_source source = { .ask = ask, .context = &world };
	struct spf_question question = { .sender = "strong-bad@example.com",
					 .hello = "mail.example.com" };
	struct spf_verdict verdict;

	question.address.ss_family = (sa_family_t)family;
	inet_pton(family, address,
		  family == AF_INET
			  ? (void *)&((struct sockaddr_in *)&question.address)->sin_addr
			  : (void *)&((struct sockaddr_in6 *)&question.address)->sin6_addr);
	world.next = world.text;
	spf_check(&source, &question, &verdict);
	require(verdict.lookups <= SPF_LOOKUPS_MAX);
	require(verdict.result == SPF_PERMERROR || verdict.void_lookups <= SPF_VOID_LOOKUPS_MAX);
	require((verdict.problem[0] != '\0') ==
		(verdict.result == SPF_NONE || verdict.result == SPF_TEMPERROR ||
		 verdict.result == SPF_PERMERROR));
	require(verdict.explanation[0] == '\0' || verdict.result == SPF_FAIL);
	/* 10 terms, 11 records, 10 names of each, some %{p}. */
	world.next = world.text;
	world.asked = 0;
	spf_check_census(&source, "example.com", &verdict);
	require(verdict.lookups <= SPF_CENSUS_MAX && world.asked < 10000);
	require(verdict.result != SPF_PASS && verdict.result != SPF_FAIL);
	free(world.text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	struct spf_record record;
	char *text = strndup((const char *)bytes, length), error[SPF_TEXT_MAX] = "";

	if (spf_record_is_one(text)) {
		if (spf_record_parse(&record, text, error, sizeof(error)) == 0) {
			for (size_t i = 0; i < record.count; i++)
				require(strstr(text, record.terms[i].text) != NULL);
			spf_record_wipe(&record);
		} else {
			require(error[0] != '\0');
		}
	}
	free(text);
	check(bytes, length, AF_INET, "192.0.2.7");
	check(bytes, length, AF_INET6, "2001:db8::9");
	return 0;
}
