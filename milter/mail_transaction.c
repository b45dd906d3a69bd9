/*
 * The judgement of one message, stage by stage.
 *
 * At RCPT: who is it, may they use this envelope sender, have they sent too much. Nothing is decided
 * at MAIL, for Postfix has told neither the queue id nor (by its policy protocol) the certificate by
 * then, and a reply to RCPT is what its own sender restrictions give too. A client without a line in
 * `senders` is a stranger: mail from it to recipients here is inbound and not our business; a
 * recipient whose mail would leave is.
 *
 * At the end: the rules about the header section. The first line in the log says all of it.
 *
 * What cannot be known (a table that does not answer, no memory) is a tempfail: nothing passes
 * unchecked.
 */
#include "mail_transaction.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "address_list.h"
#include "header_policy.h"
#include "lib/log.h"
#include "sender_policy.h"
#include "mail_transaction_log.h"

/* A path with its route, if it has one (RFC 5321 4.5.3.1.3 says 256, Postfix takes more). */
#define PATH_TEXT_MAX 2048

/* Of the Message-ID fields that this process has made. */
static atomic_uint_fast64_t message_ids;

void mail_transaction_init(struct mail_transaction *transaction)
{
	memset(transaction, 0, sizeof(*transaction));
	message_init(&transaction->message);
}

void mail_transaction_end(struct mail_transaction *transaction)
{
	if (transaction->setup == NULL)
		return;
	message_reset(&transaction->message);
	findings_wipe(&transaction->findings);
	sender_list_release(transaction->entry.list);
	milter_setup_release(transaction->setup);
	mail_transaction_init(transaction);
}

static void take_parameters(struct mail_transaction *transaction, char *const *parameters)
{
	for (; parameters != NULL && *parameters != NULL; parameters++) {
		if (strcasecmp(*parameters, "SMTPUTF8") == 0)
			transaction->message.is_smtputf8 = true;
		else if (strncasecmp(*parameters, "SIZE=", 5) == 0)
			transaction->declared_size = strtoull(*parameters + 5, NULL, 10);
	}
}

/* For mail by sendmail(1) Postfix leaves the brackets out, and there is no parameter to announce UTF-8. */
static void take_path(struct message *message, const char *path)
{
	size_t length = strlen(path);
	char bracketed[PATH_TEXT_MAX], reason[200];

	if (length >= 2 && path[0] == '<' && path[length - 1] == '>') {
		path++;
		length -= 2;
	}
	message->has_bad_sender =
		length > sizeof(bracketed) - 3 ||
		reverse_path_parse(&message->reverse_path, bracketed,
				   (size_t)snprintf(bracketed, sizeof(bracketed), "<%.*s>", (int)length, path), true, reason,
				   sizeof(reason)) < 0;
	log_printable(message->sender_text, sizeof(message->sender_text), path, length);
}

void mail_transaction_begin(struct mail_transaction *transaction, struct milter_setup *setup, struct rate_limits *limits,
		       const struct client *client, const char *path, char *const *parameters)
{
	mail_transaction_end(transaction);
	transaction->setup = setup;
	transaction->limits = limits;
	transaction->client = client;
	take_parameters(transaction, parameters);
	take_path(&transaction->message, path);
}

void mail_transaction_move_fields(struct mail_transaction *transaction, struct message *from)
{
	struct message *message = &transaction->message;

	message->fields = from->fields;
	message->field_count = from->field_count;
	message->field_capacity = from->field_capacity;
	message->texts = from->texts;
	message->field_bytes = from->field_bytes;
	message->content_bytes = from->content_bytes;
	message->is_header_too_large = from->is_header_too_large;
	message_init(from);
}

static void pass(struct verdict *verdict)
{
	memset(verdict, 0, sizeof(*verdict));
}

static bool refuses(const struct finding *finding)
{
	return finding != NULL && finding->action >= RULE_TEMPFAIL;
}

/* The verdict that the findings come to. */
static void judge(const struct findings *findings, struct verdict *verdict)
{
	const struct finding *worst = findings_worst(findings);

	pass(verdict);
	if (findings->has_failed && !refuses(worst)) {
		verdict->action = RULE_TEMPFAIL;
		verdict->reply = rule_reply(RULE_LOOKUP, RULE_TEMPFAIL);
		snprintf(verdict->text, sizeof(verdict->text), "no memory to check this message; try again later");
		return;
	}
	if (worst == NULL)
		return;
	verdict->action = worst->action;
	verdict->reply = rule_reply(worst->rule, worst->action);
	snprintf(verdict->text, sizeof(verdict->text), "%s", worst->text);
}

/* What a rule without a setting does: `mode = "log"` makes it log. */
static enum rule_action in_mode(const struct mail_transaction *transaction, enum rule_action action)
{
	return transaction->setup->conf.mode == MILTER_MODE_LOG ? RULE_LOG : action;
}

static bool leaves(const struct mail_transaction *transaction, const char *mailer)
{
	const struct conf_list *transports = &transaction->setup->conf.outbound_transports;

	if (mailer == NULL || transaction->client->is_local)
		return true;
	for (size_t i = 0; i < transports->count; i++)
		if (strcmp(transports->items[i], mailer) == 0 || strcmp(transports->items[i], "*") == 0)
			return true;
	return false;
}

static void take_self(struct mail_transaction *transaction)
{
	const char *login = transaction->client->login;
	struct mailbox mailbox;
	char reason[200];

	transaction->has_self = login[0] != '\0' &&
				mailbox_parse(&mailbox, login, strlen(login), true, reason, sizeof(reason)) == 0 &&
				sender_address_from_mailbox(&transaction->self, &mailbox, reason, sizeof(reason)) == 0;
}

/* Once per transaction: whose is it? */
static void identify(struct mail_transaction *transaction, struct findings *findings)
{
	char error[400] = "";
	enum senders_result result;

	if (transaction->standing >= STANDING_UNLISTED)
		return;
	result = senders_find(transaction->setup->senders, transaction->client, &transaction->entry, error, sizeof(error));
	take_self(transaction);
	switch (result) {
	case SENDERS_FOUND:
		transaction->standing = STANDING_LISTED;
		return;
	case SENDERS_NONE:
		transaction->standing = STANDING_STRANGER;
		return;
	case SENDERS_BAD_LINE:
	case SENDERS_TROUBLE:
		findings_add(findings, RULE_LOOKUP, in_mode(transaction, RULE_TEMPFAIL),
			     "cannot look up what %s may send; try again later", transaction->entry.who);
		log_warning("%s: cannot be looked up: %s", transaction->entry.who, error);
		/* Only in mode "log" does anything follow. */
		transaction->standing = STANDING_UNLISTED;
		return;
	}
}

/* A stranger with a recipient outside, or a login without rights. */
static void check_unlisted(struct mail_transaction *transaction, const char *mailer, struct findings *findings)
{
	enum rule_action action = milter_conf_action(&transaction->setup->conf, RULE_UNLISTED);
	bool is_login = transaction->client->login[0] != '\0';

	if (transaction->standing != STANDING_STRANGER || (!is_login && !leaves(transaction, mailer)))
		return;
	findings_add(findings, RULE_UNLISTED, action, "%s may not send mail to the outside from here (rule unlisted)",
		     transaction->entry.who);
	if (action < RULE_TEMPFAIL)
		transaction->standing = STANDING_UNLISTED;
}

static void subject_of(const struct mail_transaction *transaction, struct rate_subject *subject, char *domain, size_t size)
{
	const struct reverse_path *path = &transaction->message.reverse_path;
	char reason[200];

	*subject = (struct rate_subject){ .client = transaction->client, .sender_domain = domain };
	domain[0] = '\0';
	if (!transaction->message.has_bad_sender && !path->is_null)
		sender_address_fold_domain(domain, size, path->mailbox.domain, reason, sizeof(reason));
}

static uint64_t size_limit(const struct mail_transaction *transaction, char *where, size_t where_size)
{
	char domain[SMTP_DOMAIN_MAX + 1];
	struct rate_subject subject;

	if (transaction->limits == NULL)
		return 0;
	subject_of(transaction, &subject, domain, sizeof(domain));
	return rate_limits_size(transaction->limits, &subject, where, where_size);
}

static void check_size(const struct mail_transaction *transaction, uint64_t bytes, struct findings *findings)
{
	char where[300];
	uint64_t limit = size_limit(transaction, where, sizeof(where));

	if (limit > 0 && bytes > limit)
		findings_add(findings, RULE_MESSAGE_SIZE, in_mode(transaction, RULE_REJECT),
			     "the message is larger than %" PRIu64 " bytes (rule message_size)", limit);
}

static void check_rate(struct mail_transaction *transaction, struct findings *findings)
{
	char domain[SMTP_DOMAIN_MAX + 1], reason[300] = "";
	enum rate_verdict rate = RATE_OK;
	struct rate_subject subject;

	if (transaction->limits == NULL)
		return;
	subject_of(transaction, &subject, domain, sizeof(domain));
	if (!transaction->is_message_counted)
		rate = rate_limits_message(transaction->limits, &subject, reason, sizeof(reason));
	if (rate == RATE_OK) {
		transaction->is_message_counted = true;
		rate = rate_limits_recipient(transaction->limits, &subject, reason, sizeof(reason));
	}
	if (rate != RATE_OK)
		findings_add(findings, RULE_RATE, in_mode(transaction, rate == RATE_REJECT ? RULE_REJECT : RULE_TEMPFAIL),
			     "%s (rule rate)", reason);
}

/* Rights before rates: who may not send at all is told so, and uses up nobody's rate. */
static void check_recipient(struct mail_transaction *transaction, const char *mailer, struct findings *findings)
{
	identify(transaction, findings);
	check_unlisted(transaction, mailer, findings);
	if (transaction->standing == STANDING_STRANGER)
		return;
	if (transaction->standing == STANDING_LISTED)
		sender_policy_envelope(findings, &transaction->setup->conf, &transaction->entry,
				       transaction->has_self ? &transaction->self : NULL, &transaction->message);
	check_size(transaction, transaction->declared_size, findings);
	if (!refuses(findings_worst(findings)))
		check_rate(transaction, findings);
}

/*
 * What is only to be told is told once, at the end of the message. There too, all of it, for
 * sendmail(1): Postfix takes no refusal of a recipient there, and would try again for ever. And in a
 * dry run, which is to tell everything.
 */
static void keep(struct mail_transaction *transaction, const struct findings *findings)
{
	transaction->findings.has_failed |= findings->has_failed;
	for (size_t i = 0; i < findings->count; i++) {
		const struct finding *finding = &findings->items[i];

		if (!transaction->is_envelope_judged || finding->action >= RULE_TEMPFAIL)
			findings_add(&transaction->findings, finding->rule, finding->action, "%s", finding->text);
	}
	transaction->is_envelope_judged = transaction->standing > STANDING_STRANGER;
}

void mail_transaction_recipient(struct mail_transaction *transaction, const char *mailer, struct verdict *verdict)
{
	struct findings findings = { 0 };

	check_recipient(transaction, mailer, &findings);
	judge(&findings, verdict);
	if (verdict->action >= RULE_TEMPFAIL && !transaction->client->is_local && !transaction->is_dry_run) {
		mail_transaction_log(transaction, &findings, verdict);
	} else {
		pass(verdict);
		keep(transaction, &findings);
		transaction->message.recipients++;
	}
	findings_wipe(&findings);
}

bool mail_transaction_wants_content(const struct mail_transaction *transaction)
{
	return transaction->standing >= STANDING_UNLISTED;
}

bool mail_transaction_is_too_large(const struct mail_transaction *transaction)
{
	char where[300];
	uint64_t limit = size_limit(transaction, where, sizeof(where));

	return limit > 0 && transaction->message.content_bytes > limit;
}

/* Never the same twice on this host: the clock, this process, a count. */
static void make_unique(char *out, size_t size)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	snprintf(out, size, "%" PRIx64 ".%lx.%lx.%" PRIxFAST64, (uint64_t)now.tv_sec, (unsigned long)now.tv_nsec,
		 (unsigned long)getpid(), atomic_fetch_add(&message_ids, 1));
}

/* From as it will be: a repair puts another in the place of the one that came, or adds one. */
static const char *future_from(const struct mail_transaction *transaction)
{
	const struct header_field *from = message_field(&transaction->message, "From", 1);

	for (size_t i = 0; i < transaction->findings.edit_count; i++) {
		const struct field_edit *edit = &transaction->findings.edits[i];

		if (edit->kind != FIELD_EDIT_DELETE && strcasecmp(edit->name, "From") == 0)
			return edit->value;
	}
	return from != NULL ? from->value : NULL;
}

/* The domain of its first address; "" if there is none. */
static void find_from_domain(const struct mail_transaction *transaction, char *domain, size_t size)
{
	const char *from = future_from(transaction);
	struct address_list list;
	char reason[200];

	domain[0] = '\0';
	if (from == NULL || address_list_parse(&list, from, strlen(from), true, reason, sizeof(reason)) < 0)
		return;
	if (list.count > 0)
		snprintf(domain, size, "%s", list.items[0].address.domain);
	address_list_wipe(&list);
}

static void check_header(struct mail_transaction *transaction)
{
	struct findings *findings = &transaction->findings;
	char unique[100], domain[SMTP_DOMAIN_MAX + 1];
	struct header_policy_facts facts = { .now = time(NULL), .unique = unique, .from_domain = domain };

	make_unique(unique, sizeof(unique));
	if (transaction->standing == STANDING_LISTED)
		sender_policy_fields(findings, &transaction->setup->conf, &transaction->entry,
				     transaction->has_self ? &transaction->self : NULL, &transaction->message);
	find_from_domain(transaction, domain, sizeof(domain));
	header_policy_check(findings, &transaction->setup->conf, &transaction->message, &facts);
}

void mail_transaction_content(struct mail_transaction *transaction, struct verdict *verdict)
{
	pass(verdict);
	if (!mail_transaction_wants_content(transaction) && !refuses(findings_worst(&transaction->findings)) &&
	    !transaction->findings.has_failed)
		return;
	if (mail_transaction_wants_content(transaction))
		check_header(transaction);
	check_size(transaction, transaction->message.content_bytes, &transaction->findings);
	judge(&transaction->findings, verdict);
	mail_transaction_log(transaction, &transaction->findings, verdict);
}
