/*
 * Any bytes as requests of Postfix's policy delegation protocol, one behind the other: what is
 * taken of one ends with an empty line, every value is a string within its member, and a request
 * that is whole is read the same whatever follows it.
 *
 * feeds: requests of Postfix's policy delegation protocol, to the milter
 * covers: milter/policy_request.c
 */
#include "fuzz_target.h"
#include "milter/policy_request.h"

static void check(const struct policy_request *request)
{
	require(strlen(request->client_address) < sizeof(request->client_address));
	require(strlen(request->client_port) < sizeof(request->client_port));
	require(strlen(request->sender) < sizeof(request->sender));
	require(strlen(request->ccert_fingerprint) < sizeof(request->ccert_fingerprint));
	require(strlen(request->ccert_pubkey_fingerprint) <
		sizeof(request->ccert_pubkey_fingerprint));
	require(strpbrk(request->sender, "\n") == NULL &&
		strpbrk(request->client_address, "\n") == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	const char *text = (const char *)bytes;
	struct policy_request request, again;
	ptrdiff_t taken;

	/* The service keeps no more. */
	if (length > POLICY_REQUEST_MAX)
		return 0;
	while ((taken = policy_request_parse(&request, text, length)) > 0) {
		require((size_t)taken <= length && text[taken - 1] == '\n' &&
			(taken == 1 || text[taken - 2] == '\n'));
		check(&request);
		require(policy_request_parse(&again, text, (size_t)taken) == taken &&
			memcmp(&again, &request, sizeof(again)) == 0);
		if (taken > 1)
			require(policy_request_parse(&again, text, (size_t)taken - 1) == 0);
		text += taken;
		length -= (size_t)taken;
	}
	require(taken == 0 || taken == -1);
	require(taken != 0 || length < POLICY_REQUEST_MAX);
	return 0;
}
