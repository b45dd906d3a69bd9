/* Runs the very transaction that the callbacks run, and prints what comes of it. */
#include "dry_run.h"

#include <arpa/inet.h>
#include <string.h>
#include <sysexits.h>

#include "address_list.h"
#include "header_section.h"
#include "lib/endpoint.h"
#include "senders_key.h"
#include "mail_transaction.h"

#define ADDRESS_PATH_MAX (MAILBOX_TEXT_MAX + 3)

/* The network's first address. */
static void take_network(struct client *client, const struct senders_key *key)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)&client->address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&client->address;

	client->address.ss_family = key->octets == 4 ? AF_INET : AF_INET6;
	if (key->octets == 4)
		memcpy(&v4->sin_addr, key->address, 4);
	else
		memcpy(&v6->sin6_addr, key->address, 16);
	endpoint_print_address((struct sockaddr *)&client->address, client->address_text, sizeof(client->address_text));
}

/* A key of `senders` as the client that it stands for; -1: it is no key of one client. */
static int client_of_key(struct client *client, const char *who, FILE *out)
{
	struct senders_key key;
	char reason[200];

	memset(client, 0, sizeof(*client));
	if (senders_key_parse(&key, who, reason, sizeof(reason)) < 0) {
		fprintf(out, "\"%s\": %s\n", who, reason);
		return -1;
	}
	client->is_local = key.kind == SENDERS_KEY_LOCAL;
	if (key.kind == SENDERS_KEY_CERTIFICATE)
		snprintf(client->certificate, sizeof(client->certificate), "%.*s", CLIENT_FINGERPRINT_MAX, key.text);
	else if (key.kind == SENDERS_KEY_NETWORK)
		take_network(client, &key);
	else if (key.kind == SENDERS_KEY_LOGIN)
		snprintf(client->login, sizeof(client->login), "%s", key.text);
	else if (key.kind != SENDERS_KEY_LOCAL) {
		fprintf(out, "\"%s\" stands for many; name one login, address or certificate\n", who);
		return -1;
	}
	return 0;
}

static int parse_address(struct sender_address *address, const char *text, FILE *out)
{
	struct mailbox mailbox;
	char reason[200];

	if (mailbox_parse(&mailbox, text, strlen(text), true, reason, sizeof(reason)) == 0 &&
	    sender_address_from_mailbox(address, &mailbox, reason, sizeof(reason)) == 0)
		return 0;
	fprintf(out, "\"%s\" is no address: %s\n", text, reason);
	return -1;
}

/* The login, if it is an address: what "self" stands for. */
static bool parse_self(struct sender_address *self, const struct client *client)
{
	struct mailbox mailbox;
	char reason[200];

	return mailbox_parse(&mailbox, client->login, strlen(client->login), true, reason, sizeof(reason)) == 0 &&
	       sender_address_from_mailbox(self, &mailbox, reason, sizeof(reason)) == 0;
}

static int tell_rights(const struct senders_entry *entry, const struct client *client, const struct sender_address *address,
		       FILE *out)
{
	struct sender_address self;
	bool has_self = parse_self(&self, client);
	bool in_envelope = sender_list_allows(entry->list, SENDER_IN_ENVELOPE, address, has_self ? &self : NULL);
	bool in_from = sender_list_allows(entry->list, SENDER_IN_FROM, address, has_self ? &self : NULL);

	fprintf(out, "%s %s use %s in the envelope\n", entry->who, in_envelope ? "may" : "may not", address->text);
	fprintf(out, "%s %s use %s in From\n", entry->who, in_from ? "may" : "may not", address->text);
	fprintf(out, "decided by %s\n", entry->where);
	return in_envelope && in_from ? DRY_RUN_PASSES : DRY_RUN_REFUSED;
}

int dry_run_sender(struct milter_setup *setup, const char *who, const char *text, FILE *out)
{
	struct sender_address address;
	struct senders_entry entry;
	struct client client;
	char error[400];
	int result = DRY_RUN_DEFERRED;

	if (client_of_key(&client, who, out) < 0 || parse_address(&address, text, out) < 0)
		return EX_DATAERR;
	switch (senders_find(setup->senders, &client, &entry, error, sizeof(error))) {
	case SENDERS_FOUND:
		result = tell_rights(&entry, &client, &address, out);
		sender_list_release(entry.list);
		break;
	case SENDERS_NONE:
		fprintf(out, "%s has no line in %s and may send nothing to the outside\n", entry.who, setup->conf.senders);
		result = DRY_RUN_REFUSED;
		break;
	case SENDERS_BAD_LINE:
	case SENDERS_TROUBLE:
		fprintf(out, "mail from %s is deferred: %s\n", entry.who, error);
		break;
	}
	return result;
}

static void print_edits(const struct findings *findings, FILE *out)
{
	static const char *const words[] = { [FIELD_EDIT_ADD] = "add", [FIELD_EDIT_REPLACE] = "replace", [FIELD_EDIT_DELETE] = "delete" };

	for (size_t i = 0; i < findings->edit_count; i++) {
		const struct field_edit *edit = &findings->edits[i];

		if (edit->kind == FIELD_EDIT_ADD)
			fprintf(out, "change: add %s: %s\n", edit->name, edit->value);
		else
			fprintf(out, "change: %s %s (number %zu)%s%s\n", words[edit->kind], edit->name, edit->index,
				edit->value != NULL ? " by " : "", edit->value != NULL ? edit->value : "");
	}
}

static int tell_verdict(const struct mail_transaction *transaction, const struct verdict *verdict, FILE *out)
{
	const struct findings *findings = &transaction->findings;

	for (size_t i = 0; i < findings->count; i++)
		fprintf(out, "%s: %s: %s\n", rule_name(findings->items[i].rule), rule_action_name(findings->items[i].action),
			findings->items[i].text);
	if (verdict->action >= RULE_TEMPFAIL) {
		fprintf(out, "refused: %s %s %s\n", verdict->reply.code, verdict->reply.status, verdict->text);
		return verdict->action == RULE_REJECT ? DRY_RUN_REFUSED : DRY_RUN_DEFERRED;
	}
	print_edits(findings, out);
	fprintf(out, "passes%s\n", findings->edit_count > 0 ? " with these changes" : "");
	return DRY_RUN_PASSES;
}

/* Without a given one: the first address in From, as most programs do it. */
static void choose_path(const char *sender, const struct message *message, char *path, size_t size)
{
	const struct header_field *from = message_field(message, "From", 1);
	struct address_list list;
	char reason[200];

	snprintf(path, size, "<%s>", sender != NULL ? sender : "");
	if (sender != NULL || from == NULL ||
	    address_list_parse(&list, from->value, strlen(from->value), true, reason, sizeof(reason)) < 0)
		return;
	if (list.count > 0)
		snprintf(path, size, "<%s>", list.items[0].address.text);
	address_list_wipe(&list);
}

static int run_message(struct milter_setup *setup, const struct client *client, const char *sender, struct message *message,
		       FILE *out)
{
	struct mail_transaction transaction;
	char path[ADDRESS_PATH_MAX];
	struct verdict verdict;
	int result;

	choose_path(sender, message, path, sizeof(path));
	mail_transaction_init(&transaction);
	mail_transaction_begin(&transaction, milter_setup_acquire(setup), NULL, client, path, NULL);
	transaction.is_dry_run = true;
	mail_transaction_move_fields(&transaction, message);
	mail_transaction_recipient(&transaction, NULL, &verdict);
	mail_transaction_content(&transaction, &verdict);
	result = tell_verdict(&transaction, &verdict, out);
	mail_transaction_end(&transaction);
	return result;
}

int dry_run_headers(struct milter_setup *setup, const char *who, const char *sender, FILE *in, FILE *out)
{
	struct message message;
	struct client client;
	int result;

	if (client_of_key(&client, who != NULL ? who : "local", out) < 0)
		return EX_DATAERR;
	message_init(&message);
	if (header_section_read(&message, in, (size_t)setup->conf.header_count_limit, (size_t)setup->conf.header_size_limit) < 0) {
		fprintf(out, "the message could not be read\n");
		result = EX_NOINPUT;
	} else {
		result = run_message(setup, &client, sender, &message, out);
	}
	message_reset(&message);
	return result;
}
