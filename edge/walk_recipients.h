/*
 * Where each recipient of a walk stands: open at this host, left to the next one, or reported.
 * Verdicts of several hosts are merged by delivery_policy.c's rule.
 */
#ifndef WALK_RECIPIENTS_H
#define WALK_RECIPIENTS_H

#include "delivery_policy.h"
#include "host_walk.h"

/* The host that a verdict is about. */
struct walk_host {
	const char *exchange;
	const char *address;
	int port;
	const char *tls;
	bool dsn_offered;
};

struct walk_recipient;

struct walk_recipients {
	struct walk_recipient *items;
	size_t count;
	size_t unreported;
	host_walk_report_fn *report;
	void *context;
};

/* 0, or -1 when memory is out. Wipe in both cases. */
int walk_recipients_init(struct walk_recipients *recipients, const struct host_walk_params *params);
void walk_recipients_wipe(struct walk_recipients *recipients);

/* A new host: who was left to the next one is open again. */
void walk_recipients_reopen(struct walk_recipients *recipients);
size_t walk_recipients_count_open(const struct walk_recipients *recipients);
/* Fills indices (SMTP_RECIPIENTS_PER_TRANSACTION) with open recipients, as the envelope numbers them. */
size_t walk_recipients_batch(const struct walk_recipients *recipients, size_t *indices);

/* What the transaction under way says about one recipient. */
void walk_recipients_note(struct walk_recipients *recipients, size_t index,
			  const struct smtp_event *event);
/* The transaction is over: decides what was noted. */
void walk_recipients_decide(struct walk_recipients *recipients, const struct walk_host *host,
			    enum tls_level level);
/* The same verdict for all that are open at this host. */
void walk_recipients_decide_open(struct walk_recipients *recipients, const struct walk_host *host,
				 const struct delivery_decision *decision);
/*
 * There is no further host: reports everybody else with what was kept, or with `otherwise` if
 * nothing was. `instead`: NULL, or what a permanent verdict becomes, since a host could not be
 * looked up.
 */
void walk_recipients_finish(struct walk_recipients *recipients,
			    const struct delivery_status *otherwise,
			    const struct delivery_status *instead);
/* The same status for everybody who is not reported, whatever was kept. */
void walk_recipients_finish_all(struct walk_recipients *recipients,
				const struct delivery_status *status);

#endif
