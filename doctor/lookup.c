/*
 * Questions to the DNS as the doctor asks them: patiently, but not for ever when nobody answers at
 * all.
 */
#include "lookup.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* dns_lookup() repeats a question within this time. */
#define PATIENCE_MS 6000
#define PATIENCE_AFTER_SILENCE_MS 1500
#define SILENCES_IMPATIENT 2
#define SILENCES_HOPELESS 4
#define SILENT_MS_MAX 180000

void lookup_ask(const struct lookup_source *source, const char *name, enum dns_type type,
		struct dns_answer *answer)
{
	source->ask(source->context, name, type, answer);
}

static void set_failure(struct dns_answer *answer, const char *name, enum dns_trust trust,
			enum dns_failure failure, const char *error)
{
	memset(answer, 0, sizeof(*answer));
	answer->result = DNS_ERROR;
	answer->trust = trust;
	answer->failure = failure;
	snprintf(answer->name, sizeof(answer->name), "%.255s", name);
	snprintf(answer->error, sizeof(answer->error), "%s", error);
}

/* Has it failed before? Then *answer is what it was. */
static bool find_failure(const struct lookup_patience *patience, const char *name,
			 enum dns_type type, struct dns_answer *answer)
{
	for (size_t i = 0; i < patience->failure_count; i++) {
		if (patience->failures[i].type != type ||
		    strcasecmp(patience->failures[i].name, name) != 0)
			continue;
		set_failure(answer, name, patience->failures[i].trust,
			    patience->failures[i].failure, patience->failures[i].error);
		return true;
	}
	return false;
}

static void remember(struct lookup_patience *patience, const char *name, enum dns_type type,
		     const struct dns_answer *answer, int64_t took_ms)
{
	size_t at = patience->failure_count;

	if (answer->failure == DNS_FAILURE_TIMEOUT) {
		patience->silences++;
		patience->silent_ms += took_ms;
	} else {
		patience->silences = 0;
		patience->has_answered = true;
	}
	if (answer->result != DNS_ERROR || at == LOOKUP_FAILURES_MAX || strlen(name) > DNS_NAME_MAX)
		return;
	memcpy(patience->failures[at].name, name, strlen(name) + 1);
	memcpy(patience->failures[at].error, answer->error, sizeof(answer->error));
	patience->failures[at].type = type;
	patience->failures[at].trust = answer->trust;
	patience->failures[at].failure = answer->failure;
	patience->failure_count++;
}

/* Why a question is not asked any more; NULL: it is. */
static const char *find_reason_to_stop(const struct lookup_patience *patience)
{
	if (!patience->has_answered && patience->silences >= SILENCES_HOPELESS)
		return "the resolver answers nothing";
	return patience->silent_ms >= SILENT_MS_MAX ? "too many questions had no answer" : NULL;
}

static void ask_resolver(void *context, const char *name, enum dns_type type,
			 struct dns_answer *answer)
{
	struct lookup_patience *patience = context;
	int ms = patience->silences >= SILENCES_IMPATIENT ? PATIENCE_AFTER_SILENCE_MS : PATIENCE_MS;
	const char *reason = find_reason_to_stop(patience);
	int64_t began = deadline_now_ms();
	char error[DNS_ERROR_MAX];

	if (find_failure(patience, name, type, answer))
		return;
	if (reason != NULL) {
		snprintf(error, sizeof(error), "not asked for %.255s: %s", name, reason);
		set_failure(answer, name, DNS_FAILED, DNS_FAILURE_TIMEOUT, error);
		return;
	}
	dns_lookup(patience->resolver, name, type, deadline_in_ms(ms), answer);
	/* Trouble that was over when the signatures were asked about looks the same. */
	if (answer->trust == DNS_BOGUS) {
		dns_answer_wipe(answer);
		dns_lookup(patience->resolver, name, type, deadline_in_ms(ms), answer);
	}
	remember(patience, name, type, answer, deadline_now_ms() - began);
}

struct lookup_source lookup_from_resolver(struct lookup_patience *patience)
{
	return (struct lookup_source){ .ask = ask_resolver, .context = patience };
}
