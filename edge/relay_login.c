/* Between relay_hop and keeper on one side, and smtp_client, which knows neither, on the other. */
#include "relay_login.h"

static enum smtp_login_result find(void *context, struct sasl_login *found)
{
	const struct relay_login *login = context;

	if (login->keeper == NULL)
		return SMTP_LOGIN_NONE;
	switch (keeper_client_login(login->keeper, login->hop->destination.next_hop, found)) {
	case KEEPER_YES:
		return SMTP_LOGIN_FOUND;
	case KEEPER_NO:
		return SMTP_LOGIN_NONE;
	case KEEPER_GONE:
		break;
	}
	return SMTP_LOGIN_ERROR;
}

const struct smtp_auth *relay_login_init(struct relay_login *login, const struct relay_hop *hop,
					 struct keeper_client *keeper)
{
	if (hop == NULL || hop->auth == RELAY_AUTH_NO)
		return NULL;
	*login = (struct relay_login){
		.hop = hop,
		.keeper = keeper,
		.auth = {
			.is_required = hop->auth != RELAY_AUTH_IF_PASSWORD,
			.may_be_anybody = hop->auth == RELAY_AUTH_UNVERIFIED,
			.find_login = find,
			.context = login,
		},
	};
	return &login->auth;
}
