/*
 * The question "status": how this edge is, and how it goes with the mail of the client that asks:
 * what status_report.h says of the edge, with
 *
 *	"client": what it says of the client,
 *	"destinations": what it says of the client's, STATUS_DESTINATIONS_MAX at most
 */
#ifndef QUESTION_STATUS_H
#define QUESTION_STATUS_H

#include "edge_question.h"

/* As many as fit into an answer, whatever is said of them. */
#define STATUS_DESTINATIONS_MAX 200

edge_question_fn question_status;

#endif
