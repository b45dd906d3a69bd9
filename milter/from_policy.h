/* The rules about From (RFC 5322 3.6.2), the field that everybody sees. */
#ifndef FROM_POLICY_H
#define FROM_POLICY_H

#include "sender_case.h"

/*
 * All copies. Returns whether a From field with several addresses stays in the message, which then
 * needs a Sender field.
 */
bool from_policy_check(const struct sender_case *sender);

#endif
