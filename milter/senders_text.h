/*
 * `senders` as a postmap-style text file, read again when it changes.
 *
 * A line with a mistake spoils its own key only: whoever has it gets SENDERS_BAD_LINE. A key that
 * cannot be read has nobody, so its line is skipped. Two lines for one key: if they say the same,
 * the second is only complained about, as postmap(1) does; if not, nobody knows which of them was
 * meant, and the key is spoilt.
 */
#ifndef SENDERS_TEXT_H
#define SENDERS_TEXT_H

#include "senders.h"
#include "senders_key.h"

struct senders_text;

/* NULL with error if the file cannot be read. Mistakes in lines are logged. */
struct senders_text *senders_text_create(const char *path, const char *delimiter, char *error, size_t error_size);
void senders_text_destroy(struct senders_text *text);

/*
 * Thread-safe; looks whether the file has changed, at most once a second. A network's *key becomes
 * the longest one that has a line. Fills in entry->list and entry->where; never SENDERS_TROUBLE.
 */
enum senders_result senders_text_find(struct senders_text *text, struct senders_key *key, struct senders_entry *entry,
				      char *error, size_t error_size);
size_t senders_text_check(struct senders_text *text, senders_tell_fn *tell, void *context);
void senders_text_log_mistakes(struct senders_text *text);
size_t senders_text_count(struct senders_text *text);

#endif
