/* See destination_share.h. */
#include "destination_share.h"

enum destination_speed destination_share_speed(int64_t average_ms, int64_t inside_ms)
{
	if (average_ms >= DESTINATION_SLOW_MS || inside_ms >= DESTINATION_SLOW_MS)
		return DESTINATION_SLOW;
	return average_ms > 0 ? DESTINATION_QUICK : DESTINATION_UNKNOWN;
}

static size_t at_least_some(size_t slots)
{
	return slots > DESTINATION_SLOTS_MIN ? slots : DESTINATION_SLOTS_MIN;
}

bool destination_share_is_crowded(size_t slots, size_t busy)
{
	slots = at_least_some(slots);
	return busy >= slots - slots / 8;
}

static size_t minus(size_t a, size_t b)
{
	return a > b ? a - b : 0;
}

/* `held` of this destination's counts as taken, the rest of what it has as free: it asks for the former. */
static bool is_within(const struct destination_share *share, size_t held)
{
	size_t slots = at_least_some(share->slots), others = minus(share->not_quick, share->held), free;

	if (share->speed == DESTINATION_SLOW) {
		free = minus(slots - slots / 4, others + held);
		return held < (free + 1) / 2;
	}
	free = minus(slots, others + held);
	return held < DESTINATION_UNKNOWN_MIN || held < (free + 1) / 2;
}

bool destination_share_allows(const struct destination_share *share)
{
	return share->speed == DESTINATION_QUICK || is_within(share, share->active);
}

int64_t destination_share_wait_max_ms(const struct destination_share *share, int64_t wait_max_ms, bool *counts_itself_out)
{
	bool is_crowded = destination_share_is_crowded(share->slots, share->busy);
	int64_t crowded_max_ms = share->slow > 0 ? DESTINATION_BESIEGED_WAIT_MAX_MS : DESTINATION_CROWDED_WAIT_MAX_MS;

	if (share->is_silent)
		crowded_max_ms = 0;
	*counts_itself_out = share->speed != DESTINATION_QUICK && is_crowded && !is_within(share, share->held);
	return *counts_itself_out && wait_max_ms > crowded_max_ms ? crowded_max_ms : wait_max_ms;
}
