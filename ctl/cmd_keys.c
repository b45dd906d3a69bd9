/*
 * keygen, pubkey, genpsk: secret keys are made here and go to a file, never to the terminal, never
 * into a pipe; what is printed may be shown to everybody. An existing file is never written to: who
 * wants a new key takes the old one away first.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sysexits.h>

#include "command.h"
#include "tunnel/base64_key.h"
#include "tunnel/keyfile.h"

#define ERROR_MAX 4608 /* a path and a sentence or two */

static void print_public_key(const struct noise_keypair *keypair)
{
	char text[BASE64_KEY_TEXT + 1];

	base64_key_encode(text, keypair->public_key);
	puts(text);
}

static int run_keygen(const struct command *command, int argc, char **argv)
{
	struct command_arguments arguments;
	struct noise_keypair keypair;
	char error[ERROR_MAX];
	int result = command_parse(command, argc, argv, NULL, &arguments);

	if (result >= 0)
		return result;
	noise_keypair_generate(&keypair);
	if (keyfile_create(arguments.words[0], keypair.secret_key, error, sizeof(error)) == 0) {
		print_public_key(&keypair);
		result = EX_OK;
	} else {
		result = command_fail(EX_CANTCREAT, "%s", error);
	}
	noise_keypair_wipe(&keypair);
	return result;
}

static int run_pubkey(const struct command *command, int argc, char **argv)
{
	struct command_arguments arguments;
	struct noise_keypair keypair = { 0 };
	char error[ERROR_MAX];
	int result = command_parse(command, argc, argv, NULL, &arguments);

	if (result >= 0)
		return result;
	if (keyfile_read_static(&keypair, arguments.words[0], error, sizeof(error)) == 0) {
		print_public_key(&keypair);
		result = EX_OK;
	} else {
		result = command_fail(EX_NOINPUT, "%s", error);
	}
	noise_keypair_wipe(&keypair);
	return result;
}

static int run_genpsk(const struct command *command, int argc, char **argv)
{
	struct command_arguments arguments;
	uint8_t key[32];
	char error[ERROR_MAX];
	int result = command_parse(command, argc, argv, NULL, &arguments);

	if (result >= 0)
		return result;
	if (getrandom(key, sizeof(key), 0) != sizeof(key))
		return command_fail(EX_OSERR, "no random numbers: %m");
	result = EX_OK;
	if (keyfile_create(arguments.words[0], key, error, sizeof(error)) != 0)
		result = command_fail(EX_CANTCREAT, "%s", error);
	explicit_bzero(key, sizeof(key));
	return result;
}

const struct command command_keygen = {
	.name = "keygen",
	.arguments = "FILE",
	.summary = "make a secret key, print its public key",
	.help = "Creates FILE (mode 0600) with a new secret key and prints the public key that "
		"belongs to it. A file that exists\n"
		"already is not touched. Run it as the user whose key it is to be:\n\n"
		"  runuser -u _postern-edge -- postern keygen /var/lib/postern/edge.key\n",
	.words_min = 1,
	.words_max = 1,
	.run = run_keygen,
};

const struct command command_pubkey = {
	.name = "pubkey",
	.arguments = "FILE",
	.summary = "print the public key of a secret key file",
	.help = "Prints the public key that belongs to the secret key in FILE.\n",
	.words_min = 1,
	.words_max = 1,
	.run = run_pubkey,
};

const struct command command_genpsk = {
	.name = "genpsk",
	.arguments = "FILE",
	.summary = "make a preshared key",
	.help = "Creates FILE (mode 0600) with a new preshared key, to be copied to the other "
		"machine by a way that nobody listens\n"
		"on, and named by psk=FILE on both. Prints nothing. A file that exists already is "
		"not touched.\n",
	.words_min = 1,
	.words_max = 1,
	.run = run_genpsk,
};
