/*
 * Is every field such as RFC 5322 and RFC 6532 allow, and is none there too often? A field that is
 * not can only be refused: what readers make of it differs, and what it was meant to be is unknown.
 */
#ifndef HEADER_SOUNDNESS_H
#define HEADER_SOUNDNESS_H

#include "finding.h"
#include "message.h"
#include "milter_conf.h"

/* Rules RULE_FIELD_NAME to RULE_SUBJECT_LENGTH; one finding for each rule. */
void header_soundness_check(struct findings *findings, const struct milter_conf *conf, const struct message *message);

#endif
