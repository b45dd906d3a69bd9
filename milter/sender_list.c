/*
 * What somebody may use, from one line of `senders`: an array of items, looked through from its
 * beginning. All rights are positive, so the order of items means nothing, and an item that is
 * not understood spoils the line: half of a list is not what its author wanted.
 *
 *	list  = item *(WSP item)		; commas count as white space, but inside quotes
 *	item  = ["envelope:" / "from:"] what / "default=" address
 *	what  = address / local "+*@" domain / "@" domain / domain / "." domain / "self" / "<>" / "*"
 *
 * Extensions are those of Postfix (split_addr(3)): what follows the first delimiter, but not where
 * nothing stands before it, and not in mailer-daemon, double-bounce, owner-NAME, NAME-request.
 * In a quoted local part there is none.
 *
 * Refused although the grammar of addresses has them: "*" inside a local part, and a domain without
 * a dot unless "@" says that it is one. Both are mistakes far more often than names.
 */
#include "sender_list.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/ascii.h"
#include "lib/log.h"

/* "envelope:" and the longest address */
#define WORD_MAX (MAILBOX_TEXT_MAX + 16)
#define DELIMITERS_MAX 33		/* there are 32 that could be one */
#define ITEMS_FIRST 4

#define USE(use) (1U << (use))
#define EVERY_USE (USE(SENDER_IN_ENVELOPE) | USE(SENDER_IN_FROM))

enum item_kind {
	ITEM_ADDRESS,
	ITEM_EXTENSIONS,
	ITEM_DOMAIN,
	ITEM_SUBDOMAINS,
	ITEM_SELF,
	ITEM_ANY
};

struct item {
	enum item_kind kind;
	unsigned uses;			/* USE() */
	char *text;			/* in the form of sender_address; the domain alone; NULL */
};

struct sender_list {
	atomic_uint references;
	struct item *items;
	size_t count, capacity;
	char *default_from;
	bool allows_null;
	char delimiters[DELIMITERS_MAX + 1];
};

struct parser {
	struct sender_list *list;
	const char *word;		/* being read; quoted in the reason */
	char *reason;
	size_t reason_size;
};

static int fail(struct parser *parser, const char *what, const char *remedy)
{
	char printable[WORD_MAX];

	log_printable(printable, sizeof(printable), parser->word, strlen(parser->word));
	snprintf(parser->reason, parser->reason_size, "\"%.200s\": %s; %s", printable, what, remedy);
	return -1;
}

static int fail_memory(struct parser *parser)
{
	snprintf(parser->reason, parser->reason_size, "out of memory");
	return -1;
}

static bool is_separator(char c)
{
	return c == ' ' || c == '\t' || c == ',' || c == '\r' || c == '\n' || c == '\v' || c == '\f';
}

/*
 * Copies the next word; returns what follows it, or NULL if there is none (*word is then "") or it
 * is too long or has an open quote (*word is its beginning).
 */
static const char *next_word(const char *at, char word[WORD_MAX])
{
	bool is_quoted = false;
	size_t length = 0;

	while (is_separator(*at))
		at++;
	for (; *at != '\0' && (is_quoted || !is_separator(*at)) && length < WORD_MAX - 1; at++) {
		if (*at == '"')
			is_quoted = !is_quoted;
		word[length++] = *at;
		if (is_quoted && *at == '\\' && at[1] != '\0' && length < WORD_MAX - 1)
			word[length++] = *++at;
	}
	word[length] = '\0';
	return length > 0 && !is_quoted && (*at == '\0' || is_separator(*at)) ? at : NULL;
}

/* `text` may be NULL. */
static int add_item(struct parser *parser, enum item_kind kind, unsigned uses, const char *text)
{
	struct sender_list *list = parser->list;
	char *copy = NULL;

	if (list->count == list->capacity) {
		size_t larger = list->capacity > 0 ? list->capacity * 2 : ITEMS_FIRST;
		struct item *items = realloc(list->items, larger * sizeof(*items));

		if (items == NULL)
			return fail_memory(parser);
		list->items = items;
		list->capacity = larger;
	}
	if (text != NULL && (copy = strdup(text)) == NULL)
		return fail_memory(parser);
	list->items[list->count++] = (struct item){ .kind = kind, .uses = uses, .text = copy };
	return 0;
}

static int fold(struct parser *parser, struct sender_address *address, const char *text, const char *remedy)
{
	struct mailbox mailbox;
	char why[200];

	if (mailbox_parse(&mailbox, text, strlen(text), true, why, sizeof(why)) != 0 ||
	    sender_address_from_mailbox(address, &mailbox, why, sizeof(why)) != 0)
		return fail(parser, why, remedy);
	return 0;
}

/* Through an address with that domain, so that there is one idea of what a domain is. */
static int parse_domain(struct parser *parser, enum item_kind kind, unsigned uses, const char *domain)
{
	static const char remedy[] = "write a domain as @example.com, its subdomains as .example.com";
	struct sender_address address;
	char text[WORD_MAX + 2];

	snprintf(text, sizeof(text), "x@%s", domain);
	if (strchr(domain, '@') != NULL)
		return fail(parser, "is neither an address nor a domain", "write local@example.com or @example.com");
	if (fold(parser, &address, text, remedy) != 0)
		return -1;
	if (kind == ITEM_SUBDOMAINS && address.domain[0] == '[')
		return fail(parser, "has no subdomains", remedy);
	return add_item(parser, kind, uses, address.domain);
}

/* The "+" of "+*@" if `what` ends its local part in it, else NULL. */
static const char *find_any_extension(const char *what)
{
	const char *at = strrchr(what, '@');

	return at != NULL && at - what > 2 && at[-1] == '*' && at[-2] == '+' && what[0] != '"' ? at - 2 : NULL;
}

static int parse_address(struct parser *parser, unsigned uses, const char *what)
{
	static const char remedy[] = "write an address as local@example.com";
	const char *extension = find_any_extension(what);
	struct sender_address address;
	char text[WORD_MAX];

	if (extension != NULL) {
		snprintf(text, sizeof(text), "%.*s%s", (int)(extension - what), what, extension + 2);
		if (fold(parser, &address, text, "write any extension as local+*@example.com") != 0)
			return -1;
		return add_item(parser, ITEM_EXTENSIONS, uses, address.text);
	}
	if (what[0] != '"' && memchr(what, '*', strcspn(what, "@")) != NULL)
		return fail(parser, "\"*\" does not stand for part of a name",
			    "write @example.com for every address there, local+*@example.com for any extension");
	if (fold(parser, &address, what, remedy) != 0)
		return -1;
	return add_item(parser, ITEM_ADDRESS, uses, address.text);
}

static int parse_default(struct parser *parser, const char *text)
{
	static const char remedy[] = "write default=local@example.com, an international domain in its xn-- form";
	struct sender_address address;
	struct mailbox mailbox;
	char why[200];

	if (parser->list->default_from != NULL)
		return fail(parser, "there is a default= before it", "leave one of them");
	if (mailbox_parse(&mailbox, text, strlen(text), false, why, sizeof(why)) != 0 ||
	    sender_address_from_mailbox(&address, &mailbox, why, sizeof(why)) != 0)
		return fail(parser, why, remedy);
	parser->list->default_from = strdup(text);
	if (parser->list->default_from == NULL)
		return fail_memory(parser);
	/* Who gets this address by repair may as well write it. */
	return add_item(parser, ITEM_ADDRESS, USE(SENDER_IN_FROM), address.text);
}

static int parse_null(struct parser *parser, unsigned uses)
{
	if ((uses & USE(SENDER_IN_ENVELOPE)) == 0)
		return fail(parser, "From has no null address", "write <> or envelope:<>");
	parser->list->allows_null = true;
	return 0;
}

static int parse_what(struct parser *parser, unsigned uses, const char *what)
{
	if (what[0] == '\0')
		return fail(parser, "nothing stands after the colon", "write the address there, without a space");
	if (strcmp(what, "*") == 0)
		return add_item(parser, ITEM_ANY, uses, NULL);
	if (strcasecmp(what, "self") == 0)
		return add_item(parser, ITEM_SELF, uses, NULL);
	if (strcmp(what, "<>") == 0)
		return parse_null(parser, uses);
	if (what[0] == '@')
		return parse_domain(parser, ITEM_DOMAIN, uses, what + 1);
	if (what[0] == '.')
		return parse_domain(parser, ITEM_SUBDOMAINS, uses, what + 1);
	if (strncmp(what, "*.", 2) == 0)
		return fail(parser, "\"*\" does not stand for part of a name", "write subdomains as .example.com");
	if (strchr(what, '@') != NULL)
		return parse_address(parser, uses, what);
	if (strchr(what, '.') == NULL)
		return fail(parser, "is neither an address nor a domain", "write local@example.com or @example.com");
	return parse_domain(parser, ITEM_DOMAIN, uses, what);
}

static int parse_item(struct parser *parser)
{
	const char *word = parser->word;

	if (strncasecmp(word, "default=", 8) == 0)
		return parse_default(parser, word + 8);
	if (strncasecmp(word, "envelope:", 9) == 0)
		return parse_what(parser, USE(SENDER_IN_ENVELOPE), word + 9);
	if (strncasecmp(word, "from:", 5) == 0)
		return parse_what(parser, USE(SENDER_IN_FROM), word + 5);
	return parse_what(parser, EVERY_USE, word);
}

static int parse_items(struct parser *parser, const char *value)
{
	char word[WORD_MAX];
	size_t words = 0;

	parser->word = word;
	for (const char *at = next_word(value, word); word[0] != '\0'; at = next_word(at, word)) {
		if (at == NULL)
			return fail(parser, "is too long, or a quote in it is open", "write addresses with a space between");
		if (parse_item(parser) != 0)
			return -1;
		words++;
	}
	if (words > 0)
		return 0;
	snprintf(parser->reason, parser->reason_size, "the line says nothing; write the addresses after the key");
	return -1;
}

struct sender_list *sender_list_parse(const char *value, const char *delimiter, char *reason, size_t reason_size)
{
	struct parser parser = { .reason = reason, .reason_size = reason_size };
	struct sender_list *list = calloc(1, sizeof(*list));

	if (list == NULL) {
		fail_memory(&parser);
		return NULL;
	}
	parser.list = list;
	atomic_init(&list->references, 1);
	snprintf(list->delimiters, sizeof(list->delimiters), "%s", delimiter != NULL ? delimiter : "");
	if (parse_items(&parser, value) == 0)
		return list;
	sender_list_release(list);
	return NULL;
}

struct sender_list *sender_list_acquire(struct sender_list *list)
{
	atomic_fetch_add(&list->references, 1);
	return list;
}

void sender_list_release(struct sender_list *list)
{
	if (list == NULL || atomic_fetch_sub(&list->references, 1) > 1)
		return;
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i].text);
	free(list->items);
	free(list->default_from);
	free(list);
}

/* Names that Postfix never splits; with "-" among the delimiters they would be. */
static bool is_never_split(const char *local, size_t length)
{
	return ascii_is_word(local, length, "mailer-daemon") || ascii_is_word(local, length, "double-bounce") ||
	       (length > 6 && strncmp(local, "owner-", 6) == 0) ||
	       (length > 8 && strncmp(local + length - 8, "-request", 8) == 0);
}

static size_t local_length(const struct sender_address *address)
{
	return (size_t)(address->domain - 1 - address->text);
}

/* Is it `owner` ("local@domain"), or that with an extension? */
static bool is_owned(const struct sender_list *list, const char *owner, const struct sender_address *address)
{
	const char *local = address->text;
	size_t length = local_length(address), base = strcspn(local, list->delimiters);

	if (strcmp(owner, local) == 0)
		return true;
	if (base == 0 || base >= length || is_never_split(local, length))
		return false;
	return strncmp(owner, local, base) == 0 && owner[base] == '@' && strcmp(owner + base + 1, address->domain) == 0;
}

/* Does it have the local part of `owner`, a delimiter, and whatever? */
static bool is_extended(const struct sender_list *list, const char *owner, const struct sender_address *address)
{
	const char *delimiters = list->delimiters[0] != '\0' ? list->delimiters : "+";
	const char *at = strrchr(owner, '@');
	size_t base = (size_t)(at - owner);

	return base < local_length(address) && strncmp(owner, address->text, base) == 0 &&
	       strchr(delimiters, address->text[base]) != NULL && strcmp(at + 1, address->domain) == 0;
}

static bool is_below(const char *parent, const char *domain)
{
	size_t length = strlen(domain), parent_length = strlen(parent);

	return length > parent_length + 1 && domain[length - parent_length - 1] == '.' &&
	       strcmp(domain + length - parent_length, parent) == 0;
}

static bool item_allows(const struct sender_list *list, const struct item *item, const struct sender_address *address,
			const struct sender_address *self)
{
	switch (item->kind) {
	case ITEM_ADDRESS:
		return is_owned(list, item->text, address);
	case ITEM_EXTENSIONS:
		return is_extended(list, item->text, address);
	case ITEM_DOMAIN:
		return strcmp(item->text, address->domain) == 0;
	case ITEM_SUBDOMAINS:
		return is_below(item->text, address->domain);
	case ITEM_SELF:
		return self != NULL && is_owned(list, self->text, address);
	case ITEM_ANY:
		return true;
	}
	return false;
}

bool sender_list_allows(const struct sender_list *list, enum sender_use use, const struct sender_address *address,
			const struct sender_address *self)
{
	for (size_t i = 0; i < list->count; i++)
		if ((list->items[i].uses & USE(use)) != 0 && item_allows(list, &list->items[i], address, self))
			return true;
	return false;
}

bool sender_list_allows_null(const struct sender_list *list)
{
	return list->allows_null;
}

const char *sender_list_default_from(const struct sender_list *list)
{
	return list->default_from;
}
