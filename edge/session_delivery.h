/* What a session says about a message that is complete: an outcome for each recipient, then DONE. */
#ifndef SESSION_DELIVERY_H
#define SESSION_DELIVERY_H

#include "edge_session_state.h"

/*
 * Delivers the session's transaction; tells what has come of it within wait_limit. false: that was over, and the session is another thread's; this one
 * has only to end, with delivery_jobs_end().
 */
bool session_delivery_run(struct edge_session *session);
/* The refusal, for every recipient. */
void session_delivery_refuse(struct edge_session *session);

#endif
