/*
 * A client of socketmap_table(5), with a few idle connections kept for the next question.
 *
 *	request    = netstring			; of name SP key
 *	reply      = netstring			; of status
 *	netstring  = length ":" *OCTET ","
 *	status     = "OK" SP data / "NOTFOUND" [SP] / ("TEMP" / "TIMEOUT" / "PERM") SP reason
 *
 * An idle connection that the server has closed meanwhile is noticed before it is used, or by its
 * end instead of an answer: then the question is put once more, over a new connection. A slow
 * answer is no such sign. A connection on which anything was out of order is not used again, so an
 * answer that comes late is never taken for that to the next question.
 */
#include "socketmap.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ascii.h"
#include "endpoint.h"
#include "log.h"
#include "stream.h"

/* One for each thread that asks at the same time, in the ordinary case. */
#define IDLE_MAX 16
/* Servers and firewalls forget about connections; Postfix itself keeps them for 10 s. */
#define IDLE_TIME_MS 10000
#define REPLY_MAX (SOCKETMAP_VALUE_MAX + sizeof("OK ") - 1)
#define REASON_MAX 200

struct connection {
	struct stream stream;
	struct deadline until;		/* idle: not used after that */
};

struct socketmap {
	pthread_mutex_t lock;		/* protects the idle ones */
	struct connection *idle[IDLE_MAX];	/* the last one was used last */
	size_t idle_count;
	struct endpoint endpoint;	/* fixed, as is the rest */
	int64_t timeout_ms;
	char *name;
};

static int fail_spec(char *error, size_t error_size, const char *spec, const char *what)
{
	char printable[ENDPOINT_TEXT_MAX];

	log_printable(printable, sizeof(printable), spec, strlen(spec));
	snprintf(error, error_size, "\"socketmap:%s\": %s", printable, what);
	return -1;
}

static int parse_spec(struct socketmap *map, const char *spec, char *error, size_t error_size)
{
	static const char form[] = "write socketmap:unix:/path:name or socketmap:inet:host:port:name";
	const char *colon = strrchr(spec, ':');
	char where[ENDPOINT_TEXT_MAX], why[ENDPOINT_TEXT_MAX + 200];

	if ((strncmp(spec, "unix:", 5) != 0 && strncmp(spec, "inet:", 5) != 0) || colon < spec + 5 ||
	    (size_t)(colon - spec) >= sizeof(where))
		return fail_spec(error, error_size, spec, form);
	if (colon[1] == '\0' || strpbrk(colon + 1, " \t\r\n/]") != NULL)
		return fail_spec(error, error_size, spec, "the name of the map is missing at the end");
	memcpy(where, spec, (size_t)(colon - spec));
	where[colon - spec] = '\0';
	if (endpoint_parse(&map->endpoint, where, NULL, why, sizeof(why)) != 0)
		return fail_spec(error, error_size, spec, why);
	if (map->endpoint.host[0] == '\0')
		return fail_spec(error, error_size, spec, form);
	map->name = strdup(colon + 1);
	return map->name != NULL ? 0 : fail_spec(error, error_size, spec, "out of memory");
}

const char *socketmap_spec(const char *setting)
{
	return strncmp(setting, "socketmap:", 10) == 0 ? setting + 10 : NULL;
}

struct socketmap *socketmap_create(const char *spec, int64_t timeout_ms, char *error, size_t error_size)
{
	struct socketmap *map = calloc(1, sizeof(*map));

	if (map == NULL) {
		snprintf(error, error_size, "out of memory");
		return NULL;
	}
	if (parse_spec(map, spec, error, error_size) != 0) {
		free(map);
		return NULL;
	}
	map->timeout_ms = timeout_ms;
	pthread_mutex_init(&map->lock, NULL);
	return map;
}

static void drop(struct connection *connection)
{
	stream_wipe(&connection->stream);
	free(connection);
}

void socketmap_destroy(struct socketmap *map)
{
	if (map == NULL)
		return;
	for (size_t i = 0; i < map->idle_count; i++)
		drop(map->idle[i]);
	pthread_mutex_destroy(&map->lock);
	free(map->name);
	free(map);
}

const struct endpoint *socketmap_endpoint(const struct socketmap *map)
{
	return &map->endpoint;
}

static struct connection *take_last(struct socketmap *map)
{
	struct connection *last = NULL;

	pthread_mutex_lock(&map->lock);
	if (map->idle_count > 0)
		last = map->idle[--map->idle_count];
	pthread_mutex_unlock(&map->lock);
	return last;
}

/* One that seems to be alive, or NULL. */
static struct connection *take_idle(struct socketmap *map)
{
	for (;;) {
		struct connection *connection = take_last(map);

		if (connection == NULL)
			return NULL;
		if (!deadline_has_passed(connection->until) && !stream_has_input(&connection->stream))
			return connection;
		drop(connection);
	}
}

static void keep(struct socketmap *map, struct connection *connection)
{
	bool is_kept;

	connection->until = deadline_in_ms(IDLE_TIME_MS);
	pthread_mutex_lock(&map->lock);
	is_kept = map->idle_count < IDLE_MAX;
	if (is_kept)
		map->idle[map->idle_count++] = connection;
	pthread_mutex_unlock(&map->lock);
	if (!is_kept)
		drop(connection);
}

static struct connection *open_connection(struct socketmap *map, struct deadline deadline, char *error,
					  size_t error_size)
{
	struct connection *connection = calloc(1, sizeof(*connection));
	int fd;

	if (connection == NULL) {
		snprintf(error, error_size, "out of memory");
		return NULL;
	}
	fd = endpoint_connect(&map->endpoint, deadline, error, error_size);
	if (fd < 0) {
		free(connection);
		return NULL;
	}
	stream_init(&connection->stream, fd, fd);
	return connection;
}

/* heap; NULL: out of memory */
static char *make_request(const struct socketmap *map, const char *key)
{
	size_t length = strlen(map->name) + 1 + strlen(key), size = length + sizeof("18446744073709551615:,");
	char *request = malloc(size);

	if (request != NULL)
		snprintf(request, size, "%zu:%s %s,", length, map->name, key);
	return request;
}

/* The length of a netstring with its colon. STREAM_TOO_LONG: it is none, or one beyond the bound. */
static enum stream_result read_length(struct stream *stream, size_t *length_out, struct deadline deadline)
{
	size_t length = 0;

	for (int digits = 0;; digits++) {
		enum stream_result result;
		char byte;

		result = stream_read_full(stream, &byte, 1, deadline);
		if (result != STREAM_OK)
			return digits > 0 && result == STREAM_EOF ? STREAM_TOO_LONG : result;
		if (byte == ':' && digits > 0)
			break;
		if (!ascii_is_digit(byte) || (digits == 1 && length == 0))
			return STREAM_TOO_LONG;
		length = length * 10 + (size_t)(byte - '0');
		if (length > REPLY_MAX)
			return STREAM_TOO_LONG;
	}
	*length_out = length;
	return STREAM_OK;
}

/* *reply_out: heap, with a NUL behind its end. */
static enum stream_result read_netstring(struct stream *stream, char **reply_out, size_t *length_out,
					 struct deadline deadline)
{
	enum stream_result result = read_length(stream, length_out, deadline);
	char *reply;

	if (result != STREAM_OK)
		return result;
	reply = malloc(*length_out + 1);
	if (reply == NULL) {
		snprintf(stream->error, sizeof(stream->error), "out of memory");
		return STREAM_ERROR;
	}
	result = stream_read_full(stream, reply, *length_out + 1, deadline);
	if (result == STREAM_OK && reply[*length_out] == ',') {
		reply[*length_out] = '\0';
		*reply_out = reply;
		return STREAM_OK;
	}
	free(reply);
	return result == STREAM_OK || result == STREAM_EOF ? STREAM_TOO_LONG : result;
}

static enum socketmap_result take_data(const char *data, size_t length, char **value_out, char *error,
				       size_t error_size)
{
	if (strlen(data) != length || strpbrk(data, "\r\n") != NULL) {
		snprintf(error, error_size, "the server's answer has a NUL or a line break in it");
		return SOCKETMAP_TROUBLE;
	}
	*value_out = strdup(data);
	if (*value_out != NULL)
		return SOCKETMAP_FOUND;
	snprintf(error, error_size, "out of memory");
	return SOCKETMAP_TROUBLE;
}

/* What a whole netstring says; NUL-terminated. */
static enum socketmap_result judge_reply(const char *reply, size_t length, char **value_out, char *error,
					 size_t error_size)
{
	static const char *const failures[] = { "TEMP", "TIMEOUT", "PERM" };
	const char *space = memchr(reply, ' ', length);
	size_t word = space != NULL ? (size_t)(space - reply) : length;
	char printable[REASON_MAX];

	if (ascii_is_word(reply, word, "OK") && space != NULL)
		return take_data(space + 1, length - word - 1, value_out, error, error_size);
	if (ascii_is_word(reply, word, "NOTFOUND"))
		return SOCKETMAP_NOT_FOUND;
	log_printable(printable, sizeof(printable), reply, length);
	for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++)
		if (ascii_is_word(reply, word, failures[i])) {
			snprintf(error, error_size, "the server says \"%s\"", printable);
			return SOCKETMAP_TROUBLE;
		}
	snprintf(error, error_size, "the server's answer \"%s\" is none of socketmap_table(5)", printable);
	return SOCKETMAP_TROUBLE;
}

static const char *why_no_answer(const struct stream *stream, enum stream_result result)
{
	switch (result) {
	case STREAM_EOF:
		return "the server closed the connection without an answer";
	case STREAM_TIMEOUT:
		return "the server did not answer in time";
	case STREAM_TOO_LONG:
		return "the server's answer is no netstring, cut short or too long";
	case STREAM_ERROR:
		return stream_error(stream);
	case STREAM_OK:
	case STREAM_CANCELLED:
	case STREAM_INPUT:
		break;
	}
	return "no answer";
}

enum stream_result socketmap_receive(struct stream *stream, struct deadline deadline, enum socketmap_result *result_out,
				     char **value_out, char *error, size_t error_size)
{
	char *reply = NULL;
	size_t length = 0;
	enum stream_result result = read_netstring(stream, &reply, &length, deadline);

	if (result == STREAM_OK) {
		*result_out = judge_reply(reply, length, value_out, error, error_size);
	} else {
		*result_out = SOCKETMAP_TROUBLE;
		snprintf(error, error_size, "%s", why_no_answer(stream, result));
	}
	free(reply);
	return result;
}

/* STREAM_OK: the connection can be used again. */
static enum stream_result exchange(struct connection *connection, const char *request, struct deadline deadline,
				   enum socketmap_result *result_out, char **value_out, char *error, size_t error_size)
{
	struct stream *stream = &connection->stream;
	enum stream_result sent = stream_write_full(stream, request, strlen(request), deadline);

	if (sent == STREAM_OK)
		return socketmap_receive(stream, deadline, result_out, value_out, error, error_size);
	*result_out = SOCKETMAP_TROUBLE;
	snprintf(error, error_size, "%s", why_no_answer(stream, sent));
	return sent;
}

static enum socketmap_result ask(struct socketmap *map, const char *request, char **value_out, char *error,
				 size_t error_size)
{
	struct deadline deadline = deadline_in_ms(map->timeout_ms);
	struct connection *connection = take_idle(map);
	enum socketmap_result result;
	enum stream_result outcome;

	if (connection != NULL) {
		outcome = exchange(connection, request, deadline, &result, value_out, error, error_size);
		if (outcome == STREAM_OK) {
			keep(map, connection);
			return result;
		}
		drop(connection);
		if (outcome != STREAM_EOF && outcome != STREAM_ERROR)
			return result;
	}
	connection = open_connection(map, deadline, error, error_size);
	if (connection == NULL)
		return SOCKETMAP_TROUBLE;
	outcome = exchange(connection, request, deadline, &result, value_out, error, error_size);
	if (outcome == STREAM_OK)
		keep(map, connection);
	else
		drop(connection);
	return result;
}

enum socketmap_result socketmap_find(struct socketmap *map, const char *key, char **value_out, char *error,
				     size_t error_size)
{
	char *request = make_request(map, key), place[ENDPOINT_TEXT_MAX], why[ENDPOINT_TEXT_MAX + 200] = "out of memory";
	enum socketmap_result result = SOCKETMAP_TROUBLE;

	if (request != NULL)
		result = ask(map, request, value_out, why, sizeof(why));
	free(request);
	if (result == SOCKETMAP_TROUBLE)
		snprintf(error, error_size, "socketmap %s %s: %s",
			 endpoint_print(&map->endpoint, place, sizeof(place)), map->name, why);
	return result;
}
