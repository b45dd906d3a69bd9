/*
 * The question "log QUEUEID": the edge's own log lines of this message of the client that asks,
 * oldest first, as far as it remembers (message_log.h).
 *
 *	{"name": "relay.example.com", "time_ms": 1700000000000, "since_ms": 1699990000000,
 *	 "lines": [{"time_ms": 1700000000000, "text": "4ZmV: to=<@example.com>, ..."}], "is_cut": true}
 *
 * since_ms: lines before that are forgotten; 0: none is. is_cut: there are more lines than an answer
 * has room for, and the first ones are missing.
 */
#ifndef QUESTION_LOG_H
#define QUESTION_LOG_H

#include "edge_question.h"

edge_question_fn question_log;

#endif
