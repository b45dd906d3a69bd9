/*
 * How fast a destination is: how long deliveries are inside. Pure; the holder has the clock and the lock. All zero: nobody was there
 * yet.
 */
#ifndef DESTINATION_SERVICE_H
#define DESTINATION_SERVICE_H

#include <stddef.h>
#include <stdint.h>

#include "destination_share.h"

/* How one that is inside gets on with a host. */
enum destination_step { DESTINATION_CONNECTS, DESTINATION_CONNECTED, DESTINATION_GREETED };

struct destination_service {
	size_t active;
	int64_t entered_sum_ms;		/* of those active */
	int64_t average_ms;		/* time inside of those who left; 0: nobody has */
	int64_t left_ms;		/* when somebody left last; 0: nobody has */
	int64_t stepped_ms;		/* since when nobody has got further than step; 0: nobody is on the way, or somebody has got there */
	enum destination_step step;
};

void destination_service_enter(struct destination_service *service, int64_t now_ms);
/* Of one that entered at entered_ms. */
void destination_service_leave(struct destination_service *service, int64_t entered_ms, int64_t now_ms);
/*
 * How long a delivery takes here. Of a tarpit nobody comes back to tell: those who are still inside
 * count as soon as they have been there for longer than the others were.
 */
int64_t destination_service_ms(const struct destination_service *service, int64_t now_ms);
void destination_service_note(struct destination_service *service, enum destination_step step, int64_t now_ms);
/* How long until it is silent (destination_share.h). 0: it is. -1: it will not be; where its speed is known, that says more. */
int64_t destination_service_until_silent_ms(const struct destination_service *service, int64_t now_ms);
enum destination_speed destination_service_speed(const struct destination_service *service, int64_t now_ms);

#endif
