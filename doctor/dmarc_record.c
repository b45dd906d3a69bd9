/*
 * RFC 9989 4.8:
 *
 *	dmarc-record  = dmarc-version *( *WSP ";" *WSP dmarc-tag ) [ *WSP ";" *WSP ]
 *	dmarc-version = "v" *WSP "=" *WSP %s"DMARC1"
 *	dmarc-tag     = 1*ALPHA *WSP "=" *WSP 1*( %x20-3A / %x3C-7E )
 *
 * Tags that are not known are ignored; so are values that are wrong, in favour of the default
 * (4.7).
 */
#include "dmarc_record.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "tag_list.h"

#define VERSION "DMARC1"

bool dmarc_record_is_one(const char *text)
{
	if (*text++ != 'v')
		return false;
	text += strspn(text, " \t");
	if (*text++ != '=')
		return false;
	text += strspn(text, " \t");
	if (strncmp(text, VERSION, strlen(VERSION)) != 0)
		return false;
	text += strlen(VERSION);
	text += strspn(text, " \t");
	return *text == ';' || *text == '\0';
}

static void complain(char *complaint, size_t size, const char *what, const char *value)
{
	if (complaint[0] == '\0')
		snprintf(complaint, size, "%s \"%.100s\"", what, value);
}

static enum dmarc_policy parse_policy(const struct tag_list *tags, const char *name,
				      char *complaint, size_t size)
{
	const char *value = tag_list_find(tags, name);

	if (value == NULL)
		return DMARC_ABSENT;
	if (strcasecmp(value, "none") == 0)
		return DMARC_NONE;
	if (strcasecmp(value, "quarantine") == 0)
		return DMARC_QUARANTINE;
	if (strcasecmp(value, "reject") == 0)
		return DMARC_REJECT;
	complain(complaint, size, "there is no policy", value);
	return DMARC_INVALID;
}

/* One letter of `allowed`, the first of which is the default. */
static char parse_letter(const struct tag_list *tags, const char *name, const char *allowed,
			 char *complaint, size_t size)
{
	const char *value = tag_list_find(tags, name);

	if (value == NULL)
		return allowed[0];
	if (strlen(value) == 1 && strchr(allowed, value[0] | 0x20) != NULL)
		return (char)(value[0] | 0x20);
	complain(complaint, size, name, value);
	return allowed[0];
}

void dmarc_record_parse(struct dmarc_record *record, const char *text, char *complaint, size_t size)
{
	struct tag_list tags;
	char error[200];
	const char *rua;

	memset(record, 0, sizeof(*record));
	record->psd = 'u';
	complaint[0] = '\0';
	if (tag_list_parse(&tags, text, error, sizeof(error)) != 0) {
		snprintf(complaint, size, "%s", error);
		return;
	}
	record->policy = parse_policy(&tags, "p", complaint, size);
	record->subdomains = parse_policy(&tags, "sp", complaint, size);
	record->missing_subdomains = parse_policy(&tags, "np", complaint, size);
	record->is_dkim_strict = parse_letter(&tags, "adkim", "rs", complaint, size) == 's';
	record->is_spf_strict = parse_letter(&tags, "aspf", "rs", complaint, size) == 's';
	record->is_testing = parse_letter(&tags, "t", "ny", complaint, size) == 'y';
	record->psd = parse_letter(&tags, "psd", "uyn", complaint, size);
	rua = tag_list_find(&tags, "rua");
	if (rua != NULL)
		snprintf(record->rua, sizeof(record->rua), "%s", rua);
	record->has_removed = tag_list_find(&tags, "pct") != NULL ||
			      tag_list_find(&tags, "rf") != NULL ||
			      tag_list_find(&tags, "ri") != NULL;
	tag_list_wipe(&tags);
}

const char *dmarc_policy_name(enum dmarc_policy policy)
{
	switch (policy) {
	case DMARC_NONE:
		return "none";
	case DMARC_QUARANTINE:
		return "quarantine";
	case DMARC_REJECT:
		return "reject";
	case DMARC_ABSENT:
		return "absent";
	case DMARC_INVALID:
		return "invalid";
	}
	return "?";
}

bool dmarc_next_mailto(const char **rua, char *out, size_t size)
{
	while (**rua != '\0') {
		const char *uri = *rua + strspn(*rua, " \t,");
		size_t length = strcspn(uri, ",");

		*rua = uri + length;
		if (strncasecmp(uri, "mailto:", 7) != 0)
			continue;
		uri += 7;
		snprintf(out, size, "%.*s", (int)strcspn(uri, ",!? \t"), uri);
		return true;
	}
	return false;
}
