/*
 * What the worker asks the keeper, and what it hears: one datagram each over a SOCK_SEQPACKET
 * socket pair between two processes of the same program, so a struct is the format. Every request
 * has the size of the struct and so has every answer; another size, a question that is not known or
 * a path without its end is the work of an intruder, see keeper.c.
 *
 * The keeper speaks first: the answer to KEEPER_HELLO, which nobody asks. Then one answer follows
 * one request, with the request's number.
 */
#ifndef KEEPER_PROTOCOL_H
#define KEEPER_PROTOCOL_H

#include <limits.h>
#include <stdint.h>
#include <sys/stat.h>

#include "enrolment.h"
#include "own_keys.h"
#include "sasl_login.h"
#include "tenant.h"
#include "tunnel/authorized_clients.h"
#include "tunnel/noise.h"

#define KEEPER_ERROR_MAX 1024

enum keeper_question {
	KEEPER_HELLO = 1,     /* the edge's public keys; or the reason why there is no edge */
	KEEPER_DH,	      /* DH(the edge's secret key of own_key, public_key) */
	KEEPER_AUTHORIZE,     /* may this key shake hands? With its psk */
	KEEPER_IS_AUTHORIZED, /* may it still deliver? Without */
	KEEPER_ADMIT,	      /* may it deliver mail of this sender domain, and on what terms? */
	KEEPER_LIST,	      /* count (0: in a socketmap) and generation of the allow-list, and the edge's public keys */
	KEEPER_OPEN,	      /* the file of this path for reading; a descriptor comes along */
	KEEPER_LOGIN,	      /* the login for the relay whose next_hop is in `path` */
	KEEPER_ENROL,	      /* put public_key in the place of invite_key */
};

/* The first is that of key_file; a second one is to replace it. */
struct keeper_keys {
	uint32_t count;
	uint8_t public_keys[OWN_KEYS_MAX][NOISE_DHLEN];
};

struct keeper_request {
	uint32_t question; /* enum keeper_question */
	uint32_t number;
	uint8_t public_key[NOISE_DHLEN];
	uint8_t own_key[NOISE_DHLEN]; /* of DH */
	union {
		char path[PATH_MAX];		    /* of OPEN */
		char sender[SMTP_DOMAIN_MAX + 1]; /* of ADMIT; "": the null reverse-path */
		uint8_t invite_key[NOISE_DHLEN];  /* of ENROL */
	};
};

struct keeper_answer {
	uint32_t question; /* the request's */
	uint32_t number;
	int32_t error;		  /* 0; or an errno, and nothing else is filled in but `reason` */
	uint8_t key[NOISE_DHLEN]; /* of DH */
	struct keeper_keys keys;  /* of HELLO and LIST */
	/* Of all questions about a key; those two alone of IS_AUTHORIZED. */
	uint32_t is_authorized;
	uint32_t is_unknown; /* nobody can tell now; only if the allow-list is in a socketmap */
	uint32_t is_invited;  /* it is no client's key, but an invite's; of AUTHORIZE and IS_AUTHORIZED */
	struct authorized_client client; /* of AUTHORIZE; its options are not filled in; of an invite the name alone */
	struct tenant_terms terms;	 /* of AUTHORIZE and ADMIT */
	struct stat list;		 /* of ADMIT: the allow-list's file, as the answer found it; all zero: there is none */
	uint64_t generation, count;    /* of LIST; the first also of LOGIN, of the passwords */
	uint32_t has_login;	       /* of LOGIN, like the next */
	struct sasl_login login;
	uint32_t enrolment;	       /* of ENROL: enum enrolment_result, and why in `reason` */
	char reason[KEEPER_ERROR_MAX]; /* of HELLO and ENROL: a sentence */
};

#endif
