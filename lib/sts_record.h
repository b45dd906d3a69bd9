/* The TXT record at _mta-sts.DOMAIN that announces an MTA-STS policy (RFC 8461 3.1). Pure functions. */
#ifndef STS_RECORD_H
#define STS_RECORD_H

#include <stdbool.h>
#include <stddef.h>

#define STS_ID_MAX 32

/*
 * The id out of the TXT records at _mta-sts.DOMAIN: exactly one record may begin with "v=STSv1;".
 * false: no policy is announced, `reason` says why, as a clause ("no record begins with v=STSv1;",
 * "the record has no id"), and id is "".
 */
bool sts_record_parse(char *const *txt, size_t count, char id[STS_ID_MAX + 1], char *reason,
		      size_t reason_size);
/* 1 to 32 letters and digits. */
bool sts_id_is_valid(const char *id, size_t length);
/* A key of the record or of the policy: (ALPHA / DIGIT) *31(ALPHA / DIGIT / "_" / "-" / "."). */
bool sts_name_is_valid(const char *name, size_t length);

#endif
