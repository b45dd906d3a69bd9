/* What a session says to a question of its mail host (edge_question.h). */
#ifndef SESSION_QUESTION_H
#define SESSION_QUESTION_H

#include "edge_session_state.h"

/* Answers, in pieces. false: the answer could not be told, and the tunnel is of no more use. */
bool session_question_answer(struct edge_session *session, const struct frame_ask *ask);

#endif
