/* Logging in to a relay with what the keeper knows; what the relay's line says of it, as the SMTP client wants it. */
#ifndef RELAY_LOGIN_H
#define RELAY_LOGIN_H

#include "keeper_client.h"
#include "relay_hop.h"
#include "relay_refusals.h"
#include "smtp_client.h"

struct relay_login {
	const struct relay_hop *hop;
	struct keeper_client *keeper;
	struct relay_refusals *refusals;
	uint64_t generation;		/* of the passwords that the login was one of */
	struct smtp_auth auth;
};

/*
 * NULL: nobody is told who we are (`hop` NULL, or auth=no). Else it lives as long as *login, and asks
 * the keeper when the relay is ready to hear; `keeper` NULL knows no passwords, `refusals` NULL of
 * none that was refused.
 */
const struct smtp_auth *relay_login_init(struct relay_login *login, const struct relay_hop *hop,
					 struct keeper_client *keeper,
					 struct relay_refusals *refusals);

#endif
