/*
 * One day of TLS statistics, in memory and on disk. A disk that is full, read-only or not there
 * costs statistics, never mail: it is told once, tried again with every write, and told when it
 * works again.
 */
#include "tlsrpt_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/tlsrpt_file.h"
#include "lib/tlsrpt_record.h"

#define ERROR_MAX (PATH_MAX + 200)

static void day_path(const struct tlsrpt_store *store, char path[PATH_MAX])
{
	char date[TLSRPT_DATE_SIZE];

	snprintf(path, PATH_MAX, "%s/%s", store->directory,
		 tlsrpt_date_print(store->day.number, date));
}

static void write_day(struct tlsrpt_store *store)
{
	char path[PATH_MAX], error[ERROR_MAX];

	day_path(store, path);
	/* The directory may have been made, mounted or repaired meanwhile. */
	mkdir(store->directory, 0750);
	if (tlsrpt_file_write(&store->day, path, error, sizeof(error)) == 0) {
		store->write_at_ms = INT64_MAX;
		if (store->is_failing)
			log_info("TLS statistics are written again: %s", path);
		store->is_failing = false;
		return;
	}
	store->write_at_ms = deadline_now_ms() + TLSRPT_WRITE_MS;
	if (!store->is_failing)
		log_warning(
			"TLS statistics are not written, and lost if that lasts until the end of "
			"the day: %s",
			error);
	store->is_failing = true;
}

static void log_complaint(void *context, const char *message)
{
	(void)context;
	log_warning("%s", message);
}

static void read_day(struct tlsrpt_store *store)
{
	char path[PATH_MAX], error[ERROR_MAX] = "";
	struct tlsrpt_reading reading;
	struct stat status;
	FILE *in = NULL;
	int fd;

	day_path(store, path);
	/* A FIFO must not stop us. */
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && (errno == ENOENT || store->is_failing))
		return;
	if (fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode))
		in = fdopen(fd, "r");
	if (in == NULL)
		log_warning("%s: cannot be read (%s): the day's TLS statistics begin anew", path,
			    fd < 0 ? strerror(errno) : "not a regular file");
	else if (tlsrpt_file_read(&store->day, in, path, log_complaint, NULL, &reading, error,
				  sizeof(error)) != 0)
		log_warning("%s", error);
	if (in != NULL)
		fclose(in);
	else if (fd >= 0)
		close(fd);
}

/* Is this a file of ours, of a day that long ago? Also one whose writer was killed. */
static bool is_old(const char *name, long today)
{
	char date[TLSRPT_DATE_SIZE];
	long number;

	snprintf(date, sizeof(date), "%.10s", name);
	return tlsrpt_date_parse(date, &number) == 0 && number < today - TLSRPT_KEEP_DAYS &&
	       (name[strlen(date)] == '\0' ||
		strcmp(name + strlen(date), TLSRPT_TEMPORARY_SUFFIX) == 0);
}

static void remove_old(const struct tlsrpt_store *store)
{
	DIR *directory = opendir(store->directory);
	struct dirent *entry;

	if (directory == NULL)
		return;
	while ((entry = readdir(directory)) != NULL)
		if (is_old(entry->d_name, store->day.number) &&
		    unlinkat(dirfd(directory), entry->d_name, 0) != 0)
			log_warning("%s/%s: cannot be removed: %m", store->directory,
				    entry->d_name);
	closedir(directory);
}

static void forget_silent(struct tlsrpt_store *store)
{
	for (size_t i = 0; i < store->silent_count; i++)
		free(store->silent[i].name);
	store->silent_count = 0;
}

static void begin_day(struct tlsrpt_store *store, long day)
{
	tlsrpt_day_wipe(&store->day);
	tlsrpt_day_init(&store->day, day);
	forget_silent(store);
	store->has_told_merged = false;
	store->write_at_ms = INT64_MAX;
	read_day(store);
	remove_old(store);
}

/* A clock that is set back leads back to the file of the day before, too. */
static void change_day(struct tlsrpt_store *store, long day)
{
	if (day == store->day.number)
		return;
	if (store->write_at_ms != INT64_MAX)
		write_day(store);
	begin_day(store, day);
}

int tlsrpt_store_init(struct tlsrpt_store *store, const char *directory, long day)
{
	*store = (struct tlsrpt_store){ .directory = strdup(directory) };
	store->silent = calloc(TLSRPT_SILENT_MAX, sizeof(*store->silent));
	tlsrpt_day_init(&store->day, day);
	if (store->directory == NULL || store->silent == NULL) {
		free(store->directory);
		free(store->silent);
		return -1;
	}
	mkdir(directory, 0750);
	if (access(directory, W_OK | X_OK) != 0) {
		log_warning(
			"%s: %m: TLS statistics are not written, and lost if that lasts until the "
			"end of the day",
			directory);
		store->is_failing = true;
	}
	begin_day(store, day);
	return 0;
}

static bool is_silent(const struct tlsrpt_store *store, const char *domain)
{
	uint64_t hash = tlsrpt_hash(domain);

	for (size_t i = 0; i < store->silent_count; i++)
		if (store->silent[i].hash == hash && strcmp(store->silent[i].name, domain) == 0)
			return store->silent[i].until_ms > deadline_now_ms();
	return false;
}

static void add_silent(struct tlsrpt_store *store, const char *domain, int64_t until_ms)
{
	uint64_t hash = tlsrpt_hash(domain);
	struct tlsrpt_silent *fresh;
	char *name;

	for (size_t i = 0; i < store->silent_count; i++)
		if (store->silent[i].hash == hash && strcmp(store->silent[i].name, domain) == 0) {
			store->silent[i].until_ms = until_ms;
			return;
		}
	if (store->silent_count == TLSRPT_SILENT_MAX)
		forget_silent(store);
	name = strdup(domain);
	if (name == NULL)
		return;
	fresh = &store->silent[store->silent_count++];
	*fresh = (struct tlsrpt_silent){ .hash = hash, .name = name, .until_ms = until_ms };
}

enum asking { ASKS, ASKS_NOT, ASKS_TOO_MUCH };

static enum asking look_up(struct tlsrpt_store *store, struct dns_resolver *resolver,
			   struct deadline deadline, const char *domain)
{
	char name[sizeof("_smtp._tls.") + SMTP_DOMAIN_MAX], rua[TLSRPT_RUA_MAX + 1], reason[100];
	enum asking result = ASKS_NOT;
	struct dns_answer answer;

	snprintf(name, sizeof(name), "_smtp._tls.%s", domain);
	dns_lookup(resolver, name, DNS_TYPE_TXT, deadline, &answer);
	if (answer.result == DNS_ERROR) {
		add_silent(store, domain, deadline_now_ms() + TLSRPT_RETRY_MS);
	} else if (!tlsrpt_record_parse(answer.txt, answer.count, rua, reason, sizeof(reason))) {
		if (answer.count > 0)
			log_debug("%s: no TLS reports: %s", name, reason);
		add_silent(store, domain, INT64_MAX);
	} else {
		result =
			tlsrpt_day_add_domain(&store->day, domain, rua) == 0 ? ASKS : ASKS_TOO_MUCH;
	}
	if (result == ASKS_TOO_MUCH)
		add_silent(store, domain, INT64_MAX);
	dns_answer_wipe(&answer);
	return result;
}

static enum asking ask(struct tlsrpt_store *store, struct dns_resolver *resolver,
		       struct deadline deadline, const char *domain)
{
	if (tlsrpt_day_find(&store->day, domain) != NULL)
		return ASKS;
	if (is_silent(store, domain))
		return ASKS_NOT;
	return look_up(store, resolver, deadline, domain);
}

static void tell_merged(struct tlsrpt_store *store)
{
	if (!store->has_told_merged)
		log_warning(
			"TLS statistics: more than %d different rows today; further failures are "
			"counted without hosts",
			TLSRPT_ROWS_MAX);
	store->has_told_merged = true;
}

bool tlsrpt_store_take(struct tlsrpt_store *store, struct dns_resolver *resolver,
		       struct deadline deadline, struct tlsrpt_row *row, long day)
{
	enum tlsrpt_counted counted;
	enum asking asking;

	change_day(store, day);
	asking = ask(store, resolver, deadline, row->text[TLSRPT_TEXT_DOMAIN]);
	if (asking != ASKS) {
		free(row);
		return asking == ASKS_NOT;
	}
	counted = tlsrpt_day_count(&store->day, row);
	if (counted == TLSRPT_MERGED)
		tell_merged(store);
	if (counted != TLSRPT_LOST && store->write_at_ms == INT64_MAX)
		store->write_at_ms = deadline_now_ms() + TLSRPT_WRITE_MS;
	return counted != TLSRPT_LOST;
}

void tlsrpt_store_tend(struct tlsrpt_store *store, long day, int64_t now_ms)
{
	if (day != store->day.number)
		change_day(store, day);
	else if (now_ms >= store->write_at_ms)
		write_day(store);
}

void tlsrpt_store_wipe(struct tlsrpt_store *store)
{
	if (store->write_at_ms != INT64_MAX)
		write_day(store);
	forget_silent(store);
	tlsrpt_day_wipe(&store->day);
	free(store->silent);
	free(store->directory);
}
