/*
 * Each edge of the mail host's table, asked over a tunnel of its own: does it answer, what does its
 * clock say, and what does it find when it looks at itself (the question `check`)?
 */
#ifndef DOCTOR_EDGES_H
#define DOCTOR_EDGES_H

#include "doctor/finding.h"

/*
 * Adds findings whose subjects begin with the edge's name. Sixteen edges at the same time; those that do not answer cost half a
 * minute, one that ends its answers after the first two and a half. Needs to read the transport's key.
 */
void doctor_edges_check(struct finding_list *list, const char *conf_path);

#endif
