/* A journal in a directory of its own; subjects and outcomes to put into it. Needs cmocka.h. */
#ifndef JOURNAL_FIXTURE_H
#define JOURNAL_FIXTURE_H

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "edge/journal.h"
#include "edge/journal_record.h"

#define JOURNAL_FIXTURE_SLOTS 16
#define HOUR_MS 3600000

struct journal_place {
	char directory[48], path[64], key_path[80];
	struct journal_settings settings;
};

static inline void journal_place_make(struct journal_place *place)
{
	strcpy(place->directory, "/tmp/test_journal.XXXXXX");
	if (mkdtemp(place->directory) == NULL)
		abort();
	snprintf(place->path, sizeof(place->path), "%s/journal", place->directory);
	snprintf(place->key_path, sizeof(place->key_path), "%s.key", place->path);
	place->settings = (struct journal_settings){
		.path = place->path,
		.size = JOURNAL_FIXTURE_SLOTS * JOURNAL_RECORD_BYTES,
		.keep_ms = HOUR_MS,
		.is_synced = true,
	};
}

/* With whatever a test that failed has left there. */
static inline void journal_place_remove(struct journal_place *place)
{
	DIR *directory = opendir(place->directory);
	const struct dirent *entry;

	while (directory != NULL && (entry = readdir(directory)) != NULL)
		unlinkat(dirfd(directory), entry->d_name, 0);
	if (directory != NULL)
		closedir(directory);
	rmdir(place->directory);
}

static inline struct journal *journal_place_open(const struct journal_place *place)
{
	char error[300] = "";
	struct journal *journal = journal_open(&place->settings, error, sizeof(error));

	if (journal == NULL)
		fail_msg("%s", error);
	return journal;
}

/* As after a restart. */
static inline struct journal *journal_place_reopen(const struct journal_place *place,
						   struct journal *journal)
{
	journal_close(journal);
	return journal_place_open(place);
}

/* ---- subjects ---- */

struct test_subject {
	struct mailbox recipient;
	uint8_t digest[CONTENT_DIGEST_SIZE];
	char queue_id[40];
	struct journal_subject subject;
};

static inline const struct journal_subject *test_subject(struct test_subject *test, const char *client,
							 const char *queue_id, const char *local_part,
							 const char *domain, int content)
{
	memset(test, 0, sizeof(*test));
	snprintf(test->recipient.local_part, sizeof(test->recipient.local_part), "%s", local_part);
	snprintf(test->recipient.domain, sizeof(test->recipient.domain), "%s", domain);
	snprintf(test->queue_id, sizeof(test->queue_id), "%s", queue_id);
	memset(test->digest, content, sizeof(test->digest));
	test->subject = (struct journal_subject){ client, test->queue_id, test->digest,
						  &test->recipient };
	return &test->subject;
}

/* One of many. */
static inline const struct journal_subject *test_subject_number(struct test_subject *test, unsigned number)
{
	char queue_id[40];

	snprintf(queue_id, sizeof(queue_id), "4Xq%u", number);
	return test_subject(test, "mail", queue_id, "user", "example.net", 7);
}

/* ---- outcomes ---- */

static inline struct delivery_status test_outcome(int code, const char *text)
{
	struct delivery_status status = {
		.remote_mta = "mx.example.net",
		.remote_address = "192.0.2.9",
		.remote_port = 25,
		.tls = "TLSv1.3 TLS_AES_256_GCM_SHA384",
		.dsn_offered = true,
	};
	struct smtp_reply reply = { .code = code, .status = ENHANCED_STATUS(code / 100, 1, 5) };

	snprintf(reply.text, sizeof(reply.text), "%s", text);
	delivery_status_set_reply(&status, STAGE_AFTER_FINAL_DOT, &reply);
	return status;
}

static inline struct delivery_status test_relayed(void)
{
	return test_outcome(250, "2.1.5 queued as 4711");
}

static inline struct delivery_status test_failed(void)
{
	return test_outcome(550, "5.1.5 not here");
}

static inline struct delivery_status test_delayed(void)
{
	return test_outcome(451, "4.1.5 not now");
}

static inline struct delivery_status test_in_doubt(void)
{
	struct delivery_status status = { 0 };

	delivery_status_set_local(&status, STAGE_AFTER_FINAL_DOT, ENHANCED_STATUS(4, 4, 2),
				  "lost connection");
	status.maybe_duplicate = true;
	return status;
}

static inline bool test_same_code(struct enhanced_status a, struct enhanced_status b)
{
	return a.class == b.class && a.subject == b.subject && a.detail == b.detail;
}

/* In everything that a journal keeps. */
static inline void check_same_words(const struct delivery_status *got, const struct delivery_status *meant)
{
	assert_int_equal(got->action, meant->action);
	assert_int_equal(got->stage, meant->stage);
	assert_true(test_same_code(got->status, meant->status));
	assert_int_equal(got->reply.code, meant->reply.code);
	assert_true(test_same_code(got->reply.status, meant->reply.status));
	assert_string_equal(got->reply.text, meant->reply.text);
	assert_string_equal(got->reason, meant->reason);
	assert_string_equal(got->remote_mta, meant->remote_mta);
	assert_string_equal(got->remote_address, meant->remote_address);
	assert_int_equal(got->remote_port, meant->remote_port);
	assert_string_equal(got->tls, meant->tls);
	assert_int_equal(got->dsn_offered, meant->dsn_offered);
	assert_false(got->maybe_duplicate);
}

/* ---- claims ---- */

static inline enum journal_answer claim_at_once(struct journal *journal,
						const struct journal_subject *subject,
						struct journal_claim *claim,
						struct delivery_status *status)
{
	memset(status, 0, sizeof(*status));
	return journal_claim(journal, subject, deadline_in_ms(0), claim, status);
}

static inline int intend_one(struct journal *journal, struct journal_claim *claim)
{
	return journal_intend(journal, (struct journal_claim *const[]){ claim }, 1);
}

/* Claims, intends if wanted, settles. */
static inline void deliver_once(struct journal *journal, const struct journal_subject *subject,
				bool with_dot, const struct delivery_status *outcome)
{
	struct delivery_status status;
	struct journal_claim claim;

	assert_int_equal(claim_at_once(journal, subject, &claim, &status), JOURNAL_CLAIMED);
	if (with_dot)
		assert_int_equal(intend_one(journal, &claim), 0);
	journal_settle(journal, &claim, outcome);
}

static inline void check_known(struct journal *journal, const struct journal_subject *subject,
			       const struct delivery_status *meant)
{
	struct delivery_status status;
	struct journal_claim claim;

	assert_int_equal(claim_at_once(journal, subject, &claim, &status), JOURNAL_KNOWN);
	assert_true(status.from_journal);
	check_same_words(&status, meant);
}

/* Nothing is known: it can be claimed. Leaves things as they were. */
static inline void check_claimable(struct journal *journal, const struct journal_subject *subject,
				   bool in_doubt)
{
	struct delivery_status status, delayed = test_delayed();
	struct journal_claim claim;

	assert_int_equal(claim_at_once(journal, subject, &claim, &status), JOURNAL_CLAIMED);
	assert_true(claim.is_held);
	assert_int_equal(claim.is_in_doubt, in_doubt);
	journal_settle(journal, &claim, &delayed);
}

/* ---- the file ---- */

static inline void journal_place_read(const struct journal_place *place, uint8_t *bytes, size_t length)
{
	int fd = open(place->path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, bytes, length) != (ssize_t)length)
		fail_msg("%s cannot be read", place->path);
	close(fd);
}

static inline void journal_place_write(const struct journal_place *place, const uint8_t *bytes, size_t length)
{
	int fd = open(place->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, bytes, length) != (ssize_t)length)
		fail_msg("%s cannot be written", place->path);
	close(fd);
}

static inline off_t journal_place_size(const struct journal_place *place)
{
	struct stat status;

	return stat(place->path, &status) == 0 ? status.st_size : -1;
}

#endif
