/*
 * Every id that a finding can have, in the order of the manual postern-doctor(1), which has a
 * paragraph on each; a test holds the two against one another.
 */
#ifndef FINDING_ID_H
#define FINDING_ID_H

#include <stddef.h>

struct finding_id {
	const char *id;	   /* "edge-ptr" */
	const char *group; /* one of finding_groups */
	const char *means; /* one line */
};

struct finding_group {
	const char *group; /* "edge" */
	const char *title; /* above its findings in a report */
};

extern const struct finding_id finding_ids[];
extern const size_t finding_id_count;
extern const struct finding_group finding_groups[];
extern const size_t finding_group_count;

/* NULL: there is no such id. */
const struct finding_id *finding_id_find(const char *id);
/* NULL: there is no such group. */
const struct finding_group *finding_group_find(const char *group);

#endif
