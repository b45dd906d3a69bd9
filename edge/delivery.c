/*
 * Splits one message into its destinations. Recipients are sorted by next hop, which is the domain's
 * relay or else the domain (and by address, so that one address given twice is delivered once and
 * answered twice); a bounded number of threads takes one next hop after the other. The calling
 * thread works too, so a machine that has no thread to spare still delivers, only one next hop at a
 * time. Before each next hop stands its line (destination.h), shared with all other messages.
 *
 * Before all that the journal is asked: whose outcome is known is answered; whom another attempt is
 * just delivering to waits until the others are done.
 */
#include "delivery.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "delivery_log.h"
#include "host_walk.h"
#include "lib/log.h"
#include "lib/thread.h"
#include "message_log.h"
#include "received.h"

#define NO_RECIPIENT ((size_t)-1)
/* For another attempt of the same message, whose tunnel was lost. */
#define WAIT_FOR_OTHER_MS 30000

/*
 * One message on its way. Everything but the marked members is fixed before the first thread
 * starts.
 */
struct dispatch {
	const struct delivery *delivery;
	struct relay_map *relays;	/* NULL: there are none */
	const struct relay_hop **hops;	/* per recipient, its relay or NULL; NULL without relays */
	size_t *order;			/* distinct recipients to deliver to, sorted by next hop */
	size_t distinct;
	size_t *busy;			/* those whom another attempt has */
	size_t busy_count;
	struct journal_claim *claims;	/* per recipient */
	size_t *same_as_next;		/* per recipient: the next one of the same address, or none */
	size_t *group_start;		/* indices into order, one more than groups */
	size_t groups;
	_Atomic size_t next_group;	/* the next one that no thread has taken */
	pthread_mutex_t sink_lock;	/* one sink call at a time */
	char trace_field[RECEIVED_MAX];
	size_t trace_field_length;
	int64_t started_ms;
};

static const struct relay_hop *hop_of(const struct dispatch *dispatch, size_t recipient)
{
	return dispatch->hops != NULL ? dispatch->hops[recipient] : NULL;
}

static const char *domain_of(const struct dispatch *dispatch, size_t recipient)
{
	return dispatch->delivery->envelope->recipients[recipient].forward_path.domain;
}

/* What its mail shares with others': a relay's name never looks like a domain. */
static const char *next_hop_of(const struct dispatch *dispatch, size_t recipient)
{
	const struct relay_hop *hop = hop_of(dispatch, recipient);

	return hop != NULL ? hop->destination.next_hop : domain_of(dispatch, recipient);
}

static int compare_recipients(const void *a, const void *b, void *context)
{
	const struct dispatch *dispatch = context;
	const struct recipient *recipients = dispatch->delivery->envelope->recipients;
	size_t left = *(const size_t *)a, right = *(const size_t *)b;
	int order = strcasecmp(next_hop_of(dispatch, left), next_hop_of(dispatch, right));

	if (order == 0)
		order = strcasecmp(domain_of(dispatch, left), domain_of(dispatch, right));
	if (order == 0)
		order = strcmp(recipients[left].forward_path.local_part,
			       recipients[right].forward_path.local_part);
	if (order == 0)
		order = left < right ? -1 : 1;
	return order;
}

static int dispatch_allocate(struct dispatch *dispatch, size_t count)
{
	dispatch->order = calloc(count, sizeof(*dispatch->order));
	dispatch->busy = calloc(count, sizeof(*dispatch->busy));
	dispatch->claims = calloc(count, sizeof(*dispatch->claims));
	dispatch->same_as_next = calloc(count, sizeof(*dispatch->same_as_next));
	dispatch->group_start = calloc(count + 1, sizeof(*dispatch->group_start));
	if (dispatch->order == NULL || dispatch->busy == NULL || dispatch->claims == NULL ||
	    dispatch->same_as_next == NULL || dispatch->group_start == NULL)
		return -1;
	return 0;
}

static void dispatch_wipe(struct dispatch *dispatch)
{
	free(dispatch->order);
	free(dispatch->busy);
	free(dispatch->claims);
	free(dispatch->same_as_next);
	free(dispatch->group_start);
	free(dispatch->hops);
	relay_map_release(dispatch->relays);
	pthread_mutex_destroy(&dispatch->sink_lock);
}

/* 0, or -1 when memory is out. */
static int dispatch_find_relays(struct dispatch *dispatch)
{
	const struct delivery *delivery = dispatch->delivery;
	size_t count = delivery->envelope->recipient_count;

	dispatch->relays = relay_table_acquire(delivery->setup->relays);
	if (dispatch->relays == NULL)
		return 0;
	dispatch->hops = calloc(count, sizeof(const struct relay_hop *));
	if (dispatch->hops == NULL)
		return -1;
	for (size_t i = 0; i < count; i++)
		dispatch->hops[i] = relay_map_find(dispatch->relays, domain_of(dispatch, i));
	return 0;
}

/* Sorts, and links doubled addresses together. */
static void dispatch_sort(struct dispatch *dispatch)
{
	const struct envelope *envelope = dispatch->delivery->envelope;
	struct recipient *recipients = envelope->recipients;
	size_t last = NO_RECIPIENT;

	for (size_t i = 0; i < envelope->recipient_count; i++) {
		dispatch->order[i] = i;
		dispatch->same_as_next[i] = NO_RECIPIENT;
	}
	qsort_r(dispatch->order, envelope->recipient_count, sizeof(*dispatch->order),
		compare_recipients, dispatch);
	for (size_t i = 0; i < envelope->recipient_count; i++) {
		size_t current = dispatch->order[i];

		if (last != NO_RECIPIENT && mailbox_is_same(&recipients[last].forward_path,
							    &recipients[current].forward_path)) {
			dispatch->same_as_next[last] = current;
			last = current;
			continue;
		}
		dispatch->order[dispatch->distinct++] = current;
		last = current;
	}
}

/* Marks where each next hop begins. */
static void dispatch_group(struct dispatch *dispatch)
{
	const size_t *order = dispatch->order;

	dispatch->groups = 0;
	for (size_t i = 0; i < dispatch->distinct; i++)
		if (i == 0 || strcasecmp(next_hop_of(dispatch, order[i - 1]),
					 next_hop_of(dispatch, order[i])) != 0)
			dispatch->group_start[dispatch->groups++] = i;
	dispatch->group_start[dispatch->groups] = dispatch->distinct;
	atomic_store(&dispatch->next_group, 0);
}

static void report(void *context, size_t recipient, const struct delivery_status *status)
{
	struct dispatch *dispatch = context;
	const struct delivery *delivery = dispatch->delivery;
	int64_t delay_ms = deadline_now_ms() - dispatch->started_ms;
	struct delivery_status doubtful;

	/* That this attempt came to nothing says nothing about the one before it. */
	if (status->action == DELIVERY_DELAYED && delivery->journal != NULL &&
	    dispatch->claims[recipient].is_in_doubt) {
		doubtful = *status;
		doubtful.maybe_duplicate = true;
		status = &doubtful;
	}
	/* First it is remembered, then told. */
	if (delivery->journal != NULL)
		journal_settle(delivery->journal, &dispatch->claims[recipient], status);
	for (; recipient != NO_RECIPIENT; recipient = dispatch->same_as_next[recipient]) {
		delivery_log_status(&delivery->envelope->recipients[recipient], status,
				    delivery->tenant->name, delay_ms,
				    (enum edge_log_recipients)delivery->setup->conf.log_recipients);
		pthread_mutex_lock(&dispatch->sink_lock);
		delivery->sink(delivery->context, recipient, status);
		pthread_mutex_unlock(&dispatch->sink_lock);
	}
}

static int before_final_dot(void *context, const size_t *recipients, size_t count)
{
	struct dispatch *dispatch = context;
	struct journal_claim *claims[SMTP_RECIPIENTS_PER_TRANSACTION];

	if (dispatch->delivery->journal == NULL)
		return 0;
	for (size_t i = 0; i < count; i++)
		claims[i] = &dispatch->claims[recipients[i]];
	return journal_intend(dispatch->delivery->journal, claims, count);
}

/* Asks the journal about one recipient; reports the outcome if there is one already. */
static enum journal_answer claim(struct dispatch *dispatch, size_t recipient, struct deadline deadline)
{
	const struct delivery *delivery = dispatch->delivery;
	const struct recipient *target = &delivery->envelope->recipients[recipient];
	struct delivery_status status = { 0 };
	enum journal_answer answer = journal_claim(
		delivery->journal,
		&(struct journal_subject){ delivery->tenant->name, delivery->envelope->queue_id,
					   delivery->content_digest, &target->forward_path },
		deadline, &dispatch->claims[recipient], &status);

	if (answer == JOURNAL_KNOWN || answer == JOURNAL_REFUSED)
		report(dispatch, recipient, &status);
	else if (dispatch->claims[recipient].is_in_doubt)
		delivery_log_in_doubt(target, delivery->tenant->name,
				      (enum edge_log_recipients)delivery->setup->conf.log_recipients);
	return answer;
}

/* Leaves in `order` those who are to be delivered to. */
static void claim_all(struct dispatch *dispatch, struct deadline deadline)
{
	size_t asked = dispatch->distinct;

	dispatch->distinct = dispatch->busy_count = 0;
	for (size_t i = 0; i < asked; i++) {
		size_t recipient = dispatch->order[i];
		enum journal_answer answer = claim(dispatch, recipient, deadline);

		if (answer == JOURNAL_CLAIMED)
			dispatch->order[dispatch->distinct++] = recipient;
		else if (answer == JOURNAL_BUSY)
			dispatch->busy[dispatch->busy_count++] = recipient;
	}
}

/* What is known already need not be waited for once more. */
static void report_closed(const char *domain, const struct destination_place *place, struct delivery_status *status)
{
	if (place->closed_for_ms > 0)
		delivery_status_set_local(status, STAGE_EDGE, ENHANCED_STATUS(4, 4, 1),
					  "destination %s is not tried again for %" PRId64 " s: %s", domain,
					  (place->closed_for_ms + 999) / 1000, place->words);
	else
		delivery_status_set_local(status, STAGE_EDGE, ENHANCED_STATUS(4, 4, 1),
					  "destination %s is just being tried again by another message: %s", domain,
					  place->words);
}

/* Its destination was not entered: the mail host's queue keeps these recipients for later. */
static void report_not_entered(const struct host_walk_params *params, const char *next_hop,
			       enum destination_result result,
			       const struct destination_place *place)
{
	struct delivery_status status = { 0 };

	if (result == DESTINATION_BUSY)
		delivery_status_set_local(
			&status, STAGE_EDGE, ENHANCED_STATUS(4, 3, 2),
			"destination %s is busy: %zu deliveries active, %zu waiting",
			next_hop, place->active, place->waiting);
	else if (result == DESTINATION_CLOSED)
		report_closed(next_hop, place, &status);
	else if (result == DESTINATION_CANCELLED)
		delivery_status_set_local(&status, STAGE_EDGE, ENHANCED_STATUS(4, 3, 2),
					  "the edge is stopping");
	else
		delivery_status_set_local(&status, STAGE_EDGE, ENHANCED_STATUS(4, 3, 1),
					  "out of memory");
	for (size_t i = 0; i < params->count; i++)
		params->report(params->context, params->recipients[i], &status);
}

/* One next hop, when its turn has come. */
static void deliver_to_next_hop(const struct host_walk_params *params, const char *next_hop)
{
	const struct delivery *delivery = params->delivery;
	const struct edge_conf *conf = &delivery->setup->conf;
	struct destination_lesson lesson = { .news = DESTINATION_NEWS_NONE };
	struct destination_place place;
	enum destination_result result = destination_enter(
		delivery->destinations, &(struct destination_request){
			.domain = next_hop,
			.limit = (size_t)conf->destination_concurrency_limit,
			.wait_max_ms = DESTINATION_WAIT_MAX_MS,
			.deadline = delivery->deadline,
			.client = delivery->tenant->name,
			.slots = delivery->slots,
		}, &place);

	if (result != DESTINATION_ENTERED) {
		report_not_entered(params, next_hop, result, &place);
		return;
	}
	host_walk_run(params, &place, &lesson);
	destination_leave(delivery->destinations, &place, &lesson);
}

/* Takes next hops until none is left. */
static void *work(void *argument)
{
	struct dispatch *dispatch = argument;
	size_t group;

	message_log_begin(dispatch->delivery->tenant->name, dispatch->delivery->envelope->queue_id);
	while ((group = atomic_fetch_add(&dispatch->next_group, 1)) < dispatch->groups) {
		const size_t *recipients = dispatch->order + dispatch->group_start[group];

		deliver_to_next_hop(&(struct host_walk_params){
			.delivery = dispatch->delivery,
			.domain = domain_of(dispatch, recipients[0]),
			.relay = hop_of(dispatch, recipients[0]),
			.recipients = recipients,
			.count = dispatch->group_start[group + 1] - dispatch->group_start[group],
			.trace_field = dispatch->trace_field,
			.trace_field_length = dispatch->trace_field_length,
			.report = report,
			.before_final_dot = before_final_dot,
			.context = dispatch,
		}, next_hop_of(dispatch, recipients[0]));
	}
	return NULL;
}

/* One more thread, if neither the edge's share nor the machine is used up. */
static bool start_helper(struct dispatch *dispatch, pthread_t *thread)
{
	const struct delivery *delivery = dispatch->delivery;
	_Atomic int64_t *threads = &delivery->load->threads;

	if (atomic_fetch_add(threads, 1) < delivery->setup->conf.delivery_threads &&
	    thread_start(thread, work, dispatch) == 0)
		return true;
	atomic_fetch_sub(threads, 1);
	return false;
}

static void run_threads(struct dispatch *dispatch)
{
	size_t wanted = dispatch->groups,
	       limit = (size_t)dispatch->delivery->setup->conf.parallel_destinations;
	size_t started = 0;
	pthread_t *threads;

	if (wanted > limit)
		wanted = limit;
	threads = calloc(wanted, sizeof(*threads));
	while (threads != NULL && started + 1 < wanted && start_helper(dispatch, &threads[started]))
		started++;
	work(dispatch);
	for (size_t i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
	atomic_fetch_sub(&dispatch->delivery->load->threads, (int64_t)started);
	free(threads);
}

static void deliver(struct dispatch *dispatch)
{
	dispatch_group(dispatch);
	if (dispatch->groups > 0)
		run_threads(dispatch);
}

/* The other attempt may have ended with an outcome, without one, or not at all. */
static void deliver_to_busy(struct dispatch *dispatch)
{
	struct delivery_status status = { .in_progress = true };

	if (dispatch->busy_count == 0)
		return;
	memcpy(dispatch->order, dispatch->busy, dispatch->busy_count * sizeof(*dispatch->order));
	dispatch->distinct = dispatch->busy_count;
	claim_all(dispatch, deadline_earlier(dispatch->delivery->deadline,
					     deadline_in_ms(WAIT_FOR_OTHER_MS)));
	delivery_status_set_local(&status, STAGE_EDGE, ENHANCED_STATUS(4, 3, 2),
				  "delivery in progress: an earlier attempt of this message has not ended yet");
	for (size_t i = 0; i < dispatch->busy_count; i++)
		report(dispatch, dispatch->busy[i], &status);
	deliver(dispatch);
}

void delivery_run(const struct delivery *delivery)
{
	struct dispatch dispatch = {
		.delivery = delivery,
		.sink_lock = PTHREAD_MUTEX_INITIALIZER,
		.started_ms = deadline_now_ms(),
	};

	if (dispatch_allocate(&dispatch, delivery->envelope->recipient_count) < 0 ||
	    dispatch_find_relays(&dispatch) < 0) {
		struct delivery_status status = { 0 };

		delivery_status_set_local(&status, STAGE_EDGE, ENHANCED_STATUS(4, 3, 1),
					  "out of memory");
		for (size_t i = 0; i < delivery->envelope->recipient_count; i++)
			delivery->sink(delivery->context, i, &status);
		dispatch_wipe(&dispatch);
		return;
	}
	dispatch.trace_field_length = received_print(
		dispatch.trace_field, sizeof(dispatch.trace_field), delivery->setup->conf.ehlo_name,
		delivery->envelope->queue_id, time(NULL));
	dispatch_sort(&dispatch);
	if (delivery->journal != NULL)
		claim_all(&dispatch, deadline_in_ms(0));
	deliver(&dispatch);
	deliver_to_busy(&dispatch);
	dispatch_wipe(&dispatch);
}
