/*
 * An invite as a test wants it: make_invite HOST PORT EDGE_KEY EXPIRES. Prints the line, and the public key that stands for it in
 * an allow-list.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tunnel/base64_key.h"
#include "tunnel/invite.h"

int main(int argc, char **argv)
{
	struct invite invite = { .port = 0 };
	char text[INVITE_TEXT_MAX], key[BASE64_KEY_TEXT + 1];
	struct noise_keypair keypair;

	if (argc != 5 || base64_key_decode(invite.edge_key, argv[3], strlen(argv[3])) < 0) {
		fputs("usage: make_invite HOST PORT EDGE_KEY EXPIRES\n", stderr);
		return 64;
	}
	snprintf(invite.host, sizeof(invite.host), "%s", argv[1]);
	invite.port = (uint16_t)atoi(argv[2]);
	invite.expires = atoll(argv[4]);
	invite_make_secret(invite.secret);
	invite_derive(&keypair, invite.secret);
	base64_key_encode(key, keypair.public_key);
	if (invite_print(&invite, text) < 0)
		return 65;
	printf("%s\n%s\n", text, key);
	return 0;
}
