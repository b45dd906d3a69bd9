/* tag=value lists, as DKIM key records and DMARC records are (RFC 6376 3.2). Pure. */
#ifndef TAG_LIST_H
#define TAG_LIST_H

#include <stddef.h>

#define TAG_LIST_MAX 40

struct tag_list {
	struct {
		const char *name, *value; /* without the white space around them */
	} tags[TAG_LIST_MAX];
	size_t count;
	char *text; /* what they point into */
};

/*
 *	tag-list = tag-spec *( ";" tag-spec ) [ ";" ]
 *	tag-spec = [FWS] tag-name [FWS] "=" [FWS] tag-value [FWS]
 *
 * 0, or -1 with the reason, which quotes what is no tag; also for the second tag of a name, and
 * more than TAG_LIST_MAX.
 */
int tag_list_parse(struct tag_list *list, const char *text, char *error, size_t error_size);
/* NULL: there is no such tag. */
const char *tag_list_find(const struct tag_list *list, const char *name);
void tag_list_wipe(struct tag_list *list);

#endif
