/*
 * tests/fake/policy_host.py as a fixture: HTTPS servers on loopback that serve MTA-STS policies or
 * misbehave, by name; and the built postern-sts-fetch that belongs to this test program.
 */
#ifndef POLICY_HOST_H
#define POLICY_HOST_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where the tests are run: tests/run_unit.sh does. */
#define POLICY_HOST_PROGRAM "tests/fake/policy_host.py"

struct policy_host {
	char directory[64];
	char ca_file[96];
	char helper[512];	/* postern-sts-fetch */
	char wrapper[96];	/* the same with --port, as sts_fetcher.c runs it */
	int port, old_port, silent_port;
	FILE *control;		/* the servers' stdin: they end with it */
};

/* BUILD/tests/unit/test_x -> BUILD/postern-sts-fetch */
static inline void policy_host_find_helper(char *out, size_t size)
{
	char path[400];
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);

	if (length < 0)
		abort();
	path[length] = '\0';
	for (int i = 0; i < 3; i++)
		*strrchr(path, '/') = '\0';
	snprintf(out, size, "%s/postern-sts-fetch", path);
}

static inline void policy_host_write(const struct policy_host *host, const char *name,
				     const char *content)
{
	char path[200], fresh[200];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", host->directory, name);
	snprintf(fresh, sizeof(fresh), "%s/%s.new", host->directory, name);
	file = fopen(fresh, "w");
	if (file == NULL || fputs(content, file) < 0 || fclose(file) != 0 ||
	    rename(fresh, path) != 0)
		abort();
}

static inline void policy_host_remove(const struct policy_host *host, const char *name)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/%s", host->directory, name);
	unlink(path);
}

/* How often the name was asked for: "mta-sts.good.example". */
static inline int policy_host_requests(const struct policy_host *host, const char *name)
{
	char path[200], line[300];
	FILE *file;
	int count = 0;

	snprintf(path, sizeof(path), "%s/requests", host->directory);
	file = fopen(path, "r");
	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		count += strcmp(line, name) == 0;
	}
	if (file != NULL)
		fclose(file);
	return count;
}

static inline void policy_host_read_ports(struct policy_host *host)
{
	char path[128], line[100] = "";
	FILE *file;

	snprintf(path, sizeof(path), "%s/ports", host->directory);
	for (int i = 0; i < 6000 && strchr(line, '\n') == NULL; i++) {
		usleep(20000);
		file = fopen(path, "r");
		if (file != NULL && fgets(line, sizeof(line), file) == NULL)
			line[0] = '\0';
		if (file != NULL)
			fclose(file);
	}
	if (sscanf(line, "%d %d %d", &host->port, &host->old_port, &host->silent_port) != 3) {
		fprintf(stderr, "%s did not start; python3-cryptography is needed\n",
			POLICY_HOST_PROGRAM);
		abort();
	}
}

static inline struct policy_host *policy_host_start(void)
{
	struct policy_host *host = calloc(1, sizeof(*host));
	char command[400], script[1200];

	if (host == NULL)
		abort();
	strcpy(host->directory, "/tmp/policy_host.XXXXXX");
	if (mkdtemp(host->directory) == NULL)
		abort();
	snprintf(host->ca_file, sizeof(host->ca_file), "%s/ca.pem", host->directory);
	snprintf(host->wrapper, sizeof(host->wrapper), "%s/fetch", host->directory);
	policy_host_find_helper(host->helper, sizeof(host->helper));
	snprintf(command, sizeof(command), "exec python3 -W ignore %s %s >%s/ports",
		 POLICY_HOST_PROGRAM, host->directory, host->directory);
	host->control = popen(command, "we");
	if (host->control == NULL)
		abort();
	policy_host_read_ports(host);
	snprintf(script, sizeof(script), "#!/bin/sh\nexec %s --port %d \"$@\"\n", host->helper,
		 host->port);
	policy_host_write(host, "fetch", script);
	chmod(host->wrapper, 0755);
	return host;
}

static inline void policy_host_stop(struct policy_host *host)
{
	char command[128];

	pclose(host->control);
	snprintf(command, sizeof(command), "rm -rf %s", host->directory);
	if (system(command) != 0)
		abort();
	free(host);
}

#endif
