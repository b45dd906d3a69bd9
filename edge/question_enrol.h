/*
 * The question "enrol KEY", of somebody who shook hands with the key of an invite: put this public key
 * (base64_key.h) in its place.
 *
 *	{"result": "enrolled", "reason": "...", "edge_name": "relay.example.com", "time": 1795403100,
 *	 "addresses": ["198.51.100.20", "2001:db8::20"]}
 *
 * result: "enrolled" (now or before, the same key), "used" (another key), "expired", "refused". reason:
 * a sentence. edge_name: what it says in EHLO. time: of the edge's clock. addresses: those that it sends
 * from, as far as it knows; none that somebody on the way would replace.
 */
#ifndef QUESTION_ENROL_H
#define QUESTION_ENROL_H

#include "edge_question.h"

edge_question_fn question_enrol;

#endif
