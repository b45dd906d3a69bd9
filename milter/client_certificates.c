/*
 * A ring of the last fingerprints told, at most one per client. Most sessions have no certificate;
 * then a look at the count is all it costs.
 */
#include "client_certificates.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/deadline.h"
#include "lib/log.h"
#include "lib/mail_address.h"

struct entry {
	char address[64], port[8], sender[MAILBOX_TEXT_MAX];
	char certificate[CLIENT_FINGERPRINT_MAX + 1], public_key[CLIENT_FINGERPRINT_MAX + 1];
	struct deadline end;
	bool is_used;
};

struct client_certificates {
	pthread_mutex_t lock;
	size_t used, next;
	struct entry entries[CLIENT_CERTIFICATES_MAX];
};

struct client_certificates *client_certificates_create(void)
{
	struct client_certificates *certificates = calloc(1, sizeof(*certificates));

	if (certificates != NULL)
		pthread_mutex_init(&certificates->lock, NULL);
	return certificates;
}

void client_certificates_destroy(struct client_certificates *certificates)
{
	if (certificates == NULL)
		return;
	pthread_mutex_destroy(&certificates->lock);
	free(certificates);
}

static bool is_same(const struct entry *entry, const char *address, const char *port, const char *sender)
{
	return entry->is_used && strcmp(entry->port, port) == 0 && strcmp(entry->address, address) == 0 &&
	       strcmp(entry->sender, sender) == 0;
}

static void forget(struct client_certificates *certificates, struct entry *entry)
{
	if (entry->is_used)
		certificates->used--;
	entry->is_used = false;
}

/* What was told of this client before, and what is too old. */
static void forget_client(struct client_certificates *certificates, const char *address, const char *port, const char *sender)
{
	for (size_t i = 0; i < CLIENT_CERTIFICATES_MAX && certificates->used > 0; i++) {
		struct entry *entry = &certificates->entries[i];

		if (entry->is_used && (deadline_has_passed(entry->end) || is_same(entry, address, port, sender)))
			forget(certificates, entry);
	}
}

void client_certificates_put(struct client_certificates *certificates, const char *address, const char *port,
			     const char *sender, const char *certificate, const char *public_key)
{
	char comparable[MAILBOX_TEXT_MAX];
	struct entry *entry;

	/* Too long to be compared in full is never compared. */
	if (strlen(certificate) > CLIENT_FINGERPRINT_MAX || strlen(public_key) > CLIENT_FINGERPRINT_MAX ||
	    strlen(sender) >= sizeof(entry->sender) || strlen(address) >= sizeof(entry->address) ||
	    strlen(port) >= sizeof(entry->port))
		return;
	log_printable(comparable, sizeof(comparable), sender, strlen(sender));
	pthread_mutex_lock(&certificates->lock);
	forget_client(certificates, address, port, comparable);
	entry = &certificates->entries[certificates->next % CLIENT_CERTIFICATES_MAX];
	forget(certificates, entry);
	snprintf(entry->address, sizeof(entry->address), "%s", address);
	snprintf(entry->port, sizeof(entry->port), "%s", port);
	snprintf(entry->sender, sizeof(entry->sender), "%s", comparable);
	snprintf(entry->certificate, sizeof(entry->certificate), "%s", certificate);
	snprintf(entry->public_key, sizeof(entry->public_key), "%s", public_key);
	entry->end = deadline_in_ms(CLIENT_CERTIFICATES_LIFETIME_MS);
	entry->is_used = certificate[0] != '\0' || public_key[0] != '\0';
	if (entry->is_used) {
		certificates->used++;
		certificates->next++;
	}
	pthread_mutex_unlock(&certificates->lock);
}

void client_certificates_take(struct client_certificates *certificates, const char *address, const char *port,
			      const char *sender, struct client *client)
{
	client->certificate[0] = client->public_key[0] = '\0';
	pthread_mutex_lock(&certificates->lock);
	for (size_t i = 0; i < CLIENT_CERTIFICATES_MAX && certificates->used > 0; i++) {
		const struct entry *entry = &certificates->entries[i];

		if (deadline_has_passed(entry->end) || !is_same(entry, address, port, sender))
			continue;
		snprintf(client->certificate, sizeof(client->certificate), "%s", entry->certificate);
		snprintf(client->public_key, sizeof(client->public_key), "%s", entry->public_key);
	}
	forget_client(certificates, address, port, sender);
	pthread_mutex_unlock(&certificates->lock);
}
