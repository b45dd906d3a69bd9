/* What a relay knows us by: a line of relay_passwords. */
#ifndef SASL_LOGIN_H
#define SASL_LOGIN_H

/* RFC 4616 2 allows 255 octets each. */
#define SASL_USER_MAX 255
#define SASL_PASSWORD_MAX 255

/* Wipe it with explicit_bzero() as soon as it was used. */
struct sasl_login {
	char user[SASL_USER_MAX + 1];
	char password[SASL_PASSWORD_MAX + 1];
};

#endif
