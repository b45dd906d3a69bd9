/*
 * rotate: a new key beside the old one, without a moment in which only one end knows it.
 *
 * The edge answers to the key in its file and to that in FILE.next for as long as both are there.
 * The mail host uses the key in its file until every edge has let the one in FILE.next in, which is
 * tried, not assumed. In both cases `--finish` is one rename(2), and before it nothing has changed
 * for anybody who does not know of the new key.
 */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "command.h"
#include "edge_trial.h"
#include "lib/durable_file.h"
#include "tunnel/base64_key.h"
#include "tunnel/keyfile.h"

#define ERROR_MAX 4608 /* a path and a sentence or two */

struct rotation {
	bool is_edge, is_finish;
	const char *path, *edges;
	char next_path[PATH_MAX];
	char key[BASE64_KEY_TEXT + 1], next_key[BASE64_KEY_TEXT + 1]; /* public */
};

/* -1: go on; otherwise it ends with this. */
static int parse(const struct command *command, int argc, char **argv, struct rotation *rotation)
{
	const struct command_option options[] = {
		{ "finish", NULL, &rotation->is_finish },
		{ "file", &rotation->path, NULL },
		{ "edges", &rotation->edges, NULL },
		{ NULL, NULL, NULL },
	};
	struct command_arguments arguments;
	int result = command_parse(command, argc, argv, options, &arguments);

	if (result >= 0)
		return result;
	if (arguments.count != 1 ||
	    (strcmp(arguments.words[0], "edge") != 0 && strcmp(arguments.words[0], "transport") != 0))
		return command_wrong_usage(command, "whose key: edge or transport?", "");
	rotation->is_edge = strcmp(arguments.words[0], "edge") == 0;
	if (rotation->path == NULL)
		rotation->path = rotation->is_edge ? "/var/lib/postern/edge.key" :
						     "/var/lib/postern/transport.key";
	if (snprintf(rotation->next_path, PATH_MAX, "%s" KEYFILE_NEXT_SUFFIX, rotation->path) >=
	    PATH_MAX)
		return command_fail(EX_USAGE, "%s: the name is too long", rotation->path);
	return -1;
}

static int read_public(const char *path, char text[BASE64_KEY_TEXT + 1])
{
	struct noise_keypair keypair = { 0 };
	char error[ERROR_MAX];
	int result = EX_OK;

	if (keyfile_read_static(&keypair, path, error, sizeof(error)) == 0)
		base64_key_encode(text, keypair.public_key);
	else
		result = command_fail(EX_NOINPUT, "%s", error);
	noise_keypair_wipe(&keypair);
	return result;
}

/* Who may read the old key must be able to read the new one. */
static int give_to_owner(const struct rotation *rotation)
{
	struct stat status;

	if (geteuid() != 0)
		return EX_OK;
	if (stat(rotation->path, &status) == 0 &&
	    chown(rotation->next_path, status.st_uid, status.st_gid) == 0)
		return EX_OK;
	unlink(rotation->next_path);
	return command_fail(EX_CANTCREAT, "%s: cannot be given to the owner of %s: %m",
			    rotation->next_path, rotation->path);
}

/* One that is there already is the one of a rotation that goes on. */
static int make_next(const struct rotation *rotation)
{
	struct noise_keypair keypair;
	char error[ERROR_MAX];
	int result = EX_OK;

	if (access(rotation->next_path, F_OK) == 0)
		return EX_OK;
	noise_keypair_generate(&keypair);
	if (keyfile_create(rotation->next_path, keypair.secret_key, error, sizeof(error)) != 0)
		result = command_fail(EX_CANTCREAT, "%s", error);
	noise_keypair_wipe(&keypair);
	return result == EX_OK ? give_to_owner(rotation) : result;
}

static void explain_edge(const struct rotation *rotation)
{
	printf("The new public key of this edge is %s\n"
	       "It answers to both keys now. On every mail host, in " POSTERN_SYSCONFDIR
	       "/edges, replace\n"
	       "    key=%s\nby\n    key=%s key=%s\n"
	       "The log names each client that still comes with the old one. When there is none "
	       "left, here:\n"
	       "    postern rotate --finish edge%s%s\n",
	       rotation->next_key, rotation->key, rotation->next_key, rotation->key,
	       strcmp(rotation->path, "/var/lib/postern/edge.key") == 0 ? "" : " --file ",
	       strcmp(rotation->path, "/var/lib/postern/edge.key") == 0 ? "" : rotation->path);
}

static void explain_transport(const struct rotation *rotation)
{
	bool is_default = strcmp(rotation->path, "/var/lib/postern/transport.key") == 0;

	printf("The new public key of this mail host is %s\n"
	       "It still uses the old one. On every edge:\n"
	       "    postern authorize %s %s\n"
	       "and then here, which tries the new key with every edge before it counts:\n"
	       "    postern rotate --finish transport%s%s\n",
	       rotation->next_key, rotation->next_key, rotation->key,
	       is_default ? "" : " --file ", is_default ? "" : rotation->path);
}

static int begin(struct rotation *rotation)
{
	int result = read_public(rotation->path, rotation->key);

	if (result == EX_OK)
		result = make_next(rotation);
	if (result == EX_OK)
		result = read_public(rotation->next_path, rotation->next_key);
	if (result != EX_OK)
		return result;
	if (rotation->is_edge)
		explain_edge(rotation);
	else
		explain_transport(rotation);
	return EX_OK;
}

static int take_next(const struct rotation *rotation)
{
	if (rename(rotation->next_path, rotation->path) != 0)
		return command_fail(EX_CANTCREAT, "%s: %m", rotation->path);
	durable_file_sync_directory(rotation->path);
	return EX_OK;
}

static int finish(struct rotation *rotation)
{
	int result = EX_OK;

	if (access(rotation->next_path, F_OK) != 0 && errno == ENOENT)
		return command_fail(EX_NOINPUT, "%s: no key is being replaced; begin with postern rotate %s",
				    rotation->next_path, rotation->is_edge ? "edge" : "transport");
	result = read_public(rotation->path, rotation->key);
	if (result == EX_OK)
		result = read_public(rotation->next_path, rotation->next_key);
	if (result == EX_OK && !rotation->is_edge)
		result = edge_trial_all(rotation->edges, rotation->next_path);
	if (result == EX_OK)
		result = take_next(rotation);
	if (result != EX_OK)
		return result;
	if (rotation->is_edge)
		printf("This edge answers to %s alone now.\n"
		       "On the mail hosts key=%s may go from " POSTERN_SYSCONFDIR
		       "/edges when no mail is in their queues that was tried before.\n",
		       rotation->next_key, rotation->key);
	else
		printf("This mail host uses %s from its next message on.\nOn every edge:\n"
		       "    postern revoke %s\n",
		       rotation->next_key, rotation->key);
	return EX_OK;
}

static int run_rotate(const struct command *command, int argc, char **argv)
{
	struct rotation rotation = { .edges = POSTERN_SYSCONFDIR "/edges" };
	int result = parse(command, argc, argv, &rotation);

	if (result >= 0)
		return result;
	return rotation.is_finish ? finish(&rotation) : begin(&rotation);
}

const struct command command_rotate = {
	.name = "rotate",
	.arguments = "[--finish] [--file KEY_FILE] [--edges TABLE] edge|transport",
	.summary = "replace the key of an edge or a mail host while mail flows",
	.help = "Makes a new key beside the old one and prints what is to be done at the other end; "
		"nothing changes for those who know the\n"
		"old one alone. With --finish the new key takes its place; a mail host's is tried "
		"with every edge before that.\n\n"
		"  --finish         end it\n"
		"  --file KEY_FILE  instead of /var/lib/postern/edge.key or "
		"/var/lib/postern/transport.key\n"
		"  --edges TABLE    the mail host's edges, instead of " POSTERN_SYSCONFDIR "/edges\n",
	.words_max = COMMAND_WORDS_ANY,
	.run = run_rotate,
};
