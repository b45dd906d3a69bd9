/*
 * The question "check": this machine, its addresses and those of the client that asks, as
 * host_check.h looks at them; an array of findings (doctor/finding_json.h). Nothing to connect to or
 * to look up is taken from the client.
 */
#ifndef QUESTION_CHECK_H
#define QUESTION_CHECK_H

#include "edge_question.h"

edge_question_fn question_check;

#endif
