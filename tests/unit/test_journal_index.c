/*
 * Goal: the journal's index finds what was put into it and nothing else, gives every slot to one
 * name at a time, and forgets what is old; whatever comes in whatever order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "edge/journal_index.h"

/* A name with this number at its end, so that `bucket` decides where it falls. */
struct name {
	uint8_t bytes[JOURNAL_NAME_BYTES];
};

static struct name name_of(uint32_t bucket, unsigned number)
{
	struct name name = { 0 };

	memcpy(name.bytes, &bucket, sizeof(bucket));
	memcpy(name.bytes + JOURNAL_NAME_BYTES - sizeof(number), &number, sizeof(number));
	return name;
}

static void init(struct journal_index *index, uint32_t slots)
{
	assert_int_equal(journal_index_init(index, slots), 0);
	assert_int_equal(index->taken, 0);
}

static uint32_t find(const struct journal_index *index, struct name name)
{
	return journal_index_find(index, name.bytes);
}

static uint32_t take(struct journal_index *index, struct name name)
{
	return journal_index_take(index, name.bytes);
}

static void put(struct journal_index *index, uint32_t slot, struct name name, enum journal_state state,
		int64_t time_s)
{
	struct journal_record record = { .state = state, .time_s = time_s };

	memcpy(record.name, name.bytes, sizeof(record.name));
	journal_index_put(index, slot, &record);
}

/* ---- one thing at a time ---- */

static void test_take_and_find(void **state)
{
	struct journal_index index;

	(void)state;
	init(&index, 4);
	assert_int_equal(find(&index, name_of(1, 1)), JOURNAL_NO_SLOT);
	assert_int_equal(take(&index, name_of(1, 1)), 0);
	assert_int_equal(take(&index, name_of(2, 2)), 1);
	assert_int_equal(find(&index, name_of(1, 1)), 0);
	assert_int_equal(find(&index, name_of(2, 2)), 1);
	assert_int_equal(find(&index, name_of(1, 2)), JOURNAL_NO_SLOT);
	assert_true(index.entries[0].is_taken);
	assert_false(index.entries[0].is_held);
	assert_int_equal(index.entries[0].state, JOURNAL_FREE);
	assert_memory_equal(index.entries[0].name, name_of(1, 1).bytes, JOURNAL_NAME_BYTES);
	assert_int_equal(index.taken, 2);
	journal_index_wipe(&index);
}

/* Full at the last slot and not before; a slot that is given back is used again, clean. */
static void test_full_and_reuse(void **state)
{
	static const uint32_t sizes[] = { 1, 2, 3, 7, 8, 9, 128 };

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint32_t slots = sizes[i], middle = slots / 2;
		struct journal_index index;

		init(&index, slots);
		for (uint32_t slot = 0; slot < slots; slot++)
			assert_int_equal(take(&index, name_of(slot, slot)), slot);
		assert_int_equal(take(&index, name_of(0, 9999)), JOURNAL_NO_SLOT);
		assert_int_equal(find(&index, name_of(0, 9999)), JOURNAL_NO_SLOT);
		assert_int_equal(index.taken, slots);
		index.entries[middle].state = JOURNAL_RELAYED;
		index.entries[middle].time_s = 77;
		journal_index_give_back(&index, middle);
		assert_int_equal(index.taken, slots - 1);
		assert_int_equal(find(&index, name_of(middle, middle)), JOURNAL_NO_SLOT);
		assert_int_equal(take(&index, name_of(5, 8888)), middle);
		assert_int_equal(index.entries[middle].state, JOURNAL_FREE);
		assert_int_equal(index.entries[middle].time_s, 0);
		assert_int_equal(take(&index, name_of(0, 9999)), JOURNAL_NO_SLOT);
		for (uint32_t slot = 0; slot < slots; slot++)
			if (slot != middle)
				assert_int_equal(find(&index, name_of(slot, slot)), slot);
		journal_index_wipe(&index);
	}
}

/* All in one bucket; taken out at its ends and in its middle. */
static void test_colliding(void **state)
{
	static const uint32_t order[] = { 3, 0, 7, 4, 1, 6, 2, 5 };
	struct journal_index index;

	(void)state;
	init(&index, 8);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(take(&index, name_of(5 + 8 * i, i)), i);
	for (unsigned gone = 0; gone < 8; gone++) {
		for (unsigned i = gone; i < 8; i++)
			assert_int_equal(find(&index, name_of(5 + 8 * order[i], order[i])), order[i]);
		journal_index_give_back(&index, order[gone]);
		for (unsigned i = 0; i <= gone; i++)
			assert_int_equal(find(&index, name_of(5 + 8 * order[i], order[i])), JOURNAL_NO_SLOT);
	}
	assert_int_equal(index.taken, 0);
	/* the last that was given back comes first */
	for (unsigned i = 8; i-- > 0;)
		assert_int_equal(take(&index, name_of(5, 100 + i)), order[i]);
	journal_index_wipe(&index);
}

/* What a file holds, with gaps: those are free, as is what comes behind. */
static void test_put(void **state)
{
	struct journal_index index;
	bool is_seen[10] = { false };

	(void)state;
	init(&index, 10);
	put(&index, 2, name_of(1, 2), JOURNAL_RELAYED, 1000);
	put(&index, 3, name_of(1, 3), JOURNAL_DOT, 2000);
	put(&index, 7, name_of(1, 7), JOURNAL_FAILED, 3000);
	assert_int_equal(find(&index, name_of(1, 2)), 2);
	assert_int_equal(find(&index, name_of(1, 3)), 3);
	assert_int_equal(find(&index, name_of(1, 7)), 7);
	assert_int_equal(index.entries[3].state, JOURNAL_DOT);
	assert_int_equal(index.entries[3].time_s, 2000);
	assert_false(index.entries[3].is_held);
	for (unsigned i = 0; i < 7; i++) {
		uint32_t slot = take(&index, name_of(9, 100 + i));

		assert_true(slot < 10 && slot != 2 && slot != 3 && slot != 7 && !is_seen[slot]);
		is_seen[slot] = true;
	}
	assert_int_equal(take(&index, name_of(9, 200)), JOURNAL_NO_SLOT);
	journal_index_wipe(&index);
}

/* The first and the last slot; and one given back in between, as a name that stands twice is. */
static void test_put_at_the_ends(void **state)
{
	struct journal_index index;

	(void)state;
	init(&index, 4);
	put(&index, 0, name_of(1, 1), JOURNAL_DOT, 1000);
	journal_index_give_back(&index, 0);
	put(&index, 3, name_of(1, 1), JOURNAL_RELAYED, 2000);
	assert_int_equal(find(&index, name_of(1, 1)), 3);
	assert_int_equal(index.taken, 1);
	for (unsigned i = 0; i < 3; i++)
		assert_true(take(&index, name_of(1, 10 + i)) < 3);
	assert_int_equal(take(&index, name_of(1, 20)), JOURNAL_NO_SLOT);
	journal_index_wipe(&index);
}

static void test_expire(void **state)
{
	struct journal_index index;

	(void)state;
	init(&index, 8);
	for (unsigned i = 0; i < 6; i++)
		put(&index, i, name_of(i % 2, i), JOURNAL_RELAYED, 1000 + 10 * i);
	index.entries[1].is_held = true;
	assert_int_equal(journal_index_expire(&index, 1000), 0);
	assert_int_equal(journal_index_expire(&index, 1030), 2);
	assert_int_equal(find(&index, name_of(0, 0)), JOURNAL_NO_SLOT);
	assert_int_equal(find(&index, name_of(1, 1)), 1);
	assert_int_equal(find(&index, name_of(0, 2)), JOURNAL_NO_SLOT);
	assert_int_equal(find(&index, name_of(1, 3)), 3);
	assert_int_equal(index.taken, 4);
	index.entries[1].is_held = false;
	assert_int_equal(journal_index_expire(&index, 1030), 1);
	assert_int_equal(journal_index_expire(&index, INT64_MAX), 3);
	assert_int_equal(journal_index_expire(&index, INT64_MAX), 0);
	assert_int_equal(index.taken, 0);
	for (unsigned i = 0; i < 8; i++)
		assert_true(take(&index, name_of(3, i)) < 8);
	assert_int_equal(take(&index, name_of(3, 8)), JOURNAL_NO_SLOT);
	journal_index_wipe(&index);
}

/* ---- everything at once, against a model that cannot be wrong ---- */

#define SLOTS 23
#define NAMES 40
#define STEPS 200000

struct model {
	uint32_t slot_of[NAMES];	/* or JOURNAL_NO_SLOT */
	int64_t time_s[NAMES];
	bool is_held[NAMES];
	uint32_t taken;
};

/* Few buckets, so that they collide. */
static struct name model_name(unsigned number)
{
	return name_of(number % 5, number);
}

static void model_forget(struct model *model, unsigned number)
{
	model->slot_of[number] = JOURNAL_NO_SLOT;
	model->taken--;
}

static void check_model(const struct journal_index *index, const struct model *model)
{
	bool is_seen[SLOTS] = { false };

	assert_int_equal(index->taken, model->taken);
	for (unsigned i = 0; i < NAMES; i++) {
		uint32_t slot = model->slot_of[i];

		assert_int_equal(find(index, model_name(i)), slot);
		if (slot == JOURNAL_NO_SLOT)
			continue;
		assert_true(slot < SLOTS && !is_seen[slot]);
		is_seen[slot] = true;
		assert_int_equal(index->entries[slot].time_s, model->time_s[i]);
		assert_int_equal(index->entries[slot].is_held, model->is_held[i]);
	}
}

static void take_by_model(struct journal_index *index, struct model *model, unsigned number)
{
	uint32_t slot = take(index, model_name(number));

	if (model->taken == SLOTS) {
		assert_int_equal(slot, JOURNAL_NO_SLOT);
		return;
	}
	assert_true(slot < SLOTS);
	model->slot_of[number] = slot;
	model->taken++;
	model->time_s[number] = index->entries[slot].time_s = random() % 1000;
	model->is_held[number] = index->entries[slot].is_held = random() % 4 == 0;
}

static void expire_by_model(struct journal_index *index, struct model *model)
{
	int64_t before_s = random() % 1000;
	uint32_t count = 0;

	for (unsigned i = 0; i < NAMES; i++)
		if (model->slot_of[i] != JOURNAL_NO_SLOT && !model->is_held[i] && model->time_s[i] < before_s) {
			model_forget(model, i);
			count++;
		}
	assert_int_equal(journal_index_expire(index, before_s), count);
}

/* As from a file, with gaps. */
static void put_by_model(struct journal_index *index, struct model *model)
{
	unsigned number = 0;

	for (unsigned i = 0; i < NAMES; i++)
		model->slot_of[i] = JOURNAL_NO_SLOT;
	for (uint32_t slot = 0; slot < SLOTS; slot++) {
		if (random() % 2 == 0)
			continue;
		model->slot_of[number] = slot;
		model->time_s[number] = random() % 1000;
		put(index, slot, model_name(number), JOURNAL_RELAYED, model->time_s[number]);
		model->taken++;
		number++;
	}
}

static void test_random_sequence(void **state)
{
	struct model model = { .taken = 0 };
	struct journal_index index;

	(void)state;
	srandom(20261121);
	init(&index, SLOTS);
	put_by_model(&index, &model);
	for (unsigned step = 0; step < STEPS; step++) {
		unsigned number = (unsigned)random() % NAMES;

		if (random() % 100 == 0) {
			expire_by_model(&index, &model);
		} else if (model.slot_of[number] == JOURNAL_NO_SLOT) {
			take_by_model(&index, &model, number);
		} else if (random() % 3 != 0) {
			journal_index_give_back(&index, model.slot_of[number]);
			model_forget(&model, number);
		}
		if (step % 10 == 0)
			check_model(&index, &model);
	}
	journal_index_wipe(&index);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_take_and_find),
		cmocka_unit_test(test_full_and_reuse),
		cmocka_unit_test(test_colliding),
		cmocka_unit_test(test_put),
		cmocka_unit_test(test_put_at_the_ends),
		cmocka_unit_test(test_expire),
		cmocka_unit_test(test_random_sequence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
