/* Messages in the order of their arrival, and which numbers came before. */
#include "sink_record.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int64_t sink_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void *larger(void *memory, size_t size)
{
	void *fresh = realloc(memory, size);

	if (fresh == NULL) {
		fputs("sink: no memory\n", stderr);
		exit(1);
	}
	return fresh;
}

/* Was it there before? */
static int mark(struct sink_record *record, uint32_t number)
{
	size_t byte = number / 8;
	uint8_t bit = (uint8_t)(1 << number % 8);

	if (byte >= record->seen_size) {
		size_t size = (byte + 1) * 2;

		record->seen = larger(record->seen, size);
		memset(record->seen + record->seen_size, 0, size - record->seen_size);
		record->seen_size = size;
	}
	if (record->seen[byte] & bit)
		return 1;
	record->seen[byte] |= bit;
	return 0;
}

void sink_record_add(struct sink_record *record, const struct sink_message *message)
{
	if (record->count == record->capacity) {
		record->capacity = record->capacity > 0 ? 2 * record->capacity : 4096;
		record->messages = larger(record->messages, record->capacity * sizeof(*record->messages));
	}
	record->messages[record->count++] = *message;
	if (message->number == 0)
		record->unnamed++;
	else if (mark(record, message->number))
		record->duplicates++;
}

void sink_record_reset(struct sink_record *record)
{
	free(record->messages);
	free(record->seen);
	*record = (struct sink_record){ 0 };
}

void sink_record_print(const struct sink_record *record, FILE *out)
{
	for (size_t i = 0; i < record->count; i++) {
		const struct sink_message *message = &record->messages[i];

		fprintf(out, "%" PRIu32 " %c %u %" PRId64 " %" PRId64 "\n", message->number, message->kind != '\0' ? message->kind : '-',
			message->domain, message->sent_us, message->arrived_us);
	}
}
