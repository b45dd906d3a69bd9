/* Stages are put into words as Postfix puts them, where it has words for them. */
#include "delivery_progress.h"

#include <stdio.h>
#include <stdlib.h>

void delivery_progress_init(struct delivery_progress *progress, size_t recipient_count)
{
	pthread_mutex_init(&progress->lock, NULL);
	progress->places = calloc(recipient_count, sizeof(*progress->places));
	progress->count = progress->places != NULL ? recipient_count : 0;
}

void delivery_progress_wipe(struct delivery_progress *progress)
{
	free(progress->places);
	progress->places = NULL;
	progress->count = 0;
	pthread_mutex_destroy(&progress->lock);
}

static void set_places(struct delivery_progress *progress, const struct delivery_place *place,
		       const size_t *recipients, size_t count)
{
	pthread_mutex_lock(&progress->lock);
	for (size_t i = 0; i < count; i++)
		if (recipients[i] < progress->count)
			progress->places[recipients[i]] = place;
	pthread_mutex_unlock(&progress->lock);
}

void delivery_progress_enter(struct delivery_progress *progress, struct delivery_place *place,
			     const size_t *recipients, size_t count)
{
	*place = (struct delivery_place){ .stage = STAGE_DNS };
	if (progress != NULL)
		set_places(progress, place, recipients, count);
}

void delivery_progress_leave(struct delivery_progress *progress, const size_t *recipients,
			     size_t count)
{
	if (progress != NULL)
		set_places(progress, NULL, recipients, count);
}

void delivery_progress_move(struct delivery_progress *progress, struct delivery_place *place,
			    enum delivery_stage stage, const char *host, const char *address)
{
	if (progress == NULL)
		return;
	pthread_mutex_lock(&progress->lock);
	place->stage = stage;
	snprintf(place->host, sizeof(place->host), "%s", host);
	snprintf(place->address, sizeof(place->address), "%s", address);
	pthread_mutex_unlock(&progress->lock);
}

/* What is done, and how the host follows it. */
static const char *words_of(enum delivery_stage stage)
{
	switch (stage) {
	case STAGE_TUNNEL:
	case STAGE_EDGE:
		return "waiting for its turn";
	case STAGE_DNS:
		return "looking up mail servers";
	case STAGE_CONNECT:
		return "connecting to";
	case STAGE_GREETING:
		return "receiving the initial server greeting from";
	case STAGE_EHLO:
		return "performing the EHLO handshake with";
	case STAGE_TLS:
		return "performing the TLS handshake with";
	case STAGE_MAIL:
		return "waiting for the reply to MAIL FROM command from";
	case STAGE_RCPT:
		return "waiting for the reply to RCPT TO command from";
	case STAGE_DATA:
		return "waiting for the reply to DATA command from";
	case STAGE_CONTENT:
		return "sending message body to";
	case STAGE_AFTER_FINAL_DOT:
		return "waiting for the reply to end of DATA command from";
	case STAGE_COUNT:
		break;
	}
	return "waiting";
}

static void print(const struct delivery_place *place, char *out, size_t size)
{
	if (place == NULL || place->stage < STAGE_CONNECT)
		snprintf(out, size, "%s", words_of(place == NULL ? STAGE_EDGE : place->stage));
	else
		snprintf(out, size, "%s %s[%s]", words_of(place->stage),
			 place->host[0] != '\0' ? place->host : place->address, place->address);
}

char *delivery_progress_print(struct delivery_progress *progress, size_t recipient, char *out,
			      size_t size)
{
	pthread_mutex_lock(&progress->lock);
	print(recipient < progress->count ? progress->places[recipient] : NULL, out, size);
	pthread_mutex_unlock(&progress->lock);
	return out;
}
