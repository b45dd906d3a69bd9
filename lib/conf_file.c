/*
 * A libconfig file on its way to libconfig.
 *
 * The text is looked through token by token, as libconfig's own scanner would (its manual, section
 * "Configuration File Grammar"):
 *
 *	comment = "#" ... / "//" ... / "/" "*" ... "*" "/"
 *	name    = ( ALPHA / "*" ) *( ALPHA / DIGIT / "-" / "_" / "*" )
 *	integer = [ "+" / "-" ] 1*DIGIT [ "L" [ "L" ] ] / "0x" 1*HEXDIG [ "L" [ "L" ] ]
 *	string  = DQUOTE *( char / "\" char ) DQUOTE	; here: on one line
 *
 * and copied, integers with the suffix "L" that makes libconfig keep 64 bits. What libconfig would
 * take in silence (an open comment, a NUL hidden in "\x00") or without a helpful word (a doubled
 * name, text without quotes) is an error here. @include is refused: one program, one file, no
 * loops, no /dev/zero.
 */
#include "conf_file.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

struct name {
	const char *text;
	size_t length;
	int line;
};

struct scan {
	const char *path;
	const char *at;			/* next character to look at */
	int line;
	int depth;			/* of { ( [ */
	char before;			/* how the last token began: after '=' comes a value */
	char *out;			/* there is always room: two characters for each one read */
	struct name *names;		/* those at depth 0 */
	size_t name_count;
	char *error;
	size_t error_size;
};

static int fail(struct scan *scan, const char *what, const char *token, size_t length,
		const char *advice)
{
	char quoted[64];

	log_printable(quoted, sizeof(quoted), token, length);
	snprintf(scan->error, scan->error_size, "%s:%d: %s%s%s", scan->path, scan->line, what,
		 quoted, advice);
	return -1;
}

static void copy(struct scan *scan, size_t length)
{
	memcpy(scan->out, scan->at, length);
	scan->out += length;
	scan->at += length;
}

static void skip_line_comment(struct scan *scan)
{
	scan->at += strcspn(scan->at, "\n");
}

/* Its line ends are copied, so that lines keep their numbers. */
static int skip_block_comment(struct scan *scan)
{
	const char *end = strstr(scan->at + 2, "*/");

	if (end == NULL)
		return fail(scan, "a comment begins here and has no end (*/)", "", 0, "");
	for (; scan->at < end + 2; scan->at++)
		if (*scan->at == '\n') {
			*scan->out++ = '\n';
			scan->line++;
		}
	*scan->out++ = ' ';
	return 0;
}

static int copy_string(struct scan *scan)
{
	size_t length = 1;

	while (scan->at[length] != '"') {
		if (scan->at[length] == '\0' || scan->at[length] == '\n')
			return fail(scan, "the closing quote is missing: ", scan->at, length, "");
		if (strncmp(scan->at + length, "\\x00", 4) == 0)
			return fail(scan, "a NUL byte in a text: ", scan->at, length + 4, "");
		if (scan->at[length] == '\\' && strchr("\n", scan->at[length + 1]) == NULL)
			length++;	/* (strchr finds the final NUL, too) */
		length++;
	}
	scan->before = '"';
	copy(scan, length + 1);
	return 0;
}

static int remember_name(struct scan *scan, const char *text, size_t length)
{
	for (size_t i = 0; i < scan->name_count; i++)
		if (scan->names[i].length == length &&
		    memcmp(scan->names[i].text, text, length) == 0) {
			char advice[64];

			snprintf(advice, sizeof(advice), "\" (already set in line %d)",
				 scan->names[i].line);
			return fail(scan, "doubled setting \"", text, length, advice);
		}
	if (scan->name_count == CONF_FILE_SETTINGS_MAX)
		return fail(scan, "too many settings", "", 0, "");
	scan->names[scan->name_count++] = (struct name){ text, length, scan->line };
	return 0;
}

static bool is_value_place(const struct scan *scan)
{
	return scan->before != '\0' && strchr("=:,[(", scan->before) != NULL;
}

static int copy_word(struct scan *scan)
{
	size_t length = 0;

	while (isalnum((unsigned char)scan->at[length]) ||
	       (scan->at[length] != '\0' && strchr("-_*", scan->at[length])))
		length++;
	if (!is_value_place(scan)) {
		if (scan->depth == 0 && remember_name(scan, scan->at, length) != 0)
			return -1;
	} else if (!(length == 4 && strncasecmp(scan->at, "true", 4) == 0) &&
		   !(length == 5 && strncasecmp(scan->at, "false", 5) == 0)) {
		return fail(scan, "text needs quotes: ", scan->at, length, "");
	}
	scan->before = 'a';
	copy(scan, length);
	return 0;
}

/*
 * How many of the characters are a number as libconfig 1.5 writes them; *integer_out: without point
 * and exponent.
 */
static size_t number_length(const char *text, bool *integer_out, bool *suffixed_out)
{
	size_t sign = text[0] == '+' || text[0] == '-';
	size_t length = sign, digits;

	*suffixed_out = false;
	*integer_out = true;
	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
		digits = strspn(text + 2, "0123456789abcdefABCDEF");
		length = digits > 0 ? 2 + digits : 0;
	} else {
		digits = strspn(text + length, "0123456789");
		length += digits;
		if (text[length] == '.') {
			size_t fraction = strspn(text + length + 1, "0123456789");

			*integer_out = false;
			digits += fraction;
			length += 1 + fraction;
		}
		if (digits > 0 && (text[length] == 'e' || text[length] == 'E')) {
			size_t exponent_sign = text[length + 1] == '-' || text[length + 1] == '+';

			*integer_out = false;
			length += 1 + exponent_sign;
			length += strspn(text + length, "0123456789");
		}
	}
	if (digits == 0)
		return 0;
	if (*integer_out && text[length] == 'L') {
		*suffixed_out = true;
		length += text[length + 1] == 'L' ? 2 : 1;
	}
	return length;
}

static int copy_number(struct scan *scan)
{
	bool integer, suffixed;
	size_t length = number_length(scan->at, &integer, &suffixed);
	size_t whole = strcspn(scan->at, " \t\r\n\f;,=:(){}[]\"#/");

	if (length == 0 || length != whole)
		return fail(scan, "not a number: ", scan->at, whole, " (text needs quotes)");
	if (integer) {
		errno = 0;
		strtoll(scan->at, NULL,
			scan->at[0] == '0' && toupper((unsigned char)scan->at[1]) == 'X' ? 16 : 10);
		if (errno == ERANGE)
			return fail(scan, "the number ", scan->at, length, " is out of range");
	}
	scan->before = '0';
	copy(scan, length);
	if (integer && !suffixed)
		*scan->out++ = 'L';
	return 0;
}

static int copy_punctuation(struct scan *scan)
{
	char byte = *scan->at;

	if (strncmp(scan->at, "@include", 8) == 0)
		return fail(scan, "@include is not supported: put all settings into one file", "",
			    0, "");
	if (strchr("=:;,{}()[] \t\r\n\f", byte) == NULL)
		return fail(scan, "not expected here: ", scan->at, strcspn(scan->at, " \t\r\n;"),
			    " (text needs quotes)");
	if (byte == '\n')
		scan->line++;
	if (strchr("{([", byte) != NULL)
		scan->depth++;
	if (strchr("})]", byte) != NULL)
		scan->depth--;
	if (!isspace((unsigned char)byte))
		scan->before = byte;
	copy(scan, 1);
	return 0;
}

static int scan_token(struct scan *scan)
{
	unsigned char byte = (unsigned char)scan->at[0];

	if (byte == '#' || (byte == '/' && scan->at[1] == '/')) {
		skip_line_comment(scan);
		return 0;
	}
	if (byte == '/' && scan->at[1] == '*')
		return skip_block_comment(scan);
	if (byte == '"')
		return copy_string(scan);
	if (isalpha(byte) || byte == '*')
		return copy_word(scan);
	if (isdigit(byte) || byte == '+' || byte == '-' || byte == '.')
		return copy_number(scan);
	return copy_punctuation(scan);
}

int conf_file_read(struct text_file *prepared, const char *path, char *error, size_t error_size)
{
	struct scan scan = { .path = path, .line = 1, .error = error, .error_size = error_size };
	struct text_file file;
	int result = -1;

	*prepared = (struct text_file){ 0 };
	if (text_file_read(&file, path, CONF_FILE_MAX, NULL, error, error_size) != 0)
		return -1;
	prepared->text = malloc(2 * file.length + 1);
	scan.names = calloc(CONF_FILE_SETTINGS_MAX, sizeof(*scan.names));
	if (prepared->text == NULL || scan.names == NULL) {
		snprintf(error, error_size, "%s: %s", path, strerror(ENOMEM));
		goto out;
	}
	scan.at = file.text;
	scan.out = prepared->text;
	while (*scan.at != '\0')
		if (scan_token(&scan) != 0)
			goto out;
	*scan.out = '\0';
	prepared->length = (size_t)(scan.out - prepared->text);
	result = 0;
out:
	free(scan.names);
	text_file_wipe(&file);
	if (result != 0)
		text_file_wipe(prepared);
	return result;
}
