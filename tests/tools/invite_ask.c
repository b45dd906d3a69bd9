/*
 * The holder of an invite, who asks what he likes: invite_ask INVITE QUESTION [ARGUMENT]. Prints the edge's answer, or the
 * layer that failed and why, and then exits with 1.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/edge_ask.h"
#include "tunnel/invite.h"

int main(int argc, char **argv)
{
	struct edge_ask ask = { .timeout_ms = 10000 };
	struct noise_keypair keypair;
	struct edge_reply reply;
	struct invite invite;
	char reason[500], *text;

	if (argc < 3 || sodium_init() < 0)
		return 64;
	if (invite_parse(&invite, argv[1], reason, sizeof(reason)) != INVITE_GOOD) {
		puts(reason);
		return 65;
	}
	snprintf(ask.edge.host, sizeof(ask.edge.host), "%s", invite.host);
	snprintf(ask.edge.port, sizeof(ask.edge.port), "%u", invite.port);
	memcpy(ask.public_key, invite.edge_key, sizeof(ask.public_key));
	invite_derive(&keypair, invite.secret);
	ask.own = noise_keypair_static_key(&keypair);
	ask.question = argv[2];
	ask.argument = argc > 3 ? argv[3] : NULL;
	if (edge_ask(&ask, &reply) < 0) {
		printf("%s: %s\n", edge_ask_layer_name(reply.layer), reply.error);
		return 1;
	}
	text = json_dumps(reply.answer, JSON_COMPACT);
	puts(text != NULL ? text : "");
	free(text);
	edge_reply_wipe(&reply);
	return 0;
}
