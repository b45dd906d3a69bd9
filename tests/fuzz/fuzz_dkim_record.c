/*
 * Arbitrary bytes as a DKIM key record: what is taken has a key or is revoked, and a key that is
 * taken prints as a record that holds the same key.
 *
 * feeds: DKIM key records
 * covers: doctor/dkim_key.c:decode, take_key, parse_public_key, has_word, judge_tags,
 *     dkim_record_parse, dkim_key_is_same, dkim_key_print_record
 */
#include "doctor/dkim_key.h"
#include "fuzz_target.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	char *text = strndup((const char *)bytes, length), error[300] = "",
	     printed[DKIM_KEY_TEXT_MAX];
	struct dkim_record record, again;

	if (dkim_record_parse(&record, text, error, sizeof(error)) != 0) {
		require(error[0] != '\0');
	} else {
		require((record.key.key == NULL) == record.is_revoked);
		if (!record.is_revoked && dkim_key_print_record(&record.key, printed)) {
			require(dkim_record_parse(&again, printed, error, sizeof(error)) == 0);
			require(dkim_key_is_same(&record.key, &again.key));
			dkim_record_wipe(&again);
		}
		dkim_record_wipe(&record);
	}
	free(text);
	return 0;
}
