/* Between relay_hop and keeper on one side, and smtp_client, which knows neither, on the other. */
#include "relay_login.h"

#include "lib/log.h"

static enum smtp_login_result find(void *context, struct sasl_login *found)
{
	struct relay_login *login = context;
	const char *next_hop = login->hop->destination.next_hop;

	if (login->keeper == NULL)
		return SMTP_LOGIN_NONE;
	switch (keeper_client_login(login->keeper, next_hop, found, &login->generation)) {
	case KEEPER_YES:
		break;
	case KEEPER_NO:
	case KEEPER_INVITED:
		return SMTP_LOGIN_NONE;
	case KEEPER_UNKNOWN:
	case KEEPER_GONE:
		return SMTP_LOGIN_ERROR;
	}
	if (login->refusals != NULL &&
	    relay_refusals_hold(login->refusals, next_hop, login->generation))
		return SMTP_LOGIN_HELD;
	return SMTP_LOGIN_FOUND;
}

static void on_refused(void *context)
{
	const struct relay_login *login = context;
	const char *next_hop = login->hop->destination.next_hop;

	if (login->refusals == NULL)
		return;
	relay_refusals_note(login->refusals, next_hop, login->generation, RELAY_REFUSAL_HOLD_MS);
	log_warning("%s refused our login; it is tried again in %d s, or when relay_passwords has changed",
		    next_hop, RELAY_REFUSAL_HOLD_MS / 1000);
}

const struct smtp_auth *relay_login_init(struct relay_login *login, const struct relay_hop *hop,
					 struct keeper_client *keeper,
					 struct relay_refusals *refusals)
{
	if (hop == NULL || hop->auth == RELAY_AUTH_NO)
		return NULL;
	*login = (struct relay_login){
		.hop = hop,
		.keeper = keeper,
		.refusals = refusals,
		.auth = {
			.is_required = hop->auth != RELAY_AUTH_IF_PASSWORD,
			.may_be_anybody = hop->auth == RELAY_AUTH_UNVERIFIED,
			.find_login = find,
			.on_refused = on_refused,
			.context = login,
		},
	};
	return &login->auth;
}
