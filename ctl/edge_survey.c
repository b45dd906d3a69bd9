/* A thread for each edge: one that does not answer keeps nobody waiting but for its own line. */
#include "edge_survey.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "tunnel/static_key.h"

/* Threads at the same time. */
#define SURVEY_THREADS_MAX 32

static int take_rows(struct edge_survey *survey, const char *name)
{
	survey->rows = calloc(survey->table.count + 1, sizeof(*survey->rows));
	if (survey->rows == NULL)
		return EX_OSERR;
	for (size_t i = 0; i < survey->table.count; i++)
		if (name == NULL || strcmp(survey->table.edges[i].name, name) == 0)
			survey->rows[survey->count++].edge = &survey->table.edges[i];
	return survey->count > 0 ? EX_OK : EX_NOUSER;
}

int edge_survey_open(struct edge_survey *survey, const char *conf_path, const char *name, char *error, size_t error_size)
{
	int result;

	memset(survey, 0, sizeof(*survey));
	if (transport_conf_read(&survey->conf, conf_path, error, error_size) < 0)
		return EX_CONFIG;
	if (edge_table_read(&survey->table, survey->conf.edges, error, error_size) < 0)
		return EX_NOINPUT;
	if (access(survey->conf.key_file, R_OK) != 0 && errno == EACCES) {
		snprintf(error, error_size, "%s: only root and the user of the transport may read this host's key; are you root?",
			 survey->conf.key_file);
		return EX_NOINPUT;
	}
	if (static_key_read(&survey->own, survey->conf.key_file, error, error_size) < 0)
		return EX_NOINPUT;
	result = take_rows(survey, name);
	if (result == EX_NOUSER)
		snprintf(error, error_size, "%s: there is no edge \"%.80s\"", survey->conf.edges, name);
	else if (result != EX_OK)
		snprintf(error, error_size, "out of memory");
	return result;
}

static void forget_replies(struct edge_survey *survey)
{
	for (size_t i = 0; i < survey->count; i++) {
		edge_reply_wipe(&survey->rows[i].reply);
		survey->rows[i].is_asked = false;
	}
}

void edge_survey_close(struct edge_survey *survey)
{
	forget_replies(survey);
	free(survey->rows);
	static_key_wipe(&survey->own);
	edge_table_wipe(&survey->table);
	transport_conf_wipe(&survey->conf);
}

struct round {
	pthread_mutex_t lock;	/* protects next */
	size_t next;
	struct edge_survey *survey;
	const char *question, *argument;
	int64_t timeout_ms;
};

static struct edge_survey_row *next_row(struct round *round)
{
	struct edge_survey_row *row = NULL;

	pthread_mutex_lock(&round->lock);
	while (round->next < round->survey->count && round->survey->rows[round->next].edge->is_disabled)
		round->next++;
	if (round->next < round->survey->count)
		row = &round->survey->rows[round->next++];
	pthread_mutex_unlock(&round->lock);
	return row;
}

static void *ask_edges(void *argument)
{
	struct round *round = argument;
	struct edge_survey_row *row;

	while ((row = next_row(round)) != NULL) {
		struct edge_ask ask = { .own = round->survey->own, .question = round->question,
					.argument = round->argument, .timeout_ms = round->timeout_ms };

		edge_ask_from_table(&ask, row->edge);
		edge_ask(&ask, &row->reply);
		explicit_bzero(ask.psk, sizeof(ask.psk));
		row->is_asked = true;
	}
	return NULL;
}

int edge_survey_ask(struct edge_survey *survey, const char *question, const char *argument, int64_t timeout_ms)
{
	struct round round = { .survey = survey, .question = question, .argument = argument, .timeout_ms = timeout_ms };
	pthread_t threads[SURVEY_THREADS_MAX];
	size_t count = 0;

	forget_replies(survey);
	pthread_mutex_init(&round.lock, NULL);
	while (count < survey->count && count < SURVEY_THREADS_MAX &&
	       pthread_create(&threads[count], NULL, ask_edges, &round) == 0)
		count++;
	for (size_t i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	pthread_mutex_destroy(&round.lock);
	return count > 0 || survey->count == 0 ? 0 : -1;
}
