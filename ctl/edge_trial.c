/*
 * A handshake, up to INFO, proves that the edge has the key in its list; it begins no transaction.
 * The table's grammar is postern-transport's, which checks it; what is needed here is the address
 * and the keys.
 */
#include "edge_trial.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "command.h"
#include "lib/table.h"
#include "tunnel/base64_key.h"
#include "tunnel/keyfile.h"
#include "tunnel/static_key.h"
#include "tunnel/tunnel.h"

#define WORDS_MAX 16
#define ERROR_MAX 4608
#define TRIAL_MS 20000

struct trial {
	struct tunnel_client_params params;
	uint8_t former_key[32];
	bool has_key, has_former_key, is_disabled;
};

static int take_word(struct trial *trial, const char *word, char *error, size_t error_size)
{
	uint8_t *key = trial->has_key ? trial->former_key : trial->params.edge_public_key;

	if (strcmp(word, "disabled") == 0)
		trial->is_disabled = true;
	if (strncmp(word, "psk=", 4) == 0)
		return keyfile_read(trial->params.psk, word + 4, error, error_size);
	if (strncmp(word, "key=", 4) != 0)
		return 0;
	if (base64_key_decode(key, word + 4, strlen(word + 4)) < 0) {
		snprintf(error, error_size, "key= is no public key");
		return -1;
	}
	trial->has_former_key = trial->has_key;
	trial->has_key = true;
	return 0;
}

static int parse(struct trial *trial, struct table_line *line, char *error, size_t error_size)
{
	char *words[WORDS_MAX];
	int count = table_split(line->value, words, WORDS_MAX);

	if (count < 2 || endpoint_parse(&trial->params.edge, words[0], TUNNEL_DEFAULT_PORT, error,
					error_size) < 0) {
		snprintf(error, error_size, "expected `name host:port key=...'");
		return -1;
	}
	for (int i = 1; i < count; i++)
		if (take_word(trial, words[i], error, error_size) < 0)
			return -1;
	return 0;
}

static bool shake_hands(struct trial *trial, char *error, size_t error_size)
{
	struct frame_info info;
	struct tunnel tunnel;
	bool is_open;

	trial->params.deadline = deadline_in_ms(TRIAL_MS);
	is_open = tunnel_connect(&tunnel, &trial->params, &info) == TUNNEL_OK;
	if (!is_open && trial->has_former_key) {
		memcpy(trial->params.edge_public_key, trial->former_key, sizeof(trial->former_key));
		is_open = tunnel_connect(&tunnel, &trial->params, &info) == TUNNEL_OK;
	}
	if (is_open)
		tunnel_close(&tunnel, 0, NULL);
	else
		snprintf(error, error_size, "%s", tunnel.error);
	return is_open;
}

static int try_edge(struct table_line *line, const char *path, const struct noise_static_key *own)
{
	struct trial trial = { .params.own = *own };
	char error[ERROR_MAX];
	int result = EX_OK;

	if (parse(&trial, line, error, sizeof(error)) < 0)
		result = command_fail(EX_DATAERR, "%s:%zu: %s", path, line->line, error);
	else if (trial.is_disabled)
		printf("edge %s is disabled: not tried\n", line->key);
	else if (shake_hands(&trial, error, sizeof(error)))
		printf("edge %s knows the new key\n", line->key);
	else
		result = command_fail(EX_TEMPFAIL, "edge %s: %s", line->key, error);
	explicit_bzero(trial.params.psk, sizeof(trial.params.psk));
	return result;
}

int edge_trial_all(const char *table_path, const char *key_path)
{
	struct noise_static_key own = { .context = NULL };
	struct table table = { 0 };
	char error[ERROR_MAX];
	int result = EX_OK, one;

	if (table_read(&table, table_path, NULL, error, sizeof(error)) != 0)
		return command_fail(EX_NOINPUT, "%s", error);
	if (static_key_read(&own, key_path, error, sizeof(error)) < 0)
		result = command_fail(EX_NOINPUT, "%s", error);
	for (size_t i = 0; own.context != NULL && i < table.count; i++) {
		one = try_edge(&table.lines[i], table_path, &own);
		if (one != EX_OK)
			result = one;
	}
	if (result != EX_OK)
		command_fail(0, "nothing was changed; the old key is in use");
	static_key_wipe(&own);
	table_wipe(&table);
	return result;
}
