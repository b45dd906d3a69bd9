/*
 * Keeps strangers from filling the log: so many lines a minute, then one that says how many were
 * left out.
 */
#ifndef LOG_LIMIT_H
#define LOG_LIMIT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct log_limit {
	pthread_mutex_t lock;		/* protects the rest */
	int64_t window_started_ms;
	unsigned lines;
	unsigned suppressed;
};

#define LOG_LIMIT_LINES_PER_MINUTE 20

void log_limit_init(struct log_limit *limit);
/*
 * May a line be logged now? Logs the number of lines left out in the minute before. now_ms:
 * deadline_now_ms().
 */
bool log_limit_allows(struct log_limit *limit, int64_t now_ms);

#endif
