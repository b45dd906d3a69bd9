/* A moving average of those who came out, and the mean age of those who did not. */
#include "destination_service.h"

/* Weight of one delivery in the average: an eighth, as in TCP's round-trip time (RFC 6298). */
#define AVERAGE_WEIGHT 8

void destination_service_enter(struct destination_service *service, int64_t now_ms)
{
	service->active++;
	service->entered_sum_ms += now_ms;
}

void destination_service_leave(struct destination_service *service, int64_t entered_ms, int64_t now_ms)
{
	int64_t inside_ms = now_ms - entered_ms;

	if (service->average_ms == 0)
		service->average_ms = inside_ms > 0 ? inside_ms : 1;
	else
		service->average_ms += (inside_ms - service->average_ms) / AVERAGE_WEIGHT;
	if (--service->active == 0)
		service->stepped_ms = 0;
	service->entered_sum_ms -= entered_ms;
	service->left_ms = now_ms;
}

/* Mean age of those inside; but as long as others come out, one that is stuck means nothing. */
static int64_t mean_age_ms(const struct destination_service *service, int64_t now_ms)
{
	int64_t since_ms = now_ms - service->left_ms, age_ms = 0;

	if (service->active > 0)
		age_ms = now_ms - service->entered_sum_ms / (int64_t)service->active;
	return since_ms < age_ms ? since_ms : age_ms;
}

int64_t destination_service_ms(const struct destination_service *service, int64_t now_ms)
{
	int64_t inside_ms = mean_age_ms(service, now_ms);

	return inside_ms > service->average_ms ? inside_ms : service->average_ms;
}

void destination_service_note(struct destination_service *service, enum destination_step step, int64_t now_ms)
{
	if (step == DESTINATION_GREETED) {
		service->stepped_ms = 0;
	} else if (service->stepped_ms == 0 || service->step < step) {
		service->stepped_ms = now_ms;
		service->step = step;
	}
}

int64_t destination_service_until_silent_ms(const struct destination_service *service, int64_t now_ms)
{
	int64_t left_ms = service->stepped_ms + DESTINATION_SILENT_MS - now_ms;

	if (service->stepped_ms == 0 || service->average_ms > 0)
		return -1;
	return left_ms > 0 ? left_ms : 0;
}

enum destination_speed destination_service_speed(const struct destination_service *service, int64_t now_ms)
{
	return destination_share_speed(service->average_ms, mean_age_ms(service, now_ms));
}
