/*
 * The file of the shared edge state: opening, locking, making it anew, and the records of one
 * group. Which edge a message goes to is decided in affinity.c. What is damaged is free, and said
 * once: the record is zeroed by whoever finds it and may write.
 */
#include "edge_state.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/deadline.h"
#include "lib/log.h"

#define GROUP_BYTES (EDGE_STATE_GROUP_RECORDS * EDGE_STATE_RECORD_BYTES)
#define COUNTERS_SLOT 1
/* Between two attempts to get the lock. */
#define LOCK_PAUSE_MS 2
/* Without the lock: how often what was written may be found overwritten. */
#define WRITE_ATTEMPTS 5

static const char magic[] = "postern edges.state 1\n";

static int fail(struct edge_state *state, const char *what)
{
	snprintf(state->error, sizeof(state->error), "%.120s: %s", state->path, what);
	return -1;
}

static int fail_errno(struct edge_state *state)
{
	return fail(state, strerror(errno));
}

static bool read_at(const struct edge_state *state, void *bytes, size_t length, off_t at)
{
	return pread(state->fd, bytes, length, at) == (ssize_t)length;
}

static int write_at(struct edge_state *state, const void *bytes, size_t length, off_t at)
{
	ssize_t written = pwrite(state->fd, bytes, length, at);

	if (written == (ssize_t)length)
		return 0;
	return written < 0 ? fail_errno(state) : fail(state, "short write");
}

/* Nobody keeps it for longer than a few calls, unless a signal stopped it there. */
static void lock(struct edge_state *state, short type)
{
	struct flock range = { .l_type = type, .l_whence = SEEK_SET };
	struct deadline deadline = deadline_in_ms(EDGE_STATE_LOCK_MS);

	while (fcntl(state->fd, F_SETLK, &range) < 0) {
		if ((errno != EAGAIN && errno != EACCES && errno != EINTR) ||
		    deadline_has_passed(deadline)) {
			log_warning("%s: cannot be locked: %s; going on without", state->path,
				    strerror(errno));
			return;
		}
		poll(NULL, 0, LOCK_PAUSE_MS);
	}
	state->is_locked = true;
}

static bool is_sound(const struct edge_state *state)
{
	char header[sizeof(magic)] = "";
	struct stat status;

	return fstat(state->fd, &status) == 0 && S_ISREG(status.st_mode) &&
	       status.st_size == EDGE_STATE_BYTES && read_at(state, header, sizeof(magic) - 1, 0) &&
	       memcmp(header, magic, sizeof(magic) - 1) == 0;
}

/*
 * The header comes last: a process that is killed here leaves a file that is not sound. Zeros are
 * written, so that the disk has the room from now on.
 */
static int make_anew(struct edge_state *state)
{
	const uint8_t zeros[GROUP_BYTES] = { 0 };
	struct stat status = { 0 };

	if (fstat(state->fd, &status) < 0)
		return fail_errno(state);
	if (!S_ISREG(status.st_mode))
		return fail(state, "is no file");
	log_warning("%s is %s: it is made anew; which edge may know the outcome of an earlier "
		    "attempt is "
		    "forgotten",
		    state->path, status.st_size == 0 ? "missing or empty" : "damaged");
	if (ftruncate(state->fd, 0) < 0)
		return fail_errno(state);
	for (off_t at = 0; at < EDGE_STATE_BYTES; at += GROUP_BYTES)
		if (write_at(state, zeros, sizeof(zeros), at) < 0)
			return -1;
	return write_at(state, magic, sizeof(magic) - 1, 0);
}

static int open_file(struct edge_state *state, bool for_writing)
{
	int flags = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;

	state->fd =
		open(state->path, for_writing ? flags | O_RDWR | O_CREAT : flags | O_RDONLY, 0600);
	if (state->fd >= 0)
		return 0;
	if (!for_writing && errno == ENOENT)
		return 0;
	return fail_errno(state);
}

int edge_state_open(struct edge_state *state, const char *path, bool for_writing)
{
	*state = (struct edge_state){ .path = path, .fd = -1, .is_read_only = !for_writing };
	if (open_file(state, for_writing) < 0)
		return -1;
	if (state->fd < 0)
		return 0;
	lock(state, for_writing ? F_WRLCK : F_RDLCK);
	if (is_sound(state))
		return 0;
	if (for_writing)
		return state->is_locked ? make_anew(state) : fail(state, "cannot be locked");
	edge_state_close(state);
	return 0;
}

void edge_state_close(struct edge_state *state)
{
	if (state->fd >= 0)
		close(state->fd); /* and the lock is gone */
	state->fd = -1;
	state->is_locked = false;
}

static uint32_t first_slot(const uint8_t key[EDGE_STATE_KEY_BYTES])
{
	uint32_t group = ((uint32_t)key[0] << 8 | key[1]) % EDGE_STATE_GROUPS;

	return EDGE_STATE_HEADER_BYTES / EDGE_STATE_RECORD_BYTES + group * EDGE_STATE_GROUP_RECORDS;
}

static off_t offset_of(uint32_t slot)
{
	return (off_t)slot * EDGE_STATE_RECORD_BYTES;
}

static int write_entry(struct edge_state *state, const struct edge_state_entry *entry,
		       uint32_t slot)
{
	uint8_t bytes[EDGE_STATE_RECORD_BYTES];

	edge_state_record_write(bytes, entry, slot);
	return write_at(state, bytes, sizeof(bytes), offset_of(slot));
}

/* All entries of a key's group. Without the lock a record may be seen half written. */
static int read_group(struct edge_state *state, uint32_t slot,
		      struct edge_state_entry entries[EDGE_STATE_GROUP_RECORDS])
{
	const struct edge_state_entry nothing = { 0 };
	uint8_t bytes[GROUP_BYTES];
	size_t damaged = 0;

	if (!read_at(state, bytes, sizeof(bytes), offset_of(slot)))
		return fail(state, "cannot be read");
	for (uint32_t i = 0; i < EDGE_STATE_GROUP_RECORDS; i++) {
		if (edge_state_record_read(&entries[i], bytes + (size_t)i * EDGE_STATE_RECORD_BYTES,
					   slot + i) == EDGE_STATE_READ_OK)
			continue;
		damaged++;
		if (state->is_locked && !state->is_read_only &&
		    write_entry(state, &nothing, slot + i) < 0)
			return -1;
	}
	if (damaged > 0 && state->is_locked)
		log_warning("%s: %zu damaged records are ignored", state->path, damaged);
	return 0;
}

static bool is_outcome_of(const struct edge_state_entry *entry, const uint8_t *key,
			  const uint8_t *edge_id)
{
	return entry->kind == EDGE_STATE_OUTCOME &&
	       memcmp(entry->key, key, sizeof(entry->key)) == 0 &&
	       (edge_id == NULL || memcmp(entry->edge_id, edge_id, sizeof(entry->edge_id)) == 0);
}

static bool is_same_record(const struct edge_state_entry *a, const struct edge_state_entry *b)
{
	if (b->kind == EDGE_STATE_OUTCOME)
		return is_outcome_of(a, b->key, b->edge_id);
	return a->kind == b->kind && memcmp(a->key, b->key, sizeof(a->key)) == 0;
}

int edge_state_find(struct edge_state *state, const uint8_t key[EDGE_STATE_KEY_BYTES],
		    struct edge_state_entry found[EDGE_STATE_GROUP_RECORDS])
{
	struct edge_state_entry entries[EDGE_STATE_GROUP_RECORDS];
	int count = 0;

	if (state->fd < 0)
		return 0;
	if (read_group(state, first_slot(key), entries) < 0)
		return -1;
	for (size_t i = 0; i < EDGE_STATE_GROUP_RECORDS; i++)
		if (is_outcome_of(&entries[i], key, NULL))
			found[count++] = entries[i];
	return count;
}

/* Its group need not be sound as a whole, so that asking is cheap. */
void edge_state_find_health(struct edge_state *state, const uint8_t key[EDGE_STATE_KEY_BYTES],
			    struct edge_health *health)
{
	struct edge_state_entry wanted = { .kind = EDGE_STATE_HEALTH }, entry;
	uint8_t bytes[GROUP_BYTES];
	uint32_t slot = first_slot(key);

	memset(health, 0, sizeof(*health));
	memcpy(wanted.key, key, sizeof(wanted.key));
	if (state->fd < 0 || !read_at(state, bytes, sizeof(bytes), offset_of(slot)))
		return;
	for (uint32_t i = 0; i < EDGE_STATE_GROUP_RECORDS; i++) {
		const uint8_t *record = bytes + (size_t)i * EDGE_STATE_RECORD_BYTES;

		if (record[0] == EDGE_STATE_HEALTH &&
		    edge_state_record_read(&entry, record, slot + i) == EDGE_STATE_READ_OK &&
		    is_same_record(&entry, &wanted))
			*health = entry.health;
	}
}

/* When an edge was last tried, whatever came of it. */
static int64_t last_tried_ms(const struct edge_health *health)
{
	return health->failed_ms > health->answered_ms ? health->failed_ms : health->answered_ms;
}

/* Whose place is the next to be taken: the larger, the sooner. 0: never. */
static int64_t expendability(const struct edge_state_entry *entry, int64_t now_ms)
{
	int64_t age_ms = edge_state_age_ms(entry->since_ms, now_ms);

	if (entry->kind == EDGE_STATE_FREE)
		return INT64_MAX;
	if (entry->kind == EDGE_STATE_HEALTH)
		return edge_state_age_ms(last_tried_ms(&entry->health), now_ms) > EDGE_STATE_KEEP_MS
			       ? INT64_MAX - 1
			       : 0;
	if (entry->kind != EDGE_STATE_OUTCOME)
		return 0;
	if (age_ms > EDGE_STATE_KEEP_MS)
		age_ms = EDGE_STATE_KEEP_MS;
	return 1 + age_ms + (entry->is_answered ? EDGE_STATE_KEEP_MS : 0);
}

/* The place for an entry in its group; -1 when there is none. */
static int choose_place(const struct edge_state_entry entries[EDGE_STATE_GROUP_RECORDS],
			const struct edge_state_entry *entry, int64_t now_ms)
{
	int64_t best = 0, worth;
	int place = -1;

	for (int i = 0; i < EDGE_STATE_GROUP_RECORDS; i++) {
		if (is_same_record(&entries[i], entry))
			return i;
		worth = expendability(&entries[i], now_ms);
		if (worth > best) {
			best = worth;
			place = i;
		}
	}
	return place;
}

static int put_once(struct edge_state *state, const struct edge_state_entry *entry, int64_t now_ms,
		    struct edge_state_entry *evicted_out)
{
	struct edge_state_entry entries[EDGE_STATE_GROUP_RECORDS], *old;
	uint32_t slot = first_slot(entry->key);
	int place;

	if (read_group(state, slot, entries) < 0)
		return -1;
	place = choose_place(entries, entry, now_ms);
	if (place < 0)
		return fail(state, "no room for a record");
	old = &entries[place];
	if (old->kind == EDGE_STATE_OUTCOME && !old->is_answered &&
	    !is_same_record(old, entry) &&
	    edge_state_age_ms(old->since_ms, now_ms) < EDGE_STATE_KEEP_MS) {
		if (entry->kind != EDGE_STATE_OUTCOME)
			return fail(state, "no room for a record"); /* which nobody's mail needs */
		*evicted_out = *old;
	}
	return write_entry(state, entry, slot + (uint32_t)place);
}

static bool stands_there(struct edge_state *state, const struct edge_state_entry *entry)
{
	struct edge_state_entry entries[EDGE_STATE_GROUP_RECORDS];

	if (read_group(state, first_slot(entry->key), entries) < 0)
		return false;
	for (int i = 0; i < EDGE_STATE_GROUP_RECORDS; i++)
		if (is_same_record(&entries[i], entry))
			return true;
	return false;
}

int edge_state_put(struct edge_state *state, const struct edge_state_entry *entry, int64_t now_ms,
		   struct edge_state_entry *evicted_out)
{
	memset(evicted_out, 0, sizeof(*evicted_out));
	for (int attempt = 0; attempt < WRITE_ATTEMPTS; attempt++) {
		if (put_once(state, entry, now_ms, evicted_out) < 0)
			return -1;
		if (state->is_locked || stands_there(state, entry))
			return 0;
	}
	return fail(state, "cannot be locked, and others write at the same place");
}

int edge_state_remove(struct edge_state *state, const uint8_t key[EDGE_STATE_KEY_BYTES],
		      const uint8_t *edge_id)
{
	struct edge_state_entry entries[EDGE_STATE_GROUP_RECORDS];
	const struct edge_state_entry nothing = { 0 };
	uint32_t slot = first_slot(key);

	if (read_group(state, slot, entries) < 0)
		return -1;
	for (uint32_t i = 0; i < EDGE_STATE_GROUP_RECORDS; i++)
		if (is_outcome_of(&entries[i], key, edge_id) &&
		    write_entry(state, &nothing, slot + i) < 0)
			return -1;
	return 0;
}

/* The counters stand in the record's key, eight bytes each, big-endian. */
static uint64_t read_counters(struct edge_state *state, struct edge_state_entry *entry,
			      enum edge_state_counter counter)
{
	uint8_t bytes[EDGE_STATE_RECORD_BYTES];
	uint64_t number;

	memset(entry, 0, sizeof(*entry));
	if (state->fd >= 0 && read_at(state, bytes, sizeof(bytes), offset_of(COUNTERS_SLOT)))
		edge_state_record_read(entry, bytes, COUNTERS_SLOT);
	memcpy(&number, entry->key + counter * sizeof(number), sizeof(number));
	return be64toh(number);
}

void edge_state_count(struct edge_state *state, enum edge_state_counter counter)
{
	struct edge_state_entry entry;
	uint64_t number = htobe64(read_counters(state, &entry, counter) + 1);

	entry.kind = EDGE_STATE_COUNTERS;
	memcpy(entry.key + counter * sizeof(number), &number, sizeof(number));
	write_entry(state, &entry, COUNTERS_SLOT);
}

uint64_t edge_state_counted(struct edge_state *state, enum edge_state_counter counter)
{
	struct edge_state_entry entry;

	return read_counters(state, &entry, counter);
}
