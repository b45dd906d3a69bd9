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

static enum destination_news news_of_reply(const struct smtp_reply *reply, enum delivery_stage stage)
{
	if (reply->code == 421)
		return DESTINATION_NEWS_SLOW;
	if (stage == STAGE_AFTER_FINAL_DOT && smtp_reply_is(reply, REPLY_COMPLETION))
		return DESTINATION_NEWS_GOOD;
	return DESTINATION_NEWS_NONE;
}

static enum destination_news news_of(const struct smtp_event *event)
{
	switch (event->failure) {
	case SMTP_FAILURE_NONE:
		return news_of_reply(&event->reply, event->stage);
	case SMTP_FAILURE_CONNECT:
		return DESTINATION_NEWS_UNREACHABLE;
	case SMTP_FAILURE_TIMEOUT:
	case SMTP_FAILURE_LOST:
		return DESTINATION_NEWS_SLOW;
	default:
		return DESTINATION_NEWS_NONE;
	}
}

void walk_lesson_note(struct destination_lesson *lesson, const struct smtp_event *event, const char *exchange,
		      const char *address)
{
	enum destination_news news = news_of(event);
	bool is_first = !lesson->has_news;

	lesson->has_news = true;
	if (!is_first && strength(news) <= strength(lesson->news))
		return;
	lesson->news = news;
	if (news == DESTINATION_NEWS_UNREACHABLE)
		snprintf(lesson->words, sizeof(lesson->words), "connect to %.80s[%.60s]: %.50s", exchange, address,
			 event->detail);
}
