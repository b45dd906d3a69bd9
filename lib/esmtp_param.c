/*
 * Reads the arguments of MAIL and RCPT. Writing them is the work of esmtp_print.c.
 *
 *   arguments       = [ SP ] ( Reverse-path / Forward-path ) [ SP esmtp-param *( SP esmtp-param ) ]
 *   esmtp-param     = esmtp-keyword [ "=" esmtp-value ]                         (RFC 5321 4.1.2)
 *   esmtp-keyword   = ( ALPHA / DIGIT ) *( ALPHA / DIGIT / "-" )
 *   esmtp-value     = 1*( %d33-60 / %d62-126 / UTF8-non-ascii )                 (RFC 6531 3.3)
 *
 *   SIZE= 1*20DIGIT (RFC 1870)   BODY= "7BIT" / "8BITMIME" (RFC 6152)   SMTPUTF8 (RFC 6531)   REQUIRETLS (RFC 8689)
 *   AUTH= xtext / "<>" (RFC 4954; only its form as esmtp-value is looked at, then it is ignored)
 *   RET= "FULL" / "HDRS"   ENVID= xtext   NOTIFY= "NEVER" / 1#( "SUCCESS" / "FAILURE" / "DELAY" )
 *   ORCPT= atom ";" xtext  (RFC 3461 4)   ORCPT= "utf-8;" utf-8-enc-addr  (RFC 6533 3)
 *
 * Refuses what it does not know (555) or what says something twice (501), rather than lose a wish
 * of the sender: BODY=BINARYMIME above all, as without BDAT nobody could carry it.
 */
#include "esmtp_param.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ascii.h"
#include "log.h"
#include "xtext.h"

/* One command line while it is read; the targets are copies, so that a refusal leaves no trace. */
struct command {
	struct envelope *envelope;	/* MAIL, else NULL */
	struct recipient *recipient;	/* RCPT, else NULL */
	bool smtputf8;
	struct esmtp_refusal *refusal;
};

/* Takes the value of one parameter; false with the refusal filled in. */
typedef bool parameter_fn(struct command *command, const char *value, size_t length);

struct parameter {
	const char *keyword;
	bool has_value;
	parameter_fn *take;
};

__attribute__((format(printf, 4, 5)))
static bool refuse(struct command *command, int code, struct enhanced_status status,
		   const char *format, ...)
{
	va_list arguments;

	command->refusal->code = code;
	command->refusal->status = status;
	va_start(arguments, format);
	vsnprintf(command->refusal->text, sizeof(command->refusal->text), format, arguments);
	va_end(arguments);
	return false;
}

static bool refuse_syntax(struct command *command, const char *what)
{
	return refuse(command, 501, ENHANCED_STATUS(5, 5, 4), "%s", what);
}

static bool take_size(struct command *command, const char *value, size_t length)
{
	uint64_t size = 0;

	if (length > 20)
		return refuse_syntax(command, "bad SIZE: more than 20 digits");
	for (size_t i = 0; i < length; i++) {
		unsigned digit = (unsigned)(value[i] - '0');

		if (!ascii_is_digit(value[i]))
			return refuse_syntax(command, "bad SIZE: not a number");
		if (size > ((uint64_t)INT64_MAX - digit) / 10)
			return refuse(command, 552, ENHANCED_STATUS(5, 3, 4),
				      "message size exceeds any limit");
		size = size * 10 + digit;
	}
	command->envelope->declared_size = size;
	return true;
}

static bool take_body(struct command *command, const char *value, size_t length)
{
	if (ascii_is_word(value, length, "7BIT"))
		command->envelope->body_type = BODY_7BIT;
	else if (ascii_is_word(value, length, "8BITMIME"))
		command->envelope->body_type = BODY_8BITMIME;
	else if (ascii_is_word(value, length, "BINARYMIME"))
		return refuse(command, 555, ENHANCED_STATUS(5, 5, 4),
			      "unsupported BODY: BINARYMIME");
	else
		return refuse_syntax(command, "bad BODY: neither 7BIT nor 8BITMIME");
	return true;
}

static bool take_smtputf8(struct command *command, const char *value, size_t length)
{
	(void)value;
	(void)length;
	command->smtputf8 = true;
	command->envelope->smtputf8 = true;
	return true;
}

/* RFC 8689 3 */
static bool take_requiretls(struct command *command, const char *value, size_t length)
{
	(void)value;
	(void)length;
	command->envelope->requiretls = true;
	return true;
}

static bool take_ret(struct command *command, const char *value, size_t length)
{
	if (ascii_is_word(value, length, "FULL"))
		command->envelope->ret = DSN_RETURN_FULL;
	else if (ascii_is_word(value, length, "HDRS"))
		command->envelope->ret = DSN_RETURN_HEADERS;
	else
		return refuse_syntax(command, "bad RET: neither FULL nor HDRS");
	return true;
}

/* RFC 3461 4.4: what the xtext stands for is printable ASCII. */
static bool take_envid(struct command *command, const char *value, size_t length)
{
	char decoded[SMTP_ENVID_MAX + 1];
	ssize_t decoded_length;

	if (length > SMTP_ENVID_MAX)
		return refuse_syntax(command, "bad ENVID: longer than 100 octets");
	decoded_length = xtext_decode(decoded, sizeof(decoded), value, length);
	if (decoded_length < 0)
		return refuse_syntax(command, "bad ENVID: not xtext");
	for (ssize_t i = 0; i < decoded_length; i++)
		if (decoded[i] < ' ' || decoded[i] > '~')
			return refuse_syntax(command, "bad ENVID: not printable");
	memcpy(command->envelope->envid, value, length);
	command->envelope->envid[length] = '\0';
	return true;
}

static bool take_auth(struct command *command, const char *value, size_t length)
{
	(void)command;
	(void)value;
	(void)length;
	return true;
}

/* The bit of one word of NOTIFY, or 0. */
static uint8_t notify_bit(const char *word, size_t length)
{
	if (ascii_is_word(word, length, "NEVER"))
		return DSN_NOTIFY_NEVER;
	if (ascii_is_word(word, length, "SUCCESS"))
		return DSN_NOTIFY_SUCCESS;
	if (ascii_is_word(word, length, "FAILURE"))
		return DSN_NOTIFY_FAILURE;
	if (ascii_is_word(word, length, "DELAY"))
		return DSN_NOTIFY_DELAY;
	return 0;
}

static bool take_notify(struct command *command, const char *value, size_t length)
{
	const char *end = value + length, *comma;
	uint8_t notify = 0, bit;

	for (;; value = comma + 1) {
		comma = memchr(value, ',', (size_t)(end - value));
		bit = notify_bit(value, (size_t)((comma != NULL ? comma : end) - value));
		if (bit == 0)
			return refuse_syntax(command, "bad NOTIFY: not NEVER or a list of "
						      "SUCCESS, FAILURE, DELAY");
		notify |= bit;
		if (comma == NULL)
			break;
	}
	if ((notify & DSN_NOTIFY_NEVER) && length != strlen("NEVER"))
		return refuse_syntax(command, "bad NOTIFY: NEVER stands alone");
	command->recipient->notify = notify;
	return true;
}

/* addr-type is an atom (RFC 3461 4.2), which is wider than the registered names. */
static bool is_address_type(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (text[i] <= ' ' || text[i] > '~' || strchr("()<>@,;:\\\".[]", text[i]) != NULL)
			return false;
	return length > 0;
}

static bool take_orcpt(struct command *command, const char *value, size_t length)
{
	const char *semicolon = memchr(value, ';', length), *address;
	size_t type_length, address_length;
	bool is_valid;

	if (length > SMTP_ORCPT_MAX)
		return refuse_syntax(command, "bad ORCPT: longer than 500 octets");
	if (semicolon == NULL || !is_address_type(value, (size_t)(semicolon - value)))
		return refuse_syntax(command, "bad ORCPT: no address type");
	address = semicolon + 1;
	type_length = (size_t)(semicolon - value);
	address_length = length - type_length - 1;
	if (ascii_is_word(value, type_length, "utf-8"))
		is_valid = xtext_utf8_address_is_valid(address, address_length, command->smtputf8);
	else
		is_valid = address_length > 0 && xtext_is_valid(address, address_length);
	if (!is_valid)
		return refuse_syntax(command, "bad ORCPT: not xtext");
	memcpy(command->recipient->orcpt, value, length);
	command->recipient->orcpt[length] = '\0';
	return true;
}

static const struct parameter mail_parameters[] = {
	{ "SIZE", true, take_size },
	{ "BODY", true, take_body },
	{ "SMTPUTF8", false, take_smtputf8 },
	{ "REQUIRETLS", false, take_requiretls },
	{ "RET", true, take_ret },
	{ "ENVID", true, take_envid },
	{ "AUTH", true, take_auth },
	{ NULL, false, NULL },
};

static const struct parameter rcpt_parameters[] = {
	{ "NOTIFY", true, take_notify },
	{ "ORCPT", true, take_orcpt },
	{ NULL, false, NULL },
};

static bool is_value_char(char c)
{
	return (unsigned char)c > ' ' && c != '=' && c != 0x7f;
}

static size_t keyword_length(const char *text, size_t length)
{
	size_t used = 0;

	while (used < length && (ascii_is_alnum(text[used]) || (used > 0 && text[used] == '-')))
		used++;
	return used;
}

/* One esmtp-param, `length` bytes without a space in them. */
static bool parse_parameter(struct command *command, const struct parameter *table,
			    const char *text, size_t length, unsigned *seen)
{
	size_t keyword = keyword_length(text, length), value = keyword + 1;
	const struct parameter *row = table;
	bool has_value = keyword < length && text[keyword] == '=';
	char quoted[41];

	log_printable(quoted, sizeof(quoted), text, keyword > 0 ? keyword : length);
	for (size_t i = value; has_value && i < length; i++)
		if (!is_value_char(text[i]))
			return refuse(command, 501, ENHANCED_STATUS(5, 5, 4),
				      "bad value of parameter %s", quoted);
	if (keyword == 0 || (keyword < length && !has_value) || value == length)
		return refuse(command, 501, ENHANCED_STATUS(5, 5, 4), "malformed parameter %s",
			      quoted);
	while (row->keyword != NULL && !ascii_is_word(text, keyword, row->keyword))
		row++;
	if (row->keyword == NULL)
		return refuse(command, 555, ENHANCED_STATUS(5, 5, 4), "unsupported parameter %s",
			      quoted);
	if (*seen & 1u << (row - table))
		return refuse(command, 501, ENHANCED_STATUS(5, 5, 4), "parameter %s is given twice",
			      quoted);
	*seen |= 1u << (row - table);
	if (has_value != row->has_value)
		return refuse(command, 501, ENHANCED_STATUS(5, 5, 4), "parameter %s %s", quoted,
			      has_value ? "takes no value" : "needs a value");
	return row->take(command, text + keyword + has_value, has_value ? length - value : 0);
}

static bool parse_parameters(struct command *command, const struct parameter *table,
			     const char *text, size_t length)
{
	const char *end = text + length, *space;
	unsigned seen = 0;

	while (text < end) {
		space = memchr(text, ' ', (size_t)(end - text));
		if (space == NULL)
			space = end;
		/*
		 * Spaces at the end are for the receiver to tolerate (RFC 5321 4.1.1), and so
		 * doubled ones here.
		 */
		if (space > text &&
		    !parse_parameter(command, table, text, (size_t)(space - text), &seen))
			return false;
		text = space < end ? space + 1 : end;
	}
	return true;
}

/*
 * Length of the path with its brackets: up to the first ">" that is not quoted. 0 if there is none.
 */
static size_t path_length(const char *text, size_t length)
{
	bool is_quoted = false;

	for (size_t i = 0; i < length; i++) {
		if (is_quoted && text[i] == '\\')
			i++;
		else if (text[i] == '"')
			is_quoted = !is_quoted;
		else if (text[i] == '>' && !is_quoted)
			return i + 1;
	}
	return 0;
}

/*
 * Moves *text and *length from the path to the parameters and returns the length of the path, 0
 * when refused.
 */
static size_t split_path(struct command *command, const char **text, size_t *length,
			 const char **path_out)
{
	struct enhanced_status bad_address =
		ENHANCED_STATUS(5, 1, command->envelope != NULL ? 7 : 3);
	size_t path, skipped = *length > 0 && **text == ' ' ? 1 : 0;

	*path_out = *text + skipped;
	path = path_length(*path_out, *length - skipped);
	if (path == 0 || **path_out != '<') {
		refuse(command, 501, bad_address,
		       "bad address syntax: no address in angle brackets");
		return 0;
	}
	*text += skipped + path;
	*length -= skipped + path;
	if (*length > 0 && **text != ' ') {
		refuse(command, 501, bad_address, "bad address syntax: text after the address");
		return 0;
	}
	return path;
}

static int parse_command_path(struct command *command, const char *path, size_t length,
			      bool allow_utf8, char *error, size_t error_size)
{
	if (command->envelope != NULL)
		return reverse_path_parse(&command->envelope->reverse_path, path, length,
					  allow_utf8, error, error_size);
	return forward_path_parse(&command->recipient->forward_path, path, length, allow_utf8,
				  error, error_size);
}

/* The path comes first on the line, but SMTPUTF8 behind it decides what it may hold. */
static bool parse_command(struct command *command, const struct parameter *table, const char *text,
			  size_t length)
{
	char error[100], ignored[100];
	const char *path;
	size_t path_size = split_path(command, &text, &length, &path);

	if (path_size == 0 || !parse_parameters(command, table, text, length))
		return false;
	if (!parse_command_path(command, path, path_size, command->smtputf8, error, sizeof(error)))
		return true;
	/* RFC 6531 3.5 */
	if (!command->smtputf8 &&
	    !parse_command_path(command, path, path_size, true, ignored, sizeof(ignored)))
		return refuse(command, 553, ENHANCED_STATUS(5, 6, 7), "%s", error);
	return refuse(command, 501, ENHANCED_STATUS(5, 1, command->envelope != NULL ? 7 : 3),
		      "bad address syntax: %s", error);
}

int esmtp_parse_mail(struct envelope *envelope, const char *arguments, size_t length,
		     struct esmtp_refusal *refusal)
{
	struct envelope parsed = *envelope;
	struct command command = { .envelope = &parsed, .refusal = refusal };

	if (!parse_command(&command, mail_parameters, arguments, length))
		return -1;
	*envelope = parsed;
	return 0;
}

int esmtp_parse_rcpt(struct recipient *recipient, const char *arguments, size_t length,
		     bool smtputf8, struct esmtp_refusal *refusal)
{
	struct recipient parsed = *recipient;
	struct command command = { .recipient = &parsed, .smtputf8 = smtputf8, .refusal = refusal };

	if (!parse_command(&command, rcpt_parameters, arguments, length))
		return -1;
	*recipient = parsed;
	return 0;
}
