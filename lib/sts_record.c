/*
 * The TXT record of MTA-STS (RFC 8461 3.1), read strictly: what does not fit the grammar announces
 * nothing.
 *
 *	record  = "v=STSv1" 1*(delim field) [delim]
 *	delim   = *WSP ";" *WSP
 *	field   = "id=" 1*32(ALPHA / DIGIT) / name "=" value
 *	name    = (ALPHA / DIGIT) *31(ALPHA / DIGIT / "_" / "-" / ".")
 *	value   = 1*(%x21-3A / %x3C / %x3E-7E)
 *
 * Where the grammar and the text of 3.1 differ the text counts: records that do not begin with
 * "v=STSv1;" are no records, so there is no white space before that semicolon.
 */
#include "sts_record.h"

#include <stdio.h>
#include <string.h>

#include "ascii.h"

#define RECORD_START "v=STSv1;"
#define NAME_LENGTH_MAX 32

bool sts_name_is_valid(const char *name, size_t length)
{
	if (length == 0 || length > NAME_LENGTH_MAX || !ascii_is_alnum(name[0]))
		return false;
	for (size_t i = 1; i < length; i++)
		if (!ascii_is_alnum(name[i]) && name[i] != '_' && name[i] != '-' && name[i] != '.')
			return false;
	return true;
}

bool sts_id_is_valid(const char *id, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (!ascii_is_alnum(id[i]))
			return false;
	return length > 0 && length <= STS_ID_MAX;
}

static bool is_value_byte(char c)
{
	return c > ' ' && c < 0x7f && c != ';' && c != '=';
}

/* NULL with *rest moved behind the field, or what is wrong with it. */
static const char *read_field(const char **rest, char id[STS_ID_MAX + 1])
{
	const char *name = *rest, *value;
	size_t name_length = strcspn(name, "=;"), length = 0;

	if (name[name_length] != '=' || !sts_name_is_valid(name, name_length))
		return "a field that is not name=value";
	value = name + name_length + 1;
	while (is_value_byte(value[length]))
		length++;
	*rest = value + length;
	if (length == 0)
		return "a field without a value";
	if (name_length != 2 || memcmp(name, "id", 2) != 0 || id[0] != '\0')
		return NULL;
	if (!sts_id_is_valid(value, length))
		return "an id that is not 1 to 32 letters and digits";
	memcpy(id, value, length);
	id[length] = '\0';
	return NULL;
}

/* `rest` stands at the first delimiter. NULL, or what is wrong. */
static const char *read_record(const char *rest, char id[STS_ID_MAX + 1])
{
	const char *wrong;

	id[0] = '\0';
	while (*rest != '\0') {
		rest += strspn(rest, " \t");
		if (*rest != ';')
			return "text that is no field";
		rest++;
		rest += strspn(rest, " \t");
		if (*rest == '\0')
			break;
		wrong = read_field(&rest, id);
		if (wrong != NULL)
			return wrong;
	}
	return id[0] != '\0' ? NULL : "no id";
}

bool sts_record_parse(char *const *txt, size_t count, char id[STS_ID_MAX + 1], char *reason,
		      size_t reason_size)
{
	const char *record = NULL, *wrong;
	size_t found = 0;

	id[0] = '\0';
	for (size_t i = 0; i < count; i++) {
		if (strncmp(txt[i], RECORD_START, strlen(RECORD_START)) != 0)
			continue;
		record = txt[i];
		found++;
	}
	if (found != 1) {
		snprintf(reason, reason_size, "%s",
			 found == 0 ? "no record begins with " RECORD_START :
				      "more than one record begins with " RECORD_START);
		return false;
	}
	wrong = read_record(record + strlen(RECORD_START) - 1, id);
	if (wrong == NULL)
		return true;
	id[0] = '\0';
	snprintf(reason, reason_size, "the record has %s", wrong);
	return false;
}
