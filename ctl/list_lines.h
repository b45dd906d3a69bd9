/*
 * Editing the text of a table (allow-list, edges), pure: lines that are not meant stay as they are,
 * byte for byte, comments too.
 */
#ifndef LIST_LINES_H
#define LIST_LINES_H

#include <stdbool.h>
#include <stddef.h>

/*
 * A line may be appended only if every word of it is clean: printable, no white space, no quotes,
 * no backslash. The first may not begin with "#".
 */
bool list_lines_word_is_clean(const char *word);

/*
 * The text with one more line at its end ("word word word"). *line_out: its number. Heap, to be
 * freed; NULL without memory.
 */
char *list_lines_append(const char *text, size_t length, char *const *words, size_t word_count,
			  size_t *length_out, size_t *line_out);

/*
 * The text without those logical lines (table.h) whose first physical line's number `is_removed`
 * says to take out; comments and empty lines between their parts stay. Heap, to be freed; NULL
 * without memory.
 */
char *list_lines_remove(const char *text, size_t length,
			  bool (*is_removed)(const void *context, size_t line), const void *context,
			  size_t *length_out);

/*
 * The text with words of the logical line whose first physical line is `line` exchanged: those equal
 * to one of `removed` (ended by NULL; "option=" means it with any value) go, with the white space
 * before them, and `added` comes behind its last word; NULL: none. Physical lines keep their numbers. Words are those of table_split(). Heap, to be freed; NULL without
 * memory.
 */
char *list_lines_exchange(const char *text, size_t length, size_t line, const char *const *removed,
			  const char *added, size_t *length_out);

#endif
