/*
 * See host_check.h: what all checks share, and those of the machine itself: ports, disk, allow-list.
 * Subject and seen, with ": " between, make a sentence in the words of the setting or the path that
 * it is about. A warning is what mail flows in spite of.
 */
#include "host_check.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "client_map.h"
#include "journal_file.h"
#include "lib/endpoint.h"
#include "lib/socketmap.h"
#include "tunnel/tunnel_limits.h"

#define LOOKUP_MS 5000
/* So many before the first answer: there will be none. */
#define SILENCES_MAX 2

/* ---- what all share ---- */

/* Whoever looks after the machine must do something about what is unknown, too. At once: the next may take a while. */
static void print(const struct finding *finding)
{
	static const char *const words[FINDING_RESULTS] = { "good", "wrong", "warning", "wrong" };
	const char *mend = finding->mend;

	printf("%s: %s: %s", words[finding->result], finding->subject, finding->seen);
	while (finding->result != FINDING_OK && *mend != '\0') {
		size_t length = strcspn(mend, "\n");

		printf("; %.*s", (int)length, mend);
		mend += length + (mend[length] == '\n');
	}
	putchar('\n');
	fflush(stdout);
}

void host_check_add(struct host_check *check, const char *id, const char *subject, enum finding_result result,
		    const char *mend, const char *seen_format, ...)
{
	char seen[FINDING_TEXT_MAX];
	struct finding *finding;
	va_list arguments;

	va_start(arguments, seen_format);
	vsnprintf(seen, sizeof(seen), seen_format, arguments);
	va_end(arguments);
	finding = finding_add(check->list, id, subject, result, "%s", seen);
	finding_mend(finding, "%s", mend);
	if (check->is_printed && finding != NULL)
		print(finding);
}

bool host_check_is_cut_off(const struct host_check *check)
{
	return !check->has_answer && check->silences >= SILENCES_MAX;
}

void host_check_lookup(struct host_check *check, const char *name, enum dns_type type, struct dns_answer *answer)
{
	memset(answer, 0, sizeof(*answer));
	answer->result = DNS_ERROR;
	answer->failure = DNS_FAILURE_TIMEOUT;
	snprintf(answer->error, sizeof(answer->error), "not asked, as no resolver answers");
	for (int i = 0; i < 2 && !host_check_is_cut_off(check); i++) {
		dns_answer_wipe(answer);
		dns_lookup(check->setup->resolver, name, type,
			   deadline_earlier(check->deadline, deadline_in_ms(LOOKUP_MS)), answer);
		check->silences += answer->failure == DNS_FAILURE_TIMEOUT;
		check->has_answer |= answer->failure != DNS_FAILURE_TIMEOUT && answer->failure != DNS_FAILURE_OTHER;
		if (answer->result != DNS_ERROR || answer->failure == DNS_FAILURE_SERVFAIL)
			return;
	}
}

/* ---- the port ---- */

static void check_port(struct host_check *check, const char *listen)
{
	char journal[PATH_MAX], subject[ENDPOINT_TEXT_MAX + 20], error[512];
	struct endpoint endpoint;

	snprintf(subject, sizeof(subject), "listen \"%s\"", listen);
	snprintf(journal, sizeof(journal), "%s/journal", check->setup->conf.state_directory);
	if (endpoint_parse(&endpoint, listen, TUNNEL_DEFAULT_PORT, error, sizeof(error)) == 0 &&
	    endpoint_try_listen(&endpoint, error, sizeof(error)) == 0)
		host_check_add(check, "edge-port", subject, FINDING_OK, "", "free");
	else if (journal_file_is_used(journal))
		host_check_add(check, "edge-port", subject, FINDING_OK, "", "in use, and a postern-edge is running");
	else
		host_check_add(check, "edge-port", subject, FINDING_FAIL, "find who has it: ss -ltnp", "%s", error);
}

void host_check_ports(struct host_check *check)
{
	for (size_t i = 0; i < check->setup->conf.listen.count; i++)
		check_port(check, check->setup->conf.listen.items[i]);
}

/* ---- the disk ---- */

/* Of the space that the journal will take at start, how much is not its own yet? -1: it cannot be written. */
static int64_t journal_lacks(const char *path, int64_t size)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	struct stat status;
	int64_t has = -1;

	if (fd < 0)
		return errno == ENOENT ? size : -1;
	if (fstat(fd, &status) == 0)
		has = (int64_t)status.st_blocks * 512;
	close(fd);
	return has < 0 ? -1 : has < size ? size - has : 0;
}

static void tell_unwritable(struct host_check *check, const char *subject, const char *path, int reason)
{
	const struct edge_conf *conf = &check->setup->conf;
	char mend[PATH_MAX * 2 + 200];

	snprintf(mend, sizeof(mend), "install -d -o %1$s -m 700 %2$s && chown -R %1$s: %2$s", conf->user,
		 conf->state_directory);
	host_check_add(check, "edge-disk", subject, FINDING_FAIL, mend, "%s: %s", path, strerror(reason));
}

void host_check_disk(struct host_check *check)
{
	const struct edge_conf *conf = &check->setup->conf;
	char subject[PATH_MAX + 20], path[PATH_MAX], place[PATH_MAX];
	const char *directory = conf->state_directory;
	struct statvfs disk;
	int64_t lacks, left;

	snprintf(subject, sizeof(subject), "state_directory %s", directory);
	snprintf(place, sizeof(place), "%s", directory);
	/* The edge makes it at its first start, if it may. */
	if (access(place, F_OK) != 0 && errno == ENOENT)
		directory = dirname(place);
	if (access(directory, W_OK | X_OK) != 0 || statvfs(directory, &disk) != 0) {
		tell_unwritable(check, subject, directory, errno);
		return;
	}
	snprintf(path, sizeof(path), "%s/journal", conf->state_directory);
	lacks = journal_lacks(path, conf->journal_size);
	left = (int64_t)disk.f_bavail * (int64_t)disk.f_frsize;
	if (lacks < 0)
		tell_unwritable(check, subject, path, errno);
	else if (left < lacks)
		host_check_add(check, "edge-disk", subject, FINDING_FAIL,
			       "make room on that disk, or set a smaller journal_size in edge.conf",
			       "%lld MB are free, the journal needs %lld MB more (journal_size)", (long long)(left >> 20),
			       (long long)(lacks >> 20));
	else
		host_check_add(check, "edge-disk", subject, FINDING_OK, "", "can be written");
}

/* ---- the allow-list ---- */

/* A question with a known answer: the edge is not its own client. */
static void check_socketmap(struct host_check *check, const char *setting, const uint8_t own_public_key[32])
{
	char error[512], subject[512];

	snprintf(subject, sizeof(subject), "authorized_clients \"%s\"", setting);
	switch (client_map_probe(setting, own_public_key, error, sizeof(error))) {
	case CLIENT_NOT_AUTHORIZED:
		host_check_add(check, "edge-config", subject, FINDING_OK, "", "answers");
		return;
	case CLIENT_AUTHORIZED:
		host_check_add(check, "edge-config", subject, FINDING_FAIL,
			       "mend the table: of a key that is not in it the answer is NOTFOUND",
			       "knows this edge's own key as a client; does it say so of every key?");
		return;
	case CLIENT_UNKNOWN:
		break;
	}
	host_check_add(check, "edge-config", "authorized_clients", FINDING_FAIL,
		       "start the server of the table, or mend authorized_clients in edge.conf", "%s", error);
}

/* A list in a file was read before, by the keeper, which has said what is wrong in it. */
void host_check_clients(struct host_check *check, const uint8_t own_public_key[32])
{
	const char *where = check->setup->conf.authorized_clients;

	if (socketmap_spec(where) != NULL)
		check_socketmap(check, where, own_public_key);
}

void host_check_tenants(struct host_check *check)
{
	const char *path = check->setup->conf.authorized_clients;
	struct authorized_clients list;
	struct tenant_terms terms;
	char error[512];

	if (socketmap_spec(path) != NULL)
		return;
	if (authorized_clients_read(&list, path, NULL, NULL, NULL, NULL, error, sizeof(error)) < 0) {
		host_check_add(check, "edge-config", "authorized_clients", FINDING_FAIL,
			       "mend it; then: postern-edge --check", "%s", error);
		return;
	}
	for (size_t i = 0; i < list.count; i++) {
		tenant_terms_set(&terms, &list.clients[i], "");
		host_check_tenant(check, &terms.tenant);
	}
	authorized_clients_wipe(&list);
}
