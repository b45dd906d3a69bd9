/* The keeper decides and writes (enrolment.h); here its word becomes an answer. */
#include "question_enrol.h"

#include <string.h>
#include <time.h>

#include "lib/endpoint.h"
#include "lib/log.h"
#include "own_address.h"
#include "tunnel/base64_key.h"

static const char *name_of(enum enrolment_result result)
{
	switch (result) {
	case ENROLMENT_DONE:
		return "enrolled";
	case ENROLMENT_USED:
		return "used";
	case ENROLMENT_EXPIRED:
		return "expired";
	case ENROLMENT_REFUSED:
		break;
	}
	return "refused";
}

static json_t *addresses(const struct edge_setup *setup)
{
	bool has_ipv6 = atomic_load(&setup->family) != MX_FAMILY_IPV4;
	const int families[] = { AF_INET, AF_INET6 };
	json_t *list = json_array();

	for (int i = 0; i < (has_ipv6 ? 2 : 1); i++) {
		struct sockaddr_storage own;
		char text[SOCKADDR_TEXT_MAX];

		if (own_address_find(families[i], &own) == 0 && !own_address_is_private(&own))
			json_array_append_new(
				list, json_string(endpoint_print_address((struct sockaddr *)&own,
									 text, sizeof(text))));
	}
	return list;
}

json_t *question_enrol(const struct edge_question *question)
{
	enum enrolment_result result = ENROLMENT_REFUSED;
	char reason[KEEPER_ERROR_MAX] = "this is no public key; nothing was enrolled";
	struct edge_setup *setup = edge_acquire_setup(question->edge);
	uint8_t key[NOISE_DHLEN];
	json_t *answer;

	if (base64_key_decode(key, question->argument, strlen(question->argument)) == 0)
		result = keeper_client_enrol(question->edge->keeper, question->public_key, key,
					     reason, sizeof(reason));
	/* `postern invite' asks so whether the edge knows the invite. */
	if (question->argument[0] != '\0')
		log_info("client=%s: %s: %s", question->client, name_of(result), reason);
	answer = json_pack("{s:s, s:s, s:s, s:I, s:o}", "result", name_of(result), "reason", reason,
			   "edge_name", setup->conf.ehlo_name, "time", (json_int_t)time(NULL),
			   "addresses", addresses(setup));
	edge_setup_release(setup);
	return answer;
}
