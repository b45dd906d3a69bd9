/*
 * What one walk teaches about its destination: the sum of what happened at its hosts. Pure.
 *
 * One host that took a connection is enough for it not to be out of reach; one that asked for less is enough to slow down,
 * whatever others said.
 */
#ifndef WALK_LESSON_H
#define WALK_LESSON_H

#include "destination.h"
#include "reply_rules.h"
#include "smtp_client.h"

/* Adds what happened at one host; *lesson is NONE before the first. */
void walk_lesson_note(struct destination_lesson *lesson, const struct reply_rules *rules, const struct smtp_event *event,
		      const char *exchange, const char *address);

#endif
