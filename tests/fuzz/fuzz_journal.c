/*
 * Any bytes as the journal: no crash, no leak, no text without an end; what is known stays known,
 * and what is settled comes back when the file is opened again.
 *
 * Nobody finds a keyed checksum by chance. So the first byte says what is done to the rest: 1, every
 * record that is not all zeros gets the checksum that belongs to it; 2, it is also made one of a
 * subject that is asked for, and what stands where the sealed outcome would be is sealed.
 *
 * feeds: the journal's file
 * covers: edge/journal_open.c:take, read_all, load edge/journal_record.c edge/journal_seal.c
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "edge/journal.h"
#include "edge/journal_record.h"
#include "lib/log.h"

#define NOW_S 1800000000
#define SLOTS 8
#define BYTES (SLOTS * JOURNAL_RECORD_BYTES)
#define SUBJECTS 4
#define AT_NAME 16
#define AT_OUTCOME 32
#define AT_CHECKSUM (JOURNAL_RECORD_BYTES - JOURNAL_CHECKSUM_BYTES)
#define OUTCOME_BYTES (AT_CHECKSUM - AT_OUTCOME - JOURNAL_SEAL_OVERHEAD)
#define KEY_TEXT "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n"

static const uint8_t key[JOURNAL_KEY_BYTES + 1] = "0123456789abcdef0123456789abcdef";
static char directory[] = "/tmp/fuzz_journal.XXXXXX", path[64], key_path[64];

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

/*
 * Nothing here is meant to outlive a power cut, and what is found shall be found again on another
 * day; these come before libc's.
 */
int fsync(int fd)
{
	(void)fd;
	return 0;
}

int fdatasync(int fd)
{
	(void)fd;
	return 0;
}

time_t time(time_t *out)
{
	if (out != NULL)
		*out = NOW_S;
	return NOW_S;
}

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void write_file(const char *name, const void *bytes, size_t length)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	require(fd >= 0 && write(fd, bytes, length) == (ssize_t)length);
	close(fd);
}

static void clean_up(void)
{
	unlink(path);
	unlink(key_path);
	rmdir(directory);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	/* Complaints are made, not printed. */
	log_open("fuzz", LOG_TARGET_STDERR, LOG_LEVEL_ERROR);
	require(mkdtemp(directory) != NULL);
	snprintf(path, sizeof(path), "%s/journal", directory);
	snprintf(key_path, sizeof(key_path), "%s.key", path);
	write_file(key_path, KEY_TEXT, strlen(KEY_TEXT));
	atexit(clean_up);
	return 0;
}

static struct journal_subject subject(unsigned number)
{
	static const char *const queue_ids[SUBJECTS] = { "4Xq0", "4Xq1", "4Xq2", "4Xq3" };
	static const struct mailbox recipient = { .local_part = "user", .domain = "example.net" };
	static const uint8_t digest[CONTENT_DIGEST_SIZE];

	return (struct journal_subject){ "mail", queue_ids[number % SUBJECTS], digest, &recipient };
}

/* What the first byte asks for. */
static void make_sound(uint8_t *record, uint32_t slot, bool is_sealed)
{
	static const uint8_t zeros[JOURNAL_RECORD_BYTES];
	uint8_t plain[OUTCOME_BYTES];
	struct journal_subject wanted;
	struct journal_name name;

	if (memcmp(record, zeros, JOURNAL_RECORD_BYTES) == 0)
		return;
	if (is_sealed) {
		wanted = subject(record[AT_NAME]);
		journal_seal_name(&name, key, &wanted);
		memcpy(record + AT_NAME, name.bytes, JOURNAL_NAME_BYTES);
		memcpy(plain, record + AT_OUTCOME, OUTCOME_BYTES);
		journal_seal_close(record + AT_OUTCOME, &name, plain, OUTCOME_BYTES);
	}
	journal_seal_checksum(record + AT_CHECKSUM, key, record, AT_CHECKSUM, slot);
}

static void check_status(const struct delivery_status *status)
{
	char text[DELIVERY_LMTP_REPLY_MAX], relay[600];

	require(status->from_journal && !status->maybe_duplicate && status->stage < STAGE_COUNT);
	require(memchr(status->reply.text, '\0', sizeof(status->reply.text)) != NULL &&
		memchr(status->reason, '\0', sizeof(status->reason)) != NULL &&
		memchr(status->remote_mta, '\0', sizeof(status->remote_mta)) != NULL &&
		memchr(status->remote_address, '\0', sizeof(status->remote_address)) != NULL &&
		memchr(status->tls, '\0', sizeof(status->tls)) != NULL);
	delivery_status_print_lmtp(status, "edge", text, sizeof(text));
	delivery_status_relay(status, relay, sizeof(relay));
}

static struct journal *open_journal(void)
{
	char error[300];
	struct journal *journal = journal_open(&(struct journal_settings){
			.path = path,
			.size = BYTES,
			.keep_ms = INT64_C(1000) * 86400 * 36500,
			.is_synced = true,
		}, error, sizeof(error));

	require(journal != NULL);
	return journal;
}

static enum journal_answer claim(struct journal *journal, unsigned number, struct journal_claim *claim,
				 struct delivery_status *status)
{
	struct journal_subject wanted = subject(number);
	enum journal_answer answer = journal_claim(journal, &wanted, deadline_in_ms(0), claim, status);

	require(answer != JOURNAL_BUSY && claim->is_held == (answer == JOURNAL_CLAIMED));
	if (answer == JOURNAL_KNOWN)
		check_status(status);
	return answer;
}

/* Everybody who is not known is delivered to, as far as there is room. */
static void deliver(struct journal *journal, bool *is_known)
{
	for (unsigned i = 0; i < SUBJECTS; i++) {
		struct delivery_status status = { 0 };
		struct journal_claim held;
		struct journal_claim *held_pointer = &held;
		enum journal_answer answer = claim(journal, i, &held, &status);

		is_known[i] = answer != JOURNAL_REFUSED;
		if (answer != JOURNAL_CLAIMED)
			continue;
		delivery_status_set_local(&status, STAGE_AFTER_FINAL_DOT, ENHANCED_STATUS(2, 0, 0), "ok");
		require(journal_intend(journal, &held_pointer, 1) == 0);
		journal_settle(journal, &held, &status);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	uint8_t file[BYTES + 2 * JOURNAL_RECORD_BYTES];
	bool is_known[SUBJECTS];
	struct journal *journal;

	if (length < 1 || length - 1 > sizeof(file))
		return 0;
	memcpy(file, bytes + 1, length - 1);
	for (uint32_t slot = 0; (slot + 1) * JOURNAL_RECORD_BYTES <= length - 1; slot++)
		if (bytes[0] == 1 || bytes[0] == 2)
			make_sound(file + slot * JOURNAL_RECORD_BYTES, slot, bytes[0] == 2);
	write_file(path, file, length - 1);
	journal = open_journal();
	deliver(journal, is_known);
	journal_close(journal);
	journal = open_journal();
	for (unsigned i = 0; i < SUBJECTS; i++) {
		struct delivery_status status;
		struct journal_claim held;

		require(!is_known[i] || claim(journal, i, &held, &status) == JOURNAL_KNOWN);
	}
	journal_close(journal);
	return 0;
}
