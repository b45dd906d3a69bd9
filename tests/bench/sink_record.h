/*
 * What arrived: messages are known by the number in their X-Bench field ("X-Bench: NUMBER SENT-US", times in microseconds of
 * CLOCK_MONOTONIC, which all hosts of the lab share). One thread.
 */
#ifndef SINK_RECORD_H
#define SINK_RECORD_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct sink_message {
	uint32_t number;	/* 0: it had no field */
	char kind;		/* the recipient's domain is KIND and digits, then a dot: "d017.bench.example" */
	uint16_t domain;	/* those digits */
	int64_t sent_us, arrived_us;
};

struct sink_record {
	struct sink_message *messages;
	size_t count, capacity;
	uint8_t *seen;		/* a bit per number */
	size_t seen_size;
	unsigned long duplicates, unnamed;
};

int64_t sink_now_us(void);
/* Ends the process when memory is out. */
void sink_record_add(struct sink_record *record, const struct sink_message *message);
/* Forgets all. */
void sink_record_reset(struct sink_record *record);
/* One line each: number, kind, domain, sent, arrived. */
void sink_record_print(const struct sink_record *record, FILE *out);

#endif
