/*
 * Finds the first Received field (RFC 5322 2.2: field name, colon, folded value) and takes id and
 * login out of it if Postfix wrote it: the words `by HOST (Postfix` and later ` id QID`. Comments
 * are skipped as RFC 5322 3.2.2 nests them, so nothing that a client says of itself (HELO name, TLS
 * certificate subject, login name stand in comments or behind `from`) is taken for the id. The login
 * is a comment of its own before `by`, and not one inside another: Postfix leaves no parenthesis
 * unbalanced in what it quotes.
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

/* "(Postfix)", "(Postfix/Debian)", "(Postfix, from userid 0)" */
static bool is_postfix_comment(struct cursor token)
{
	static const char start[] = "(Postfix";
	const size_t length = sizeof(start) - 1;

	return (size_t)(token.end - token.at) > length && memcmp(token.at, start, length) == 0 &&
	       strchr("),/ ", token.at[length]) != NULL;
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

/* The value of a Received field. */
static bool take_trace(struct cursor field, struct received_trace *trace)
{
	struct cursor token = take_token(&field);
	char login[RECEIVED_LOGIN_MAX + 1] = "";

	if (token_is(token, "from")) /* a client may call itself "by" */
		take_token(&field);
	while (token.at < token.end && !token_is(token, "by")) {
		token = take_token(&field);
		take_login(token, login);
	}
	take_token(&field); /* the host */
	if (!is_postfix_comment(take_token(&field)))
		return false;
	do
		token = take_token(&field);
	while (token.at < token.end && !token_is(token, "id"));
	token = take_token(&field);
	if (!envelope_queue_id_is_valid(token.at, (size_t)(token.end - token.at)))
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
