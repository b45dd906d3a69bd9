/*
 * Arbitrary bytes as DMARC records of a domain and of the names above it, one a line: the walk ends
 * after eight questions, the organizational domain is the domain or a name above it, and a policy
 * that is found is somebody's on the way.
 *
 * feeds: DMARC records
 * covers: doctor/dmarc_record.c doctor/dmarc_walk.c doctor/tag_list.c
 */
#include "doctor/dmarc_walk.h"
#include "fuzz_target.h"

#define DOMAIN "a.b.c.d.e.f.mail.example.com"

struct world {
	char *next; /* NULL: no more */
	unsigned asked;
};

/* "+" before a line: it belongs to the name of the one before it. "!": an error. */
static void ask(void *context, const char *name, enum dns_type type, struct dns_answer *answer)
{
	struct world *world = context;

	require(type == DNS_TYPE_TXT && strncmp(name, "_dmarc.", 7) == 0);
	world->asked++;
	memset(answer, 0, sizeof(*answer));
	answer->result = DNS_NODATA;
	if (world->next == NULL)
		return;
	answer->result = DNS_FOUND;
	answer->txt = calloc(4, sizeof(*answer->txt));
	do {
		const char *line = strsep(&world->next, "\n");

		if (line[0] == '!') {
			answer->result = DNS_ERROR;
			snprintf(answer->error, sizeof(answer->error), "no answer");
			break;
		}
		answer->txt[answer->count++] = strdup(line[0] == '+' ? line + 1 : line);
	} while (answer->count < 4 && world->next != NULL && world->next[0] == '+');
	if (answer->result == DNS_ERROR) {
		for (size_t i = 0; i < answer->count; i++)
			free(answer->txt[i]);
		free(answer->txt);
		answer->txt = NULL;
		answer->count = 0;
	}
}

static bool is_on_the_way(const char *name)
{
	size_t length = strlen(DOMAIN), suffix = strlen(name);

	return suffix <= length && strcmp(&DOMAIN[length - suffix], name) == 0 &&
	       (suffix == length || DOMAIN[length - suffix - 1] == '.');
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	char *text = strndup((const char *)bytes, length), address[200];
	struct world world = { .next = text };
	struct lookup_source source = { .ask = ask, .context = &world };
	struct dmarc_walk walk;
	const char *rua = walk.record.rua;

	dmarc_walk(&source, DOMAIN, &walk);
	require(world.asked >= 1 && world.asked <= DMARC_WALK_MAX);
	require(walk.organizational_domain[0] != '\0' && is_on_the_way(walk.organizational_domain));
	require((walk.error[0] != '\0') == (walk.found == DMARC_UNKNOWN));
	if (walk.found == DMARC_FOUND) {
		require(walk.policy_domain[0] != '\0' && is_on_the_way(walk.policy_domain) &&
			walk.policy != DMARC_ABSENT);
		require(strcmp(dmarc_policy_name(walk.policy), "?") != 0);
		while (dmarc_next_mailto(&rua, address, sizeof(address)))
			require(strpbrk(address, ",!? \t") == NULL);
	}
	free(text);
	return 0;
}
