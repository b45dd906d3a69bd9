/*
 * Postfix's own line counts, as only it says what becomes of the message; that of postern-transport,
 * which comes before it, shows that the mail went by the tunnel.
 */
#include "message_trail.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log_line.h"

/* "host ident[pid]: 4ZmV: ..." -> "4ZmV"; false: there is none. */
static bool take_queue_id(char out[QUEUE_ID_MAX + 1], const char *line)
{
	const char *start = strstr(line, "]: "), *end;

	if (start == NULL)
		return false;
	start += 3;
	end = strchr(start, ':');
	if (end == NULL || !envelope_queue_id_is_valid(start, (size_t)(end - start)))
		return false;
	snprintf(out, QUEUE_ID_MAX + 1, "%.*s", (int)(end - start), start);
	return true;
}

/* The line's own message is this one, and not one whose server or filter names it. */
static bool is_own(const struct message_trail *trail, const char *line)
{
	char queue_id[QUEUE_ID_MAX + 1];

	return take_queue_id(queue_id, line) && strcmp(queue_id, trail->queue_id) == 0;
}

static bool is_of_postfix(const char *line)
{
	const char *ident = strchr(line, ' ');

	return ident != NULL && strncmp(ident + 1, "postern/", 8) != 0;
}

static void take_reply(struct message_trail *trail, const char *text)
{
	const char *start = strchr(text, '(');
	size_t length = start != NULL ? strlen(start + 1) : 0;

	snprintf(trail->reply, sizeof(trail->reply), "%s", start != NULL ? start + 1 : text);
	if (length > 0 && length < sizeof(trail->reply) && trail->reply[length - 1] == ')')
		trail->reply[length - 1] = '\0';
}

/* "250 2.0.0 Ok: queued as 4ZmW" of a filter on this host. */
static bool follow_filter(struct message_trail *trail, const char *line)
{
	const char *at = strstr(trail->reply, "queued as "), *relay = strstr(line, ", relay=");
	size_t length = at != NULL ? strcspn(at + 10, " .)") : 0;

	if (relay == NULL || (strncmp(relay + 8, "127.0.0.1[", 10) != 0 && strncmp(relay + 8, "localhost[", 10) != 0) ||
	    at == NULL || !envelope_queue_id_is_valid(at + 10, length))
		return false;
	snprintf(trail->queue_id, sizeof(trail->queue_id), "%.*s", (int)length, at + 10);
	return true;
}

/* qmgr(8)'s "from=<...>, size=500, nrcpt=2 (queue active)" */
static void count_recipients(struct message_trail *trail, const char *line)
{
	const char *at = strstr(line, ", nrcpt=");

	trail->has_others |= at != NULL && strtol(at + 8, NULL, 10) > 1;
}

/* Is what stands before the status about our recipient, as it is (to=) or as it was (orig_to=)? */
static bool is_about_recipient(const struct message_trail *trail, const char *line, const char *status)
{
	char words[MAILBOX_TEXT_MAX + 8];
	const char *at;

	snprintf(words, sizeof(words), "to=<%s>,", trail->recipient);
	at = strcasestr(line, words);
	return at != NULL && at < status;
}

/* The first status= is Postfix's; behind it stands what a server said, and that may be anything. */
static void take_outcome(struct message_trail *trail, const char *line)
{
	static const struct {
		const char *word;
		enum message_trail_outcome outcome;
	} words[] = {
		{ ", status=sent", MESSAGE_TRAIL_SENT },
		{ ", status=deferred", MESSAGE_TRAIL_DEFERRED },
		{ ", status=bounced", MESSAGE_TRAIL_BOUNCED },
		{ ", status=expired", MESSAGE_TRAIL_BOUNCED },
	};
	const char *at = strstr(line, ", status=");

	if (at == NULL || (trail->has_others && !is_about_recipient(trail, line, at)))
		return;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strncmp(at, words[i].word, strlen(words[i].word)) != 0)
			continue;
		take_reply(trail, at + 1);
		if (words[i].outcome == MESSAGE_TRAIL_SENT && follow_filter(trail, line))
			return;
		trail->outcome = words[i].outcome;
		return;
	}
}

bool message_trail_take(struct message_trail *trail, const char *line)
{
	if (trail->queue_id[0] == '\0' &&
	    (strstr(line, "message-id=<") == NULL || strstr(line, trail->token) == NULL ||
	     !take_queue_id(trail->queue_id, line)))
		return false;
	if (!log_line_names(line, trail->queue_id))
		return false;
	if (!is_of_postfix(line))
		trail->is_through_postern |= strstr(line, " postern/transport[") != NULL;
	else if (trail->outcome == MESSAGE_TRAIL_OPEN && is_own(trail, line)) {
		count_recipients(trail, line);
		take_outcome(trail, line);
	}
	return true;
}
