/*
 * However the input is cut, the scanner finds the same end and makes the same content; the content has no bare CR or LF and no
 * second end of data, byte for byte by a check that knows nothing of states; and the verifier agrees. First byte: where to cut.
 *
 * feeds: content with dots, in pieces
 * covers: lib/dot_stuffing.c
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/dot_stuffing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
	char *content;
	size_t made, used;
	uint64_t strays;
	bool found;
};

static void expect(int condition)
{
	if (!condition)
		abort();
}

/* Scans in chunks of `step` bytes; each chunk's output has exactly the room that the header asks for. */
static struct outcome scan(const char *in, size_t length, size_t step)
{
	struct outcome outcome = { .content = malloc(length + 4) };
	struct dot_scanner scanner;

	dot_scanner_init(&scanner);
	expect(outcome.content != NULL);
	while (!outcome.found && outcome.used < length) {
		size_t chunk = length - outcome.used < step ? length - outcome.used : step, used, made;
		char *out = malloc(chunk + 4);

		expect(out != NULL);
		outcome.found = dot_scanner_scan(&scanner, in + outcome.used, chunk, &used, out, &made);
		expect(made <= chunk + 4 && (outcome.found || used == chunk));
		memcpy(outcome.content + outcome.made, out, made);
		outcome.made += made;
		outcome.used += used;
		free(out);
	}
	outcome.strays = scanner.strays;
	return outcome;
}

/* Does `content`, between two line ends, hold nothing that anybody could take for the end of data? */
static bool is_sound(const char *content, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (content[i] == '\n' && (i == 0 || content[i - 1] != '\r'))
			return false;
		if (content[i] == '\r' && (i + 1 == length || content[i + 1] != '\n'))
			return false;
		if (content[i] == '.' && (i == 0 || content[i - 1] == '\n') && (i + 1 == length || content[i + 1] == '\r'))
			return false;
	}
	return length == 0 || content[length - 1] == '\n';
}

static bool verify(const char *content, size_t length, size_t step)
{
	struct dot_verifier verifier;

	dot_verifier_init(&verifier);
	for (size_t at = 0; at < length; at += step)
		dot_verifier_feed(&verifier, content + at, length - at < step ? length - at : step);
	return dot_verifier_finish(&verifier);
}

/* Where the end of data is, found the slow way: the first line that is "." alone, between real line ends. */
static size_t end_of_data(const char *in, size_t length)
{
	for (size_t i = 0; i + 3 <= length; i++)
		if (memcmp(in + i, ".\r\n", 3) == 0 && (i == 0 || (i >= 2 && memcmp(in + i - 2, "\r\n", 2) == 0)))
			return i + 3;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *in = (const char *)data + 1;
	struct outcome whole, cut;
	size_t length = size - 1, end;

	if (size < 2)
		return 0;
	end = end_of_data(in, length);
	whole = scan(in, length, length);
	cut = scan(in, length, data[0] % 16 + 1u);
	expect(whole.found == (end > 0) && whole.used == (end > 0 ? end : length));
	expect(whole.found == cut.found && whole.used == cut.used && whole.made == cut.made && whole.strays == cut.strays);
	expect(memcmp(whole.content, cut.content, whole.made) == 0);
	if (whole.found) {
		expect(is_sound(whole.content, whole.made) && verify(whole.content, whole.made, data[0] % 16 + 1u));
		expect(whole.made + 3 == whole.used);
		expect((whole.strays == 0) == (memcmp(whole.content, in, whole.made) == 0));
	}
	expect(verify(in, length, length) == is_sound(in, length) && verify(in, length, 3) == is_sound(in, length));
	free(whole.content);
	free(cut.content);
	return 0;
}
