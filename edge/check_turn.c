/* A lock that is held for long, with a bound on waiting for it, and a small cache behind it. */
#include "check_turn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/condition.h"

void check_turn_init(struct check_turn *turn)
{
	memset(turn, 0, sizeof(*turn));
	pthread_mutex_init(&turn->lock, NULL);
	condition_init(&turn->freed);
}

/* Held with the lock. Forgets what is too old. NULL: nothing is kept for this client. */
static struct check_answer *find(struct check_turn *turn, const char *client)
{
	struct check_answer *found = NULL;

	for (size_t i = 0; i < CHECK_TURN_KEPT_MAX; i++) {
		struct check_answer *kept = &turn->kept[i];

		if (kept->text != NULL && deadline_has_passed(kept->until)) {
			free(kept->text);
			kept->text = NULL;
		}
		if (kept->text != NULL && strcmp(kept->client, client) == 0)
			found = kept;
	}
	return found;
}

enum check_turn_result check_turn_begin(struct check_turn *turn, const char *client, struct deadline deadline,
					char **text_out)
{
	enum check_turn_result result = CHECK_TURN_BUSY;
	struct check_answer *kept;
	bool is_late = false;

	*text_out = NULL;
	pthread_mutex_lock(&turn->lock);
	while ((kept = find(turn, client)) == NULL && turn->is_taken && !is_late)
		is_late = condition_wait_until(&turn->freed, &turn->lock, deadline) != 0;
	if (kept != NULL) {
		*text_out = strdup(kept->text);
		result = *text_out != NULL ? CHECK_TURN_KEPT : CHECK_TURN_BUSY;
	} else if (!turn->is_taken) {
		turn->is_taken = true;
		result = CHECK_TURN_YOURS;
	}
	pthread_mutex_unlock(&turn->lock);
	return result;
}

/* An empty place, or that of the oldest answer. */
static struct check_answer *make_room(struct check_turn *turn)
{
	struct check_answer *oldest = &turn->kept[0];

	for (size_t i = 0; i < CHECK_TURN_KEPT_MAX; i++) {
		if (turn->kept[i].text == NULL)
			return &turn->kept[i];
		if (turn->kept[i].until.at_ms < oldest->until.at_ms)
			oldest = &turn->kept[i];
	}
	free(oldest->text);
	return oldest;
}

void check_turn_end(struct check_turn *turn, const char *client, const char *text)
{
	char *copy = text != NULL ? strdup(text) : NULL;

	pthread_mutex_lock(&turn->lock);
	if (copy != NULL) {
		struct check_answer *place = make_room(turn);

		snprintf(place->client, sizeof(place->client), "%s", client);
		place->text = copy;
		place->until = deadline_in_ms(CHECK_TURN_KEEP_MS);
	}
	turn->is_taken = false;
	pthread_cond_broadcast(&turn->freed);
	pthread_mutex_unlock(&turn->lock);
}
