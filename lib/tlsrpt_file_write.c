/* Writes a day's file (tlsrpt_file.h): temporary file, fsync, rename, fsync of the directory. */
#include "tlsrpt_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "durable_file.h"

static void put_field(FILE *out, const char *text)
{
	putc('\t', out);
	for (; *text != '\0'; text++)
		if (*text == '%' || *text < ' ' || *text > '~')
			fprintf(out, "%%%02X", (unsigned char)*text);
		else
			putc(*text, out);
}

static void put_row(FILE *out, const struct tlsrpt_row *row)
{
	fprintf(out, "sessions\t%llu\t%s\t%s", (unsigned long long)row->sessions,
		tlsrpt_policy_name(row->policy), tlsrpt_result_name(row->result));
	for (int i = 0; i < TLSRPT_TEXTS; i++)
		put_field(out, row->text[i]);
	putc('\n', out);
}

static void put_day(FILE *out, const struct tlsrpt_day *day)
{
	char date[TLSRPT_DATE_SIZE];

	fprintf(out, "postern-tlsrpt\t1\t%s\n", tlsrpt_date_print(day->number, date));
	for (size_t i = 0; i < day->domain_count; i++) {
		fprintf(out, "domain\t%s", day->domains[i].name);
		put_field(out, day->domains[i].rua);
		putc('\n', out);
	}
	for (size_t i = 0; i < day->row_count; i++)
		put_row(out, day->rows[i]);
	fprintf(out, "end\t%zu\n", 2 + day->domain_count + day->row_count);
}

/* 0, or -1 with errno. */
static int write_temporary(const struct tlsrpt_day *day, const char *temporary)
{
	int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0640);
	FILE *out = fd >= 0 ? fdopen(fd, "w") : NULL;
	int failed = 0;

	if (out == NULL) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	put_day(out, day);
	if (fflush(out) != 0 || ferror(out) || fchmod(fd, 0640) != 0 || fsync(fd) != 0)
		failed = errno != 0 ? errno : EIO;
	if (fclose(out) != 0 && failed == 0)
		failed = errno;
	errno = failed;
	return failed == 0 ? 0 : -1;
}

int tlsrpt_file_write(const struct tlsrpt_day *day, const char *path, char *error,
		      size_t error_size)
{
	char temporary[PATH_MAX];

	if (snprintf(temporary, sizeof(temporary), "%s" TLSRPT_TEMPORARY_SUFFIX, path) >=
	    (int)sizeof(temporary)) {
		snprintf(error, error_size, "%s: the name is too long", path);
		return -1;
	}
	if (write_temporary(day, temporary) == 0 && rename(temporary, path) == 0) {
		durable_file_sync_directory(path);
		return 0;
	}
	snprintf(error, error_size, "%s: %s", temporary, strerror(errno));
	unlink(temporary);
	return -1;
}
