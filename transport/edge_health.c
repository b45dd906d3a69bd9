/* The whole policy of edges that are down, readable in one sitting. Pure. */
#include "edge_health.h"

/* connect_timeout is at most 120 s. */
#define CLAIM_MAX_MS 125000
#define WAIT_MIN_MS 250
/* A refusal takes a round trip. */
#define SILENT_MS 1000

/* Ahead of now, and no further than it can be. */
static int64_t left_ms(int64_t until_ms, int64_t now_ms, int64_t most_ms)
{
	return until_ms > now_ms && until_ms - now_ms <= most_ms ? until_ms - now_ms : 0;
}

static int64_t clamp(int64_t value, int64_t least, int64_t most)
{
	if (value < least)
		value = least;
	return value > most ? most : value;
}

/* 1, 2, 4 ... 60 s, three to five quarters of it. */
static int64_t pause_ms(uint32_t failures, uint32_t chance)
{
	int64_t pause = EDGE_HEALTH_PAUSE_MAX_MS;

	if (failures >= 1 && failures <= 6)
		pause = (int64_t)EDGE_HEALTH_PAUSE_MS << (failures - 1);
	return pause * 3 / 4 + (int64_t)(chance % 1024) * (pause / 2) / 1024;
}

static void set_state(struct edge_health *health, bool is_down, int64_t now_ms)
{
	if (health->is_down != is_down || health->since_ms == 0)
		health->since_ms = now_ms;
	health->is_down = is_down;
}

static void note_failure(struct edge_health *health, const struct edge_health_attempt *attempt)
{
	bool is_first = !health->is_down;

	health->failed++;
	health->failed_ms = attempt->now_ms;
	health->cost_ms = (uint32_t)clamp(attempt->took_ms, 0, UINT32_MAX);
	set_state(health, true, attempt->now_ms);
	/* Others that were on their way when it went down do not count as probes. */
	if (!is_first && !attempt->was_claimed)
		return;
	health->outages += is_first;
	health->failures = is_first ? 1 : health->failures + 1;
	health->claimed_ms = 0;
	health->next_ms = attempt->now_ms + pause_ms(health->failures, attempt->chance);
}

static void note_answer(struct edge_health *health, const struct edge_health_attempt *attempt)
{
	set_state(health, false, attempt->now_ms);
	health->failures = 0;
	health->claimed_ms = health->next_ms = 0;
	if (attempt->event != EDGE_HEALTH_OPENED)
		return;
	health->opened++;
	health->answered_ms = attempt->now_ms;
	health->open_ms = (uint32_t)clamp(attempt->took_ms, 1, UINT32_MAX);
}

void edge_health_note(struct edge_health *health, const struct edge_health_attempt *attempt)
{
	switch (attempt->event) {
	case EDGE_HEALTH_OPENED:
	case EDGE_HEALTH_BUSY:
		note_answer(health, attempt);
		break;
	case EDGE_HEALTH_FAILED:
		note_failure(health, attempt);
		break;
	}
}

void edge_health_claim(struct edge_health *health, int64_t now_ms, int64_t for_ms)
{
	health->claimed_ms = now_ms + clamp(for_ms, 0, CLAIM_MAX_MS);
}

bool edge_health_is_claimed(const struct edge_health *health, int64_t now_ms)
{
	return left_ms(health->claimed_ms, now_ms, CLAIM_MAX_MS) > 0;
}

int64_t edge_health_left_ms(const struct edge_health *health, int64_t now_ms)
{
	return left_ms(health->next_ms, now_ms, EDGE_HEALTH_PAUSE_MAX_MS * 5 / 4);
}

bool edge_health_is_due(const struct edge_health *health, int64_t now_ms)
{
	return health->is_down && !edge_health_is_claimed(health, now_ms) &&
	       edge_health_left_ms(health, now_ms) == 0;
}

bool edge_health_is_due_at_last(const struct edge_health *health, int64_t now_ms)
{
	int64_t pause = clamp(health->cost_ms, 0, EDGE_HEALTH_LAST_PAUSE_MS);

	return health->is_down && !edge_health_is_claimed(health, now_ms) &&
	       (health->failed_ms > now_ms || now_ms - health->failed_ms >= pause);
}

bool edge_health_is_silent(const struct edge_health *health)
{
	return health->is_down && health->cost_ms >= SILENT_MS;
}

int64_t edge_health_try_ms(const struct edge_health *health, bool has_others,
			   int64_t connect_timeout_ms)
{
	int64_t try_ms = clamp(4 * (int64_t)health->open_ms, EDGE_HEALTH_TRY_MS, INT64_MAX);

	if (!has_others && health->open_ms == 0)
		return connect_timeout_ms;
	if (!has_others && !health->is_down)
		try_ms = clamp(8 * (int64_t)health->open_ms, EDGE_HEALTH_ONLY_MS, INT64_MAX);
	return try_ms < connect_timeout_ms ? try_ms : connect_timeout_ms;
}

int64_t edge_health_wait_ms(const struct edge_health *health)
{
	return clamp(4 * (int64_t)health->open_ms, WAIT_MIN_MS, EDGE_HEALTH_TRY_MS);
}
