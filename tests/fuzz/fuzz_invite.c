/*
 * Any text as an invite: what is taken prints as the same text, white space aside, and everything in
 * it is within its bounds; what is refused has a reason in printable words, and nothing was filled
 * in. Nobody finds the check by chance, so behind a "!" it is put to the end.
 *
 * feeds: an invite
 * covers: tunnel/invite.c:make_check, is_host, compact, parse_number, decode, parse_host, split,
 *     parse_fields, is_cut_off, parse, invite_parse, invite_print
 */
#include <sodium.h>

#include "fuzz_target.h"
#include "tunnel/invite.h"

#define TEXT_MAX 2000

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static void append_check(char *text)
{
	static const uint8_t label[16] = "postern-check-1", salt[16];
	static const char letters[] = "0123456789abcdefghjkmnpqrstvwxyz";
	char compact[TEXT_MAX + 1];
	size_t length = 0;
	uint8_t digest[16];
	uint64_t bits;

	for (const char *at = text; *at != '\0'; at++)
		if (!is_space(*at))
			compact[length++] = *at;
	crypto_generichash_blake2b_salt_personal(digest, sizeof(digest), (const uint8_t *)compact, length, NULL, 0, salt,
						 label);
	bits = (uint64_t)digest[0] << 27 | (uint64_t)digest[1] << 19 | (uint64_t)digest[2] << 11 | (uint64_t)digest[3] << 3;
	text += strlen(text);
	*text++ = ':';
	for (int i = 6; i >= 0; i--)
		*text++ = letters[bits >> (5 * i) & 31];
	*text = '\0';
}

static void check_good(const struct invite *invite, const char *text)
{
	char printed[INVITE_TEXT_MAX];
	size_t at = 0;

	require(invite->port > 0 && invite->expires >= 0 && strlen(invite->host) <= INVITE_HOST_MAX);
	require(invite_print(invite, printed) == 0);
	for (; *text != '\0'; text++)
		if (!is_space(*text))
			require(printed[at++] == *text);
	require(printed[at] == '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	bool is_helped = length > 0 && bytes[0] == '!';
	char text[TEXT_MAX + 16], reason[400] = "";
	struct invite invite = { .port = 0 };

	if (length > TEXT_MAX)
		return 0;
	memcpy(text, bytes + is_helped, length - is_helped);
	text[length - is_helped] = '\0';
	if (is_helped)
		append_check(text);
	if (invite_parse(&invite, text, reason, sizeof(reason)) == INVITE_GOOD) {
		check_good(&invite, text);
	} else {
		require(invite.port == 0 && reason[0] != '\0' && strlen(reason) < sizeof(reason) - 1);
		require_printable(reason);
	}
	return 0;
}
