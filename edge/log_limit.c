/* A fixed window per minute: simple, and enough to bound the log. */
#include "log_limit.h"

#include "lib/log.h"

#define WINDOW_MS 60000

void log_limit_init(struct log_limit *limit)
{
	pthread_mutex_init(&limit->lock, NULL);
	limit->window_started_ms = 0;
	limit->lines = limit->suppressed = 0;
}

bool log_limit_allows(struct log_limit *limit, int64_t now_ms)
{
	unsigned suppressed = 0;
	bool allows;

	pthread_mutex_lock(&limit->lock);
	if (limit->window_started_ms == 0 || now_ms - limit->window_started_ms >= WINDOW_MS) {
		suppressed = limit->suppressed;
		limit->window_started_ms = now_ms;
		limit->lines = limit->suppressed = 0;
	}
	allows = limit->lines < LOG_LIMIT_LINES_PER_MINUTE;
	if (allows)
		limit->lines++;
	else
		limit->suppressed++;
	pthread_mutex_unlock(&limit->lock);
	if (suppressed > 0)
		log_info("%u more failed handshakes were not logged one by one", suppressed);
	return allows;
}
