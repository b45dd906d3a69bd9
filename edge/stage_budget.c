/*
 * The least times are small: they are no time-outs but tell what cannot succeed. A connection needs
 * some eight round trips to the end of DATA, TLS included; content cannot go faster than a very
 * good line. The reply to the final dot has its own time (RFC 5321 4.5.3.2.6), which begins with
 * the dot and is not part of the delivery's: so the dot needs no more than that the delivery's time
 * is not over.
 */
#include "stage_budget.h"

#define CONNECT_LEAST_MS 5000
#define MAIL_LEAST_MS 2000
#define DATA_LEAST_MS 1000
/* 10 MB/s, that is 80 Mbit/s. */
#define CONTENT_BYTES_PER_MS 10000
/* Short limits, as for tests and for people who want short limits, leave room for something. */
#define LEAST_PART 100

static int64_t fixed_part_ms(enum delivery_stage stage)
{
	switch (stage) {
	case STAGE_TUNNEL:
	case STAGE_EDGE:
	case STAGE_DNS:
	case STAGE_CONNECT:
	case STAGE_GREETING:
	case STAGE_EHLO:
	case STAGE_TLS:
		return CONNECT_LEAST_MS;
	case STAGE_MAIL:
	case STAGE_RCPT:
		return MAIL_LEAST_MS;
	case STAGE_DATA:
		return DATA_LEAST_MS;
	case STAGE_CONTENT:
	case STAGE_AFTER_FINAL_DOT:
	case STAGE_COUNT:
		break;
	}
	return 0;
}

int64_t stage_budget_least_ms(enum delivery_stage stage, uint64_t content_bytes,
			      int64_t time_limit_ms)
{
	int64_t least_ms = fixed_part_ms(stage), most_ms = time_limit_ms / LEAST_PART;

	if (time_limit_ms <= 0)
		return 1;
	if (least_ms > most_ms)
		least_ms = most_ms;
	if (stage < STAGE_CONTENT)
		least_ms += (int64_t)(content_bytes / CONTENT_BYTES_PER_MS);
	return least_ms > 0 ? least_ms : 1;
}

bool stage_budget_suffices(enum delivery_stage stage, uint64_t content_bytes, int64_t time_limit_ms,
			   int64_t left_ms)
{
	return left_ms >= stage_budget_least_ms(stage, content_bytes, time_limit_ms);
}
