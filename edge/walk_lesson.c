/* The stronger news of two stand. */
#include "walk_lesson.h"

#include <stdio.h>

/* By rising strength; all of them but UNREACHABLE show that there is a host. */
static int strength(enum destination_news news)
{
	switch (news) {
	case DESTINATION_NEWS_UNREACHABLE:
		return 0;
	case DESTINATION_NEWS_NONE:
		return 1;
	case DESTINATION_NEWS_GOOD:
		return 2;
	case DESTINATION_NEWS_SLOW:
		return 3;
	case DESTINATION_NEWS_PAUSE:
		return 4;
	}
	return 1;
}

static enum destination_news news_of_reply(const struct reply_rules *rules, const struct smtp_event *event, int64_t *pause_ms)
{
	enum destination_news news;

	if (smtp_reply_is(&event->reply, REPLY_COMPLETION))
		return event->stage == STAGE_AFTER_FINAL_DOT ? DESTINATION_NEWS_GOOD : DESTINATION_NEWS_NONE;
	return reply_rules_find(rules, event->stage, &event->reply, &news, pause_ms) ? news : DESTINATION_NEWS_NONE;
}

static enum destination_news news_of(const struct reply_rules *rules, const struct smtp_event *event, int64_t *pause_ms)
{
	switch (event->failure) {
	case SMTP_FAILURE_NONE:
		return news_of_reply(rules, event, pause_ms);
	case SMTP_FAILURE_CONNECT:
		return DESTINATION_NEWS_UNREACHABLE;
	case SMTP_FAILURE_TIMEOUT:
	case SMTP_FAILURE_LOST:
		return DESTINATION_NEWS_SLOW;
	default:
		return DESTINATION_NEWS_NONE;
	}
}

void walk_lesson_note(struct destination_lesson *lesson, const struct reply_rules *rules, const struct smtp_event *event,
		      const char *exchange, const char *address)
{
	char reply[140];
	int64_t pause_ms = 0;
	enum destination_news news = news_of(rules, event, &pause_ms);
	bool is_first = !lesson->has_news;

	lesson->has_news = true;
	if (!is_first && strength(news) <= strength(lesson->news))
		return;
	lesson->news = news;
	lesson->pause_ms = pause_ms;
	if (news == DESTINATION_NEWS_UNREACHABLE)
		snprintf(lesson->words, sizeof(lesson->words), "connect to %.80s[%.60s]: %.50s", exchange, address,
			 event->detail);
	else if (news == DESTINATION_NEWS_PAUSE)
		snprintf(lesson->words, sizeof(lesson->words), "%.80s said: %.120s", exchange,
			 smtp_reply_print(&event->reply, reply, sizeof(reply)));
}
