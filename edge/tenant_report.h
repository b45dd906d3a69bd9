/*
 * What tenants have used, as the edge tells `postern peers`: a line of JSON each, by name.
 *
 *	{"name": "home", "sessions": 2, "active": 1, "transactions": 10,
 *	 "recipients": {"relayed": 9, "delayed": 1, "failed": 0},
 *	 "refused": {"domains": 0, "rate": 3, "bounces": 0, "concurrency": 0, "size": 0,
 *		     "recipients": 0, "sessions": 0, "revoked": 0},
 *	 "rate": {"tokens": 60, "duration_ms": 60000, "left": 12}, "last_use": 1700000000}
 *
 * "rate" and "bounces" are there if there is such a limit, last_use (seconds since the epoch) once
 * there was a transaction or a refusal.
 */
#ifndef TENANT_REPORT_H
#define TENANT_REPORT_H

#include "session_table.h"
#include "tenant_table.h"

/* By enum tenant_refusal: the options of the allow-list that refuse, and what else does. */
extern const char *const tenant_report_refusal_names[TENANT_REFUSALS];

/* One line. A name has no character that JSON would quote (authorized_clients.h). */
void tenant_report_print_line(FILE *out, const struct tenant_count *count, size_t sessions);
/*
 * All of them: who has a row, and who has a tunnel and none yet. Sorts both arrays. Pure.
 */
void tenant_report_print(FILE *out, struct tenant_count *counts, size_t count, session_client_name *sessions,
			 size_t session_count);

#endif
