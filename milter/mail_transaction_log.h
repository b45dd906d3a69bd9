/* The one line in the log per decision. */
#ifndef MAIL_TRANSACTION_LOG_H
#define MAIL_TRANSACTION_LOG_H

#include "mail_transaction.h"

/*
 * "QUEUEID: reject: who=login:alice, client=192.0.2.1, from=<a@x>, header_from=<ceo@y>,
 * rule=from_address, said=550 5.7.1 ..."; "NOQUEUE" as Postfix says before there is a queue id.
 */
void mail_transaction_log(const struct mail_transaction *transaction, const struct findings *findings,
		     const struct verdict *verdict);

#endif
