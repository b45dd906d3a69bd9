/*
 * RFC 9989 4.10: the domain itself is asked for a record, then the names above it, from its last
 * seven labels on, until a record says psd=n or psd=y or nothing is left. 4.10.2: the
 * organizational domain is the one whose record says psd=n; or the one just below a record with
 * psd=y; or else the shortest name that has a record. 4.10.1: the policy is the domain's own, its
 * organizational domain's, or that of the public suffix above.
 */
#include "dmarc_walk.h"

#include <stdio.h>
#include <string.h>

struct step {
	const char *name;
	bool has_record;
	struct dmarc_record record;
	char complaint[200];
};

static size_t count_labels(const char *name)
{
	size_t count = 1;

	for (; *name != '\0'; name++)
		count += *name == '.';
	return count;
}

static const char *parent(const char *name)
{
	const char *dot = strchr(name, '.');

	return dot != NULL ? dot + 1 : NULL;
}

/* The one DMARC record of an answer. */
static void take_record(struct step *step, const struct dns_answer *answer, struct dmarc_walk *walk)
{
	const char *text = NULL;

	for (size_t i = 0; i < answer->count; i++) {
		if (!dmarc_record_is_one(answer->txt[i]))
			continue;
		if (text != NULL) {
			snprintf(walk->several, sizeof(walk->several), "%s", step->name);
			return;
		}
		text = answer->txt[i];
	}
	if (text == NULL)
		return;
	step->has_record = true;
	dmarc_record_parse(&step->record, text, step->complaint, sizeof(step->complaint));
}

/* -1: nobody knows. */
static int ask_step(const struct lookup_source *source, struct step *step, struct dmarc_walk *walk)
{
	char name[DNS_NAME_MAX + 16];
	struct dns_answer answer;
	int result = 0;

	snprintf(name, sizeof(name), "_dmarc.%.255s", step->name);
	lookup_ask(source, name, DNS_TYPE_TXT, &answer);
	if (answer.result == DNS_ERROR) {
		snprintf(walk->error, sizeof(walk->error), "%s", answer.error);
		result = -1;
	} else {
		take_record(step, &answer, walk);
	}
	dns_answer_wipe(&answer);
	return result;
}

/* Up the tree. How many steps there are, 0: nobody knows. */
static size_t climb(const struct lookup_source *source, const char *domain,
		    struct step steps[DMARC_WALK_MAX], struct dmarc_walk *walk)
{
	const char *name = domain;
	size_t count = 0;

	while (name != NULL && count < DMARC_WALK_MAX) {
		struct step *step = &steps[count++];

		step->name = name;
		if (ask_step(source, step, walk) != 0)
			return 0;
		if (step->has_record &&
		    (step->record.psd == 'n' || (step->record.psd == 'y' && count > 1)))
			break;
		name = parent(name);
		while (count == 1 && name != NULL && count_labels(name) >= DMARC_WALK_MAX)
			name = parent(name);
	}
	return count;
}

/* The name just below this one on the way from the domain. */
static const char *child_of(const char *domain, const char *name)
{
	const char *child = domain;

	while (parent(child) != NULL && strcmp(parent(child), name) != 0)
		child = parent(child);
	return child;
}

static const char *find_organization(const struct step *steps, size_t count, const char *domain)
{
	const char *shortest = domain;

	for (size_t i = 0; i < count; i++) {
		if (!steps[i].has_record)
			continue;
		if (steps[i].record.psd == 'n')
			return steps[i].name;
		if (i > 0 && steps[i].record.psd == 'y')
			return child_of(domain, steps[i].name);
		shortest = steps[i].name;
	}
	return shortest;
}

static const struct step *find_policy(const struct step *steps, size_t count,
				      const char *organization)
{
	if (steps[0].has_record)
		return &steps[0];
	for (size_t i = 1; i < count; i++)
		if (steps[i].has_record && strcmp(steps[i].name, organization) == 0)
			return &steps[i];
	for (size_t i = 1; i < count; i++)
		if (steps[i].has_record && steps[i].record.psd == 'y')
			return &steps[i];
	return NULL;
}

static void take_policy(struct dmarc_walk *walk, const struct step *step, bool is_own)
{
	const struct dmarc_record *record = &step->record;

	walk->found = DMARC_FOUND;
	walk->record = *record;
	snprintf(walk->policy_domain, sizeof(walk->policy_domain), "%s", step->name);
	snprintf(walk->complaint, sizeof(walk->complaint), "%s", step->complaint);
	walk->policy =
		!is_own && record->subdomains != DMARC_ABSENT ? record->subdomains : record->policy;
	if (walk->policy == DMARC_ABSENT)
		walk->policy = DMARC_NONE;
}

void dmarc_walk(const struct lookup_source *source, const char *domain, struct dmarc_walk *walk)
{
	struct step steps[DMARC_WALK_MAX] = { { .name = NULL } };
	const struct step *policy;
	size_t count;

	memset(walk, 0, sizeof(*walk));
	walk->found = DMARC_NOT_FOUND;
	snprintf(walk->organizational_domain, sizeof(walk->organizational_domain), "%s", domain);
	count = climb(source, domain, steps, walk);
	if (count == 0) {
		walk->found = DMARC_UNKNOWN;
		return;
	}
	snprintf(walk->organizational_domain, sizeof(walk->organizational_domain), "%s",
		 find_organization(steps, count, domain));
	policy = find_policy(steps, count, walk->organizational_domain);
	if (policy != NULL)
		take_policy(walk, policy, policy == &steps[0]);
}
