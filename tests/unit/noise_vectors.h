/*
 * Reads Noise test vectors ({"vectors": [...]}, the JSON that several Noise libraries publish) for
 * test_noise_vectors.c. Only what such files contain: objects, arrays and strings without escapes.
 * A file that is not like that ends the test program: a vector must never be skipped silently.
 */
#ifndef NOISE_VECTORS_H
#define NOISE_VECTORS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tunnel/noise.h"

#define VECTOR_BYTES_MAX 512
#define VECTOR_MESSAGES_MAX 8

struct vector_bytes {
	uint8_t bytes[VECTOR_BYTES_MAX];
	size_t length;
	int is_given;
};

struct vector_message {
	struct vector_bytes payload;
	struct vector_bytes ciphertext;
};

struct vector {
	char name[80];
	struct vector_bytes init_prologue, resp_prologue;
	struct vector_bytes init_static, resp_static, init_remote_static;
	struct vector_bytes init_ephemeral, resp_ephemeral;
	struct vector_bytes init_psk, resp_psk;
	struct vector_bytes handshake_hash;
	struct vector_bytes mac1; /* ours only: over message 0 under the responder's key */
	struct vector_message messages[VECTOR_MESSAGES_MAX];
	size_t message_count;
};

typedef void vector_fn(const char *path, const struct vector *vector);

struct json {
	const char *path;
	const char *start;
	const char *at;
};

static void json_fail(const struct json *json, const char *what)
{
	fprintf(stderr, "%s: byte %zu: %s\n", json->path, (size_t)(json->at - json->start), what);
	exit(1);
}

/* The next character that is not white space. */
static char json_peek(struct json *json)
{
	json->at += strspn(json->at, " \t\r\n");
	return *json->at;
}

static int json_accept(struct json *json, char wanted)
{
	if (json_peek(json) != wanted)
		return 0;
	json->at++;
	return 1;
}

static void json_expect(struct json *json, char wanted)
{
	if (!json_accept(json, wanted))
		json_fail(json, "unexpected character");
}

static void json_string(struct json *json, char *out, size_t size)
{
	size_t length;

	json_expect(json, '"');
	length = strcspn(json->at, "\"\\");
	if (json->at[length] != '"' || length >= size)
		json_fail(json, "string with escapes, too long or without end");
	memcpy(out, json->at, length);
	out[length] = '\0';
	json->at += length + 1;
}

static void json_hex(struct json *json, struct vector_bytes *out)
{
	char text[2 * VECTOR_BYTES_MAX + 1];
	unsigned int byte;
	size_t i;

	json_string(json, text, sizeof(text));
	if (strlen(text) % 2 != 0 || strspn(text, "0123456789abcdef") != strlen(text))
		json_fail(json, "not lower-case hex");
	out->length = strlen(text) / 2;
	out->is_given = 1;
	for (i = 0; i < out->length; i++) {
		sscanf(text + 2 * i, "%2x", &byte);
		out->bytes[i] = (uint8_t)byte;
	}
}

/* A list of preshared keys: none or one. */
static void json_psks(struct json *json, struct vector_bytes *out)
{
	json_expect(json, '[');
	if (json_accept(json, ']'))
		return;
	json_hex(json, out);
	json_expect(json, ']');
}

static void json_message(struct json *json, struct vector_message *message)
{
	char key[32];

	json_expect(json, '{');
	do {
		json_string(json, key, sizeof(key));
		json_expect(json, ':');
		if (strcmp(key, "payload") == 0)
			json_hex(json, &message->payload);
		else if (strcmp(key, "ciphertext") == 0)
			json_hex(json, &message->ciphertext);
		else
			json_fail(json, "unknown member of a message");
	} while (json_accept(json, ','));
	json_expect(json, '}');
}

static void json_messages(struct json *json, struct vector *vector)
{
	json_expect(json, '[');
	do {
		if (vector->message_count == VECTOR_MESSAGES_MAX)
			json_fail(json, "too many messages");
		json_message(json, &vector->messages[vector->message_count++]);
	} while (json_accept(json, ','));
	json_expect(json, ']');
}

static void json_member(struct json *json, const char *key, struct vector *vector)
{
	struct {
		const char *key;
		struct vector_bytes *bytes;
	} members[] = {
		{ "init_prologue", &vector->init_prologue },
		{ "resp_prologue", &vector->resp_prologue },
		{ "init_static", &vector->init_static },
		{ "resp_static", &vector->resp_static },
		{ "init_remote_static", &vector->init_remote_static },
		{ "init_ephemeral", &vector->init_ephemeral },
		{ "resp_ephemeral", &vector->resp_ephemeral },
		{ "handshake_hash", &vector->handshake_hash },
		{ "mac1", &vector->mac1 },
	};
	char ignored[256];
	size_t i;

	for (i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		if (strcmp(key, members[i].key) == 0) {
			json_hex(json, members[i].bytes);
			return;
		}
	}
	if (strcmp(key, "name") == 0 || strcmp(key, "protocol_name") == 0)
		json_string(json, vector->name, sizeof(vector->name));
	else if (strcmp(key, "init_psks") == 0)
		json_psks(json, &vector->init_psk);
	else if (strcmp(key, "resp_psks") == 0)
		json_psks(json, &vector->resp_psk);
	else if (strcmp(key, "messages") == 0)
		json_messages(json, vector);
	else
		json_string(json, ignored, sizeof(ignored)); /* "pattern", "comment" and the like */
}

static void json_vector(struct json *json, struct vector *vector)
{
	char key[32];

	memset(vector, 0, sizeof(*vector));
	json_expect(json, '{');
	do {
		json_string(json, key, sizeof(key));
		json_expect(json, ':');
		json_member(json, key, vector);
	} while (json_accept(json, ','));
	json_expect(json, '}');
}

/* Calls fn for every vector whose name ends in `suffix`. Returns their number. */
static size_t vectors_read(const char *path, const char *suffix, vector_fn *fn)
{
	static char text[1 << 20];
	static struct vector vector;
	struct json json = { .path = path, .start = text, .at = text };
	char key[32];
	size_t length, count = 0;
	FILE *file = fopen(path, "r");

	if (file == NULL) {
		perror(path);
		exit(1);
	}
	length = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[length] = '\0';
	json_expect(&json, '{');
	json_string(&json, key, sizeof(key));
	json_expect(&json, ':');
	json_expect(&json, '[');
	do {
		json_vector(&json, &vector);
		length = strlen(vector.name);
		if (length < strlen(suffix) ||
		    strcmp(vector.name + length - strlen(suffix), suffix) != 0)
			continue;
		fn(path, &vector);
		count++;
	} while (json_accept(&json, ','));
	json_expect(&json, ']');
	json_expect(&json, '}');
	return count;
}

#endif
