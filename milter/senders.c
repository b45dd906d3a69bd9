/*
 * The order in which `senders` is asked, whatever it is stored in. The text table knows what its
 * keys mean; a cdb or a socketmap server knows strings only and is asked for each spelling of a key
 * in turn.
 *
 * A failure is never taken for "no line": with that, whoever can slow down a look-up server could
 * make a user with few rights one with those of "login:*".
 */
#include "senders.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/socketmap.h"
#include "senders_cdb.h"
#include "senders_key.h"
#include "senders_text.h"

/* Exactly one of text, cdb and socketmap is not NULL. */
struct senders {
	struct senders_text *text;
	struct senders_cdb *cdb;
	struct socketmap *socketmap;
	char *spec;
	char *delimiter;
};

/* One look-up; what is found goes to `entry`. */
struct question {
	struct senders *senders;
	struct senders_entry *entry;
	char *error;
	size_t error_size;
};

static int open_table(struct senders *senders, const char *spec, char *error, size_t error_size)
{
	if (spec[0] == '/')
		senders->text = senders_text_create(spec, senders->delimiter, error, error_size);
	else if (strncmp(spec, "cdb:/", 5) == 0)
		senders->cdb = senders_cdb_create(spec + 4, error, error_size);
	else if (socketmap_spec(spec) != NULL)
		senders->socketmap = socketmap_create(socketmap_spec(spec), SOCKETMAP_TIMEOUT_MS, error, error_size);
	else
		snprintf(error, error_size, "\"%.200s\" is no table for senders; it can be /path of a text file, cdb:/path or "
			 "socketmap:unix:/path:name", spec);
	return senders->text != NULL || senders->cdb != NULL || senders->socketmap != NULL ? 0 : -1;
}

struct senders *senders_create(const char *spec, const char *delimiter, char *error, size_t error_size)
{
	struct senders *senders = calloc(1, sizeof(*senders));

	if (senders == NULL || (senders->spec = strdup(spec)) == NULL ||
	    (senders->delimiter = strdup(delimiter != NULL ? delimiter : "")) == NULL) {
		snprintf(error, error_size, "out of memory");
	} else if (open_table(senders, spec, error, error_size) == 0) {
		return senders;
	}
	senders_destroy(senders);
	return NULL;
}

void senders_destroy(struct senders *senders)
{
	if (senders == NULL)
		return;
	senders_text_destroy(senders->text);
	senders_cdb_destroy(senders->cdb);
	socketmap_destroy(senders->socketmap);
	free(senders->spec);
	free(senders->delimiter);
	free(senders);
}

static enum senders_result ask_socketmap(const struct question *question, const char *key, char **value_out)
{
	switch (socketmap_find(question->senders->socketmap, key, value_out, question->error, question->error_size)) {
	case SOCKETMAP_FOUND:
		return SENDERS_FOUND;
	case SOCKETMAP_NOT_FOUND:
		return SENDERS_NONE;
	case SOCKETMAP_TROUBLE:
		break;
	}
	return SENDERS_TROUBLE;
}

/* What the table says about the key, as a list. */
static enum senders_result take_value(const struct question *question, const char *value)
{
	char reason[400];

	question->entry->list = sender_list_parse(value, question->senders->delimiter, reason, sizeof(reason));
	if (question->entry->list != NULL)
		return SENDERS_FOUND;
	snprintf(question->error, question->error_size, "%s: %s", question->entry->where, reason);
	return SENDERS_BAD_LINE;
}

static enum senders_result ask_string(const struct question *question, const char *key)
{
	char printable[SENDERS_KEY_SPELLING_MAX], *value = NULL;
	enum senders_result result;

	result = question->senders->cdb != NULL ?
			 senders_cdb_find(question->senders->cdb, key, &value, question->error, question->error_size) :
			 ask_socketmap(question, key, &value);
	if (result == SENDERS_NONE)
		return result;
	log_printable(printable, sizeof(printable), key, strlen(key));
	snprintf(question->entry->where, sizeof(question->entry->where), "%s: %s", question->senders->spec, printable);
	if (result == SENDERS_FOUND)
		result = take_value(question, value);
	free(value);
	return result;
}

static enum senders_result ask_strings(const struct question *question, const struct senders_key *key)
{
	char spelling[SENDERS_KEY_SPELLING_MAX];
	enum senders_result result = SENDERS_NONE;

	for (size_t i = 0; result == SENDERS_NONE && senders_key_spelling(key, i, spelling); i++)
		result = ask_string(question, spelling);
	if (result != SENDERS_NONE && key->kind == SENDERS_KEY_NETWORK)
		snprintf(question->entry->who, sizeof(question->entry->who), "client:%s", spelling);
	return result;
}

static enum senders_result ask(const struct question *question, struct senders_key *key)
{
	if (question->senders->text != NULL)
		return senders_text_find(question->senders->text, key, question->entry, question->error,
					 question->error_size);
	return ask_strings(question, key);
}

static enum senders_result find_login(const struct question *question, const char *login)
{
	struct senders_key key, every = { .kind = SENDERS_KEY_EVERY_LOGIN };
	char printable[CLIENT_LOGIN_MAX + 1];
	enum senders_result result;

	if (!senders_key_from_login(&key, login)) {
		log_printable(printable, sizeof(printable), login, strnlen(login, CLIENT_LOGIN_MAX));
		snprintf(question->entry->who, sizeof(question->entry->who), "login:%s", printable);
		return SENDERS_NONE;
	}
	senders_key_print(&key, question->entry->who, sizeof(question->entry->who));
	result = ask(question, &key);
	if (result == SENDERS_NONE && senders_key_from_login_domain(&key, login))
		result = ask(question, &key);
	if (result == SENDERS_NONE)
		result = ask(question, &every);
	return result;
}

/* NONE if it is no fingerprint. */
static enum senders_result find_fingerprint(const struct question *question, const char *fingerprint)
{
	struct senders_key key;

	if (!senders_key_from_fingerprint(&key, fingerprint))
		return SENDERS_NONE;
	senders_key_print(&key, question->entry->who, sizeof(question->entry->who));
	return ask(question, &key);
}

static enum senders_result find_local(const struct question *question)
{
	struct senders_key key = { .kind = SENDERS_KEY_LOCAL };

	senders_key_print(&key, question->entry->who, sizeof(question->entry->who));
	return ask(question, &key);
}

static enum senders_result find_address(const struct question *question, const struct sockaddr_storage *address)
{
	char *who = question->entry->who;
	const size_t size = sizeof(question->entry->who);
	enum senders_result result;
	struct senders_key key;

	if (!senders_key_from_address(&key, address)) {
		snprintf(who, size, "client:unknown");
		return SENDERS_NONE;
	}
	snprintf(who, size, "client:%s", key.text);
	result = ask(question, &key);
	if (question->senders->text != NULL)
		snprintf(who, size, "client:%s", key.text);
	return result;
}

enum senders_result senders_find(struct senders *senders, const struct client *client, struct senders_entry *entry,
				 char *error, size_t error_size)
{
	const struct question question = { .senders = senders, .entry = entry, .error = error, .error_size = error_size };
	enum senders_result result;

	*entry = (struct senders_entry){ 0 };
	if (error_size > 0)
		error[0] = '\0';
	if (client->login[0] != '\0')
		return find_login(&question, client->login);
	result = find_fingerprint(&question, client->certificate);
	if (result == SENDERS_NONE)
		result = find_fingerprint(&question, client->public_key);
	if (result != SENDERS_NONE)
		return result;
	return client->is_local ? find_local(&question) : find_address(&question, &client->address);
}

size_t senders_check(const struct senders *senders, senders_tell_fn *tell, void *context)
{
	return senders->text != NULL ? senders_text_check(senders->text, tell, context) : 0;
}

void senders_log_mistakes(const struct senders *senders)
{
	if (senders->text != NULL)
		senders_text_log_mistakes(senders->text);
}

size_t senders_count(const struct senders *senders)
{
	return senders->text != NULL ? senders_text_count(senders->text) : 0;
}
