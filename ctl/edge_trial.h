/* Does every edge let this mail host in, with a key that is not in use yet? */
#ifndef EDGE_TRIAL_H
#define EDGE_TRIAL_H

/*
 * Shakes hands with each edge of the table but those that are disabled, and says of each what came
 * of it. EX_OK if all did, or an exit code of sysexits(3).
 */
int edge_trial_all(const char *table_path, const char *key_path);

#endif
