/*
 * Finds the first Received field (RFC 5322 2.2: field name, colon, folded value) and takes id and
 * login out of it if Postfix, Sendmail or Exim wrote it: the words `by HOST`, the comment by which
 * each names itself, and later ` id QID`. Comments are skipped as RFC 5322 3.2.2 nests them, so
 * nothing that a client says of itself (HELO name, TLS certificate subject, login name stand in
 * comments or behind `from`) is taken for the id. Exim quotes the sender's address in a comment
 * as it is, parentheses and all, so its id counts only where Exim puts it: at the start of a folded
 * line, which no address can make. The login is a comment of its own before `by`, and not one inside
 * another: Postfix leaves no parenthesis unbalanced in what it quotes. The others tell no login.
 */
#include "received_trace.h"

#include <string.h>
#include <strings.h>

struct cursor {
	const char *at, *end;
};

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/*
 * The end of the field that starts at `at`, behind its CRLF; NULL when the bytes end before that is
 * certain.
 */
static const char *field_end(const char *at, const char *end)
{
	while (at < end) {
		at = memchr(at, '\n', (size_t)(end - at));
		if (at == NULL || ++at == end)
			return NULL;
		if (*at != ' ' && *at != '\t')
			return at;
	}
	return NULL;
}

/* A comment with the parentheses inside it; the cursor stands on "(". Unclosed: runs to the end. */
static struct cursor take_comment(struct cursor *cursor)
{
	struct cursor comment = { cursor->at, cursor->at };
	int depth = 0;

	while (cursor->at < cursor->end) {
		char c = *cursor->at++;

		if (c == '\\' && cursor->at < cursor->end)
			cursor->at++;
		else if (c == '(')
			depth++;
		else if (c == ')' && --depth == 0)
			break;
	}
	comment.end = cursor->at;
	return comment;
}

/*
 * The next word (up to white space, "(" or ";") or comment; an empty one at the end. ";" ends the
 * clauses.
 */
static struct cursor take_token(struct cursor *cursor)
{
	struct cursor word;

	while (cursor->at < cursor->end && is_space(*cursor->at))
		cursor->at++;
	if (cursor->at < cursor->end && *cursor->at == '(')
		return take_comment(cursor);
	word.at = cursor->at;
	while (cursor->at < cursor->end && !is_space(*cursor->at) && *cursor->at != '(' &&
	       *cursor->at != ';')
		cursor->at++;
	word.end = cursor->at;
	return word;
}

static bool token_is(struct cursor token, const char *word)
{
	size_t length = strlen(word);

	return (size_t)(token.end - token.at) == length && strncasecmp(token.at, word, length) == 0;
}

/* The token begins with `start`, and goes on with one of `next`. */
static bool token_starts(struct cursor token, const char *start, const char *next)
{
	const size_t length = strlen(start);

	return (size_t)(token.end - token.at) > length && memcmp(token.at, start, length) == 0 &&
	       token.at[length] != '\0' && strchr(next, token.at[length]) != NULL;
}

/* "(Postfix)", "(Postfix/Debian)", "(Postfix, from userid 0)" */
static bool is_postfix_comment(struct cursor token)
{
	return token_starts(token, "(Postfix", "),/ ");
}

/* "(8.17.1.9/8.17.1.9/Debian-2)", "(8.18.1/8.18.1)": version of the program, version of its cf */
static bool is_sendmail_comment(struct cursor token)
{
	return token_starts(token, "(8.", "0123456789") &&
	       memchr(token.at, '/', (size_t)(token.end - token.at)) != NULL;
}

/* "(Exim 4.96)" */
static bool is_exim_comment(struct cursor token)
{
	return token_starts(token, "(Exim ", "0123456789");
}

/* The token is the first of a folded line. */
static bool starts_line(struct cursor token)
{
	const char *at = token.at - 1;

	while (*at == ' ' || *at == '\t')
		at--;
	return *at == '\n';
}

/* What is in a clause behind `by HOST`; true when the cursor stands behind a word "id". */
static bool find_id(struct cursor *field, bool is_exim)
{
	struct cursor token;

	do
		token = take_token(field);
	while (token.at < token.end &&
	       !(token_is(token, "id") && (!is_exim || starts_line(token))));
	return token.at < token.end;
}

/* Behind `by HOST`: Exim's comment comes after `with PROTOCOL` and words and comments on TLS. */
static bool skip_to_exim_comment(struct cursor *field)
{
	struct cursor token;

	do
		token = take_token(field);
	while (token.at < token.end && !token_is(token, "id") && !is_exim_comment(token));
	return token.at < token.end && is_exim_comment(token);
}

/* "(Authenticated sender: NAME)" */
static void take_login(struct cursor token, char login[RECEIVED_LOGIN_MAX + 1])
{
	static const char start[] = "(Authenticated sender: ";
	const size_t before = sizeof(start) - 1;
	size_t length = (size_t)(token.end - token.at);

	if (length < before + 2 || length - before - 1 > RECEIVED_LOGIN_MAX ||
	    memcmp(token.at, start, before) != 0 || token.end[-1] != ')')
		return;
	length -= before + 1;
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)token.at[before + i] < ' ')
			return;
	memcpy(login, token.at + before, length);
	login[length] = '\0';
}

/* Exim alone has hyphens in its ids: 1rABCD-0000ab-2C, 1rABCD-000000000ab-2Cde. */
static bool is_queue_id(struct cursor token, bool is_exim)
{
	size_t length = (size_t)(token.end - token.at);

	return envelope_queue_id_is_valid(token.at, length) &&
	       (memchr(token.at, '-', length) != NULL) == is_exim;
}

/* The value of a Received field. */
static bool take_trace(struct cursor field, struct received_trace *trace)
{
	struct cursor token = take_token(&field), at_host;
	char login[RECEIVED_LOGIN_MAX + 1] = "";
	bool is_exim = false;

	if (token_is(token, "from")) /* a client may call itself "by" */
		take_token(&field);
	while (token.at < token.end && !token_is(token, "by")) {
		token = take_token(&field);
		take_login(token, login);
	}
	take_token(&field); /* the host */
	at_host = field;
	token = take_token(&field);
	if (!is_postfix_comment(token))
		login[0] = '\0';
	if (!is_postfix_comment(token) && !is_sendmail_comment(token)) {
		field = at_host;
		is_exim = skip_to_exim_comment(&field);
		if (!is_exim)
			return false;
	}
	if (!find_id(&field, is_exim))
		return false;
	token = take_token(&field);
	if (!is_queue_id(token, is_exim))
		return false;
	memcpy(trace->queue_id, token.at, (size_t)(token.end - token.at));
	trace->queue_id[token.end - token.at] = '\0';
	memcpy(trace->login, login, sizeof(login));
	return true;
}

/* The cursor behind "Received:", or false when the field has another name. */
static bool is_received(struct cursor *field)
{
	static const char name[] = "Received";
	const size_t length = sizeof(name) - 1;
	const char *at = field->at + length;

	if ((size_t)(field->end - field->at) <= length || strncasecmp(field->at, name, length) != 0)
		return false;
	while (at < field->end && (*at == ' ' || *at == '\t'))
		at++;
	if (at == field->end || *at != ':')
		return false;
	field->at = at + 1;
	return true;
}

enum received_result received_trace_find(const char *content, size_t length, bool is_all,
					 struct received_trace *trace)
{
	const char *at = content, *const end = content + length;

	trace->queue_id[0] = trace->login[0] = '\0';
	while (at < end && *at != '\r' && *at != '\n') {
		struct cursor field = { at, field_end(at, end) };

		if (field.end == NULL && !is_all)
			return RECEIVED_MORE;
		if (field.end == NULL)
			field.end = end;
		at = field.end;
		if (is_received(&field))
			return take_trace(field, trace) ? RECEIVED_FOUND : RECEIVED_NONE;
	}
	return at < end || is_all ? RECEIVED_NONE : RECEIVED_MORE;
}
