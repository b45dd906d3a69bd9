/* In the place of libsodium's chance: whatever is drawn is always the same, so that an input is, too. */
#ifndef NO_CHANCE_H
#define NO_CHANCE_H

#include <sodium.h>
#include <stdint.h>
#include <string.h>

static inline const char *chance_name(void)
{
	return "fuzz";
}

static inline uint32_t chance_word(void)
{
	return 4;
}

static inline void chance_bytes(void *const bytes, const size_t length)
{
	memset(bytes, 0x5a, length);
}

static struct randombytes_implementation no_chance = {
	.implementation_name = chance_name,
	.random = chance_word,
	.buf = chance_bytes,
};

/* Before anything else of libsodium. 0, or -1. */
static inline int no_chance_begin(void)
{
	return randombytes_set_implementation(&no_chance) == 0 && sodium_init() >= 0 ? 0 : -1;
}

#endif
