/* Each question is one look into the file, and each answer one record written under its lock. */
#include "edge_watch.h"

#include <string.h>

#include "edge_state.h"
#include "lib/deadline.h"
#include "lib/log.h"
#include "tunnel/content_digest.h"

static void make_key(uint8_t key[EDGE_STATE_KEY_BYTES], const struct edge *edge)
{
	char text[ENDPOINT_TEXT_MAX];
	uint8_t whole[CONTENT_DIGEST_SIZE];
	struct content_digest digest;

	endpoint_print(&edge->endpoint, text, sizeof(text));
	content_digest_init(&digest);
	content_digest_update(&digest, edge->public_key, sizeof(edge->public_key));
	content_digest_update(&digest, text, strlen(text));
	content_digest_final(&digest, whole);
	memcpy(key, whole, EDGE_STATE_KEY_BYTES);
}

void edge_watch_read(const char *path, const struct edge *edge, struct edge_health *health)
{
	uint8_t key[EDGE_STATE_KEY_BYTES];
	struct edge_state state;

	memset(health, 0, sizeof(*health));
	if (path == NULL)
		return;
	make_key(key, edge);
	if (edge_state_open(&state, path, false) == 0)
		edge_state_find_health(&state, key, health);
	edge_state_close(&state);
}

bool edge_watch_claim(const char *path, const struct edge *edge, bool is_last, int64_t for_ms,
		      struct edge_health *health)
{
	struct edge_state_entry entry = { .kind = EDGE_STATE_HEALTH }, evicted;
	int64_t now_ms = deadline_now_ms();
	struct edge_state state;
	bool is_ours = true;

	if (path == NULL)
		return true;
	make_key(entry.key, edge);
	if (edge_state_open(&state, path, true) == 0) {
		edge_state_find_health(&state, entry.key, &entry.health);
		is_ours = is_last ? edge_health_is_due_at_last(&entry.health, now_ms)
				  : edge_health_is_due(&entry.health, now_ms);
		if (is_ours) {
			edge_health_claim(&entry.health, now_ms, for_ms);
			edge_state_put(&state, &entry, now_ms, &evicted);
		}
		*health = entry.health;
	}
	edge_state_close(&state);
	return is_ours;
}

static void tell(const struct edge *edge, const struct edge_health *before,
		 const struct edge_health *after, int64_t now_ms)
{
	if (!before->is_down && after->is_down)
		log_warning("edge=%s is down; the next attempt is due in %lld ms", edge->name,
			    (long long)edge_health_left_ms(after, now_ms));
	if (before->is_down && !after->is_down)
		log_info("edge=%s is back after %lld s", edge->name,
			 (long long)(edge_state_age_ms(before->since_ms, now_ms) / 1000));
}

void edge_watch_note(const char *path, const struct edge *edge,
		     const struct edge_health_attempt *attempt, struct edge_health *health)
{
	struct edge_state_entry entry = { .kind = EDGE_STATE_HEALTH }, evicted;
	struct edge_health before;
	struct edge_state state;

	if (path == NULL)
		return;
	make_key(entry.key, edge);
	if (edge_state_open(&state, path, true) == 0) {
		edge_state_find_health(&state, entry.key, &entry.health);
		before = entry.health;
		edge_health_note(&entry.health, attempt);
		edge_state_put(&state, &entry, attempt->now_ms, &evicted);
		tell(edge, &before, &entry.health, attempt->now_ms);
		*health = entry.health;
	}
	edge_state_close(&state);
}
