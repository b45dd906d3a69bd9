/* Additive increase, multiplicative decrease; and a door that stays shut a little longer each time. */
#include "destination_pace.h"

#define ONE 256u

void destination_pace_init(struct destination_pace *pace, size_t limit)
{
	*pace = (struct destination_pace){ .places_256 = (uint32_t)limit * ONE, .cut_ms = INT64_MIN, .closed_ms = INT64_MIN };
}

size_t destination_pace_places(const struct destination_pace *pace, size_t limit)
{
	size_t places = pace->places_256 / ONE;

	if (places > limit)
		places = limit;
	return places > 0 ? places : 1;
}

void destination_pace_change_limit(struct destination_pace *pace, size_t before, size_t limit)
{
	if (destination_pace_places(pace, before) == before)
		pace->places_256 = (uint32_t)limit * ONE;
}

static void grow(struct destination_pace *pace, size_t limit)
{
	uint32_t maximum = (uint32_t)limit * ONE;

	pace->places_256 += ONE * ONE / (pace->places_256 > 0 ? pace->places_256 : ONE);
	if (pace->places_256 > maximum)
		pace->places_256 = maximum;
}

static void cut(struct destination_pace *pace, size_t limit, int64_t began_ms, int64_t now_ms)
{
	if (began_ms < pace->cut_ms)
		return;
	pace->places_256 = (uint32_t)destination_pace_places(pace, limit) * ONE / 2;
	if (pace->places_256 < ONE)
		pace->places_256 = ONE;
	pace->cut_ms = now_ms;
}

static void shut(struct destination_pace *pace, int64_t for_ms, int64_t now_ms)
{
	pace->closed_ms = now_ms;
	if (pace->closed_until_ms < now_ms + for_ms)
		pace->closed_until_ms = now_ms + for_ms;
}

/* Deliveries that were under way together fail once. */
static void fail(struct destination_pace *pace, int64_t began_ms, int64_t now_ms)
{
	int64_t for_ms = DESTINATION_CLOSED_FIRST_MS;

	if (began_ms < pace->closed_ms)
		return;
	for (unsigned i = 0; i < pace->failures && for_ms < DESTINATION_CLOSED_MAX_MS; i++)
		for_ms *= 2;
	pace->failures++;
	shut(pace, for_ms < DESTINATION_CLOSED_MAX_MS ? for_ms : DESTINATION_CLOSED_MAX_MS, now_ms);
}

void destination_pace_learn(struct destination_pace *pace, size_t limit, enum destination_news news, int64_t pause_ms,
			    int64_t began_ms, int64_t now_ms)
{
	if (news != DESTINATION_NEWS_UNREACHABLE && pace->failures > 0) {
		pace->failures = 0;
		pace->closed_until_ms = 0;	/* there is a way after all */
	}
	switch (news) {
	case DESTINATION_NEWS_NONE:
		break;
	case DESTINATION_NEWS_GOOD:
		grow(pace, limit);
		break;
	case DESTINATION_NEWS_SLOW:
		cut(pace, limit, began_ms, now_ms);
		break;
	case DESTINATION_NEWS_PAUSE:
		cut(pace, limit, began_ms, now_ms);
		shut(pace, pause_ms, now_ms);
		break;
	case DESTINATION_NEWS_UNREACHABLE:
		cut(pace, limit, began_ms, now_ms);
		fail(pace, began_ms, now_ms);
		break;
	}
}

int64_t destination_pace_closed_for_ms(const struct destination_pace *pace, int64_t now_ms)
{
	return pace->closed_until_ms > now_ms ? pace->closed_until_ms - now_ms : 0;
}

bool destination_pace_is_fresh(const struct destination_pace *pace, size_t limit)
{
	return pace->failures == 0 && pace->closed_until_ms == 0 && destination_pace_places(pace, limit) == limit;
}
