/*
 * Any bytes as a line of the table reply_rules, and as a reply that is held against it: a rule that is taken is within its bounds, and a
 * pattern fits exactly what a search that tries everything finds.
 *
 * feeds: the table reply_rules
 * covers: edge/reply_rules.c:reply_rule_parse, parse_stage, parse_code, parse_action, reply_rules_fits
 */
#include <string.h>

#include "edge/reply_rules.h"
#include "fuzz_target.h"
#include "lib/ascii.h"

#define SHORT 12

static bool fits_slowly(const char *pattern, const char *text)
{
	if (*pattern == '\0')
		return *text == '\0';
	if (*pattern == '*')
		return fits_slowly(pattern + 1, text) || (*text != '\0' && fits_slowly(pattern, text + 1));
	return *text != '\0' && (*pattern == '?' || ascii_lower(*pattern) == ascii_lower(*text)) &&
	       fits_slowly(pattern + 1, text + 1);
}

/* "KEY\nVALUE\nREPLY" */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	char line[2000], error[300] = "", *value, *text;
	struct reply_rule rule;

	if (length >= sizeof(line))
		return 0;
	memcpy(line, bytes, length);
	line[length] = '\0';
	if ((value = strchr(line, '\n')) == NULL || (text = strchr(value + 1, '\n')) == NULL)
		return 0;
	*value++ = '\0';
	*text++ = '\0';
	if (reply_rule_parse(&rule, line, value, error, sizeof(error)) != 0) {
		require(error[0] != '\0');
		return 0;
	}
	require(rule.stage >= -1 && rule.stage < STAGE_COUNT && strlen(rule.code) <= 3);
	require(rule.code[0] == '4' || rule.code[0] == '5');
	require(rule.text[0] != '\0' && strlen(rule.text) <= REPLY_RULE_TEXT_MAX);
	require((rule.news == DESTINATION_NEWS_PAUSE) == (rule.pause_ms > 0) && rule.pause_ms <= REPLY_RULE_PAUSE_MAX_MS);
	if (strlen(rule.text) <= SHORT && strlen(text) <= SHORT)
		require(reply_rules_fits(rule.text, text) == fits_slowly(rule.text, text));
	else
		reply_rules_fits(rule.text, text);
	return 0;
}
