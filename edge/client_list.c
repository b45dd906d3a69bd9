/*
 * The allow-list behind a lock. Parsing is tunnel/authorized_clients.c; this file decides when to
 * read again.
 */
#include "client_list.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/table_watch.h"

struct client_list {
	pthread_mutex_t lock;		/* protects what is not fixed */
	struct authorized_clients current;
	uint64_t generation;		/* of `current` */
	struct table_watch watch, enrolled_watch;
	char *path, *enrolled_path;	/* fixed; the second may be NULL */
	uint8_t own_public_key[32];	/* fixed */
};

static void complain(void *context, const char *message)
{
	(void)context;
	log_warning("%s; this line is ignored", message);
}

static void free_all(struct client_list *list)
{
	free(list->path);
	free(list->enrolled_path);
	free(list);
}

struct client_list *client_list_create(const char *path, const char *enrolled_path,
				       const uint8_t own_public_key[32], char *error, size_t error_size)
{
	struct client_list *list = calloc(1, sizeof(*list));

	if (list == NULL || (list->path = strdup(path)) == NULL ||
	    (enrolled_path != NULL && (list->enrolled_path = strdup(enrolled_path)) == NULL)) {
		snprintf(error, error_size, "out of memory");
		if (list != NULL)
			free_all(list);
		return NULL;
	}
	memcpy(list->own_public_key, own_public_key, sizeof(list->own_public_key));
	if (authorized_clients_read(&list->current, path, enrolled_path, own_public_key, complain, NULL, error,
				    error_size) < 0) {
		free_all(list);
		return NULL;
	}
	list->watch.status = list->current.status;
	list->enrolled_watch.status = list->current.enrolled_status;
	pthread_mutex_init(&list->lock, NULL);
	return list;
}

void client_list_destroy(struct client_list *list)
{
	if (list == NULL)
		return;
	authorized_clients_wipe(&list->current);
	pthread_mutex_destroy(&list->lock);
	free_all(list);
}

/* The second file is of no interest to a list without invites. */
static bool is_due(const struct client_list *list)
{
	return table_watch_is_due(&list->watch, list->path) ||
	       (list->enrolled_path != NULL && list->current.invite_count > 0 &&
		table_watch_is_due(&list->enrolled_watch, list->enrolled_path));
}

static void refuse(struct client_list *list, const char *error)
{
	table_watch_refuse(&list->watch, error, "the list read before stays in force");
	list->enrolled_watch.retry = list->watch.retry;
}

/* Caller holds the lock. */
static void refresh(struct client_list *list)
{
	struct authorized_clients fresh;
	char error[512];

	if (!is_due(list))
		return;
	if (authorized_clients_read(&fresh, list->path, list->enrolled_path, list->own_public_key, complain, NULL, error,
				    sizeof(error)) == 0) {
		log_info("%s was read again: %zu clients", list->path, fresh.count - fresh.pending_count);
	} else if (access(list->path, F_OK) < 0 && errno == ENOENT) {
		if (list->current.count > 0)
			log_error("%s; no mail host is authorised any more", error);
		memset(&fresh, 0, sizeof(fresh));
	} else {
		refuse(list, error);
		return;
	}
	table_watch_take(&list->watch, &fresh.status);
	table_watch_take(&list->enrolled_watch, &fresh.enrolled_status);
	authorized_clients_wipe(&list->current);
	list->current = fresh;
	list->generation++;
}

bool client_list_find(struct client_list *list, const uint8_t public_key[32],
		      struct authorized_client *client_out)
{
	const struct authorized_client *found;

	pthread_mutex_lock(&list->lock);
	refresh(list);
	found = authorized_clients_find(&list->current, public_key);
	if (found != NULL && client_out != NULL)
		*client_out = *found;
	pthread_mutex_unlock(&list->lock);
	return found != NULL;
}

bool client_list_find_invite(struct client_list *list, const uint8_t invite_key[32],
			     struct authorized_client *client_out)
{
	const struct authorized_client *found;

	pthread_mutex_lock(&list->lock);
	refresh(list);
	found = authorized_clients_find_invite(&list->current, invite_key);
	if (found != NULL && found->options.is_disabled)
		found = NULL;
	if (found != NULL)
		*client_out = *found;
	pthread_mutex_unlock(&list->lock);
	return found != NULL;
}

uint64_t client_list_generation(struct client_list *list)
{
	uint64_t generation;

	pthread_mutex_lock(&list->lock);
	refresh(list);
	generation = list->generation;
	pthread_mutex_unlock(&list->lock);
	return generation;
}

struct stat client_list_status(struct client_list *list)
{
	struct stat status;

	pthread_mutex_lock(&list->lock);
	status = list->watch.status;
	pthread_mutex_unlock(&list->lock);
	return status;
}

void client_list_each_psk_file(struct client_list *list, client_list_psk_file_fn *each,
			       void *context)
{
	pthread_mutex_lock(&list->lock);
	refresh(list);
	for (size_t i = 0; i < list->current.psk_file_count; i++)
		each(context, list->current.psk_files[i]);
	pthread_mutex_unlock(&list->lock);
}

size_t client_list_count(struct client_list *list)
{
	size_t count;

	pthread_mutex_lock(&list->lock);
	refresh(list);
	count = list->current.count - list->current.pending_count;
	pthread_mutex_unlock(&list->lock);
	return count;
}
