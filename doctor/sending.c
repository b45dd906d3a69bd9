/* The checks of a sending domain, and what they share. */
#include "sending.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spf_mend.h"
#include "spf_record.h"

static const struct {
	const char *ids[5]; /* wanted if one of them is; ends with NULL */
	void (*check)(struct sending *sending, struct sending_domain *domain);
} checks[] = {
	/* Alignment needs what the others find out: it is a part of check_dmarc(). */
	{ { "domain-spf", "domain-spf-lookups", "domain-spf-covers", "domain-alignment" },
	  check_spf },
	{ { "domain-dkim", "domain-alignment" }, check_dkim },
	{ { "domain-dmarc", "domain-alignment" }, check_dmarc },
	{ { "domain-mx" }, check_mx },
	{ { "domain-dane", "domain-tlsrpt" }, check_dane },
	{ { "domain-sts", "domain-tlsrpt" }, check_sts },
	{ { "domain-tlsrpt" }, check_tlsrpt },
	{ { "domain-dnssec" }, check_dnssec },
};

void sending_check_domain(struct sending *sending, const char *name, const char *envelope)
{
	struct sending_domain domain = {
		.name = name,
		.envelope = envelope != NULL ? envelope : name,
		.has_spf = SENDING_UNKNOWN,
		.has_dkim = SENDING_UNKNOWN,
	};

	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
		for (size_t j = 0; checks[i].ids[j] != NULL; j++)
			if (finding_is_wanted(sending->list, checks[i].ids[j])) {
				checks[i].check(sending, &domain);
				break;
			}
}

void sending_print_subject(char out[SENDING_SUBJECT_MAX], const char *name,
			   const struct sending_address *address)
{
	char text[SOCKADDR_TEXT_MAX];

	endpoint_print_address((const struct sockaddr *)&address->address, text, sizeof(text));
	snprintf(out, SENDING_SUBJECT_MAX, "%.255s from %.64s %s", name, address->edge, text);
}

void sending_print_txt(char out[SENDING_RECORD_MAX], const char *name, const char *text)
{
	size_t used = (size_t)snprintf(out, SENDING_RECORD_MAX, "%.255s. IN TXT", name),
	       length = strlen(text);

	for (size_t at = 0; at < length && used < SENDING_RECORD_MAX; at += 255)
		used += (size_t)snprintf(out + used, SENDING_RECORD_MAX - used, " \"%.255s\"",
					 text + at);
}

char **sending_find_spf(struct sending *sending, const struct dns_answer *answer, size_t *count_out)
{
	char **texts = calloc(answer->count + 1, sizeof(*texts));

	*count_out = 0;
	sending->list->is_incomplete |= texts == NULL;
	for (size_t i = 0; i < answer->count && texts != NULL; i++)
		if (spf_record_is_one(answer->txt[i]))
			texts[(*count_out)++] = answer->txt[i];
	return texts;
}

void sending_mend_spf(struct finding *finding, const char *name, char *const *texts,
		      size_t text_count, const struct sockaddr_storage *addresses,
		      size_t address_count)
{
	char text[SPF_MEND_MAX], record[SENDING_RECORD_MAX];

	if (!spf_mend_compose(text, texts, text_count, addresses, address_count)) {
		finding_mend(
			finding,
			"the record is too long for more terms: put a part of them into a record at a name of its own, and include that");
		return;
	}
	sending_print_txt(record, name, text);
	finding_mend(finding,
		     text_count > 1 ? "publish this one record in the place of the others:\n%s"
				    : "publish:\n%s",
		     record);
}

void sending_add_unknown(struct sending *sending, const char *id, const char *subject,
			 const struct dns_answer *answer)
{
	struct finding *finding =
		finding_add(sending->list, id, subject, FINDING_UNKNOWN, "%s", answer->error);

	if (answer->trust == DNS_BOGUS)
		finding_mend(
			finding,
			"the zone's DNSSEC signatures are wrong: receivers that check them cannot see the record");
}
