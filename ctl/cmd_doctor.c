/*
 * doctor: looks at everything that mail needs, from where it must be looked at, and says what is
 * wrong and how it is mended. It changes nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "doctor/edge_host.h"
#include "doctor/finding.h"
#include "doctor/finding_id.h"
#include "doctor/mail_host.h"
#include "doctor/report.h"
#include "doctor/sending_host.h"
#include "doctor_edges.h"

#define EDGE_CONF_PATH POSTERN_SYSCONFDIR "/edge.conf"

struct doctor {
	const char *conf_path, *edge_conf_path, *milter_conf_path;
	char found_path[PATH_MAX];	/* of the transport's configuration, where no option says it */
	const char *only, *html_path, *domain;
	bool is_json, is_quiet;
	struct command_arguments arguments;
	char *domains[SENDING_DOMAINS_MAX];	/* of --domain */
	size_t domain_count;
	struct finding_selection selection;
	struct finding_list list;
};

/* ---- the report ---- */

/* On a full disk an older page stays as it is: its room and that of the new one are taken first. 0, or an errno. */
static int write_page(int fd, const char *page, size_t length)
{
	struct stat status;
	int result = 0;

	if (fstat(fd, &status) < 0)
		return errno;
	if (S_ISREG(status.st_mode) && length > 0)
		result = posix_fallocate(fd, 0, (off_t)length);
	for (size_t at = 0; result == 0 && at < length;) {
		ssize_t written = write(fd, page + at, length - at);

		if (written < 0 && errno != EINTR)
			result = errno;
		at += written > 0 ? (size_t)written : 0;
	}
	if (S_ISREG(status.st_mode) && ftruncate(fd, result == 0 ? (off_t)length : status.st_size) < 0 && result == 0)
		result = errno;
	return result;
}

static int write_html(const struct report *report, const char *path)
{
	char *page = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&page, &length);
	int fd, result;

	if (out != NULL)
		report_html_print(report, out);
	if (out == NULL || fclose(out) != 0) {
		free(page);
		return command_fail(EX_OSERR, "out of memory");
	}
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY, 0666);
	if (fd < 0) {
		free(page);
		return command_fail(EX_CANTCREAT, "%s: %s", path, strerror(errno));
	}
	result = write_page(fd, page, length);
	if (close(fd) < 0 && result == 0)
		result = errno;
	free(page);
	return result == 0 ? EX_OK : command_fail(EX_IOERR, "%s: %s", path, strerror(result));
}

static int report_all(const struct doctor *doctor)
{
	char host[HOST_NAME_MAX + 1] = "";
	const struct report report = { .list = &doctor->list, .host = host, .time = time(NULL),
				       .is_quiet = doctor->is_quiet };
	int result = EX_OK;

	gethostname(host, sizeof(host) - 1);
	if (doctor->is_json)
		result = report_json_print(&report, stdout) < 0 ? command_fail(EX_OSERR, "out of memory") : EX_OK;
	else
		report_table_print(&report, stdout);
	if (doctor->html_path != NULL && result == EX_OK)
		result = write_html(&report, doctor->html_path);
	if (result != EX_OK)
		return result;
	/* Or a cron job would look at nothing, and be content. */
	if (doctor->list.count == 0)
		return command_fail(2, "there was nothing to look at: what --only asks for is not on this host");
	return report_exit_status(&doctor->list);
}

/* ---- where are we? ---- */

static bool exists(const char *path)
{
	return access(path, F_OK) == 0 || errno != ENOENT;
}

/* What only an edge can tell is unknown without it, also if nobody wanted to know whether it is there. */
static void tell_unasked(struct finding_list *list, const struct finding_list *edges)
{
	if (finding_is_wanted(list, "edge-reachable"))
		return;
	for (size_t i = 0; i < edges->count; i++)
		for (size_t k = 0; k < finding_id_count; k++)
			if (strcmp(edges->items[i].id, "edge-reachable") == 0 && edges->items[i].result != FINDING_OK &&
			    (strcmp(finding_ids[k].group, "edge") == 0 || strcmp(finding_ids[k].id, "host-clock") == 0))
				finding_add(list, finding_ids[k].id, edges->items[i].subject, FINDING_UNKNOWN, "%s",
					    edges->items[i].seen);
}

/* The edges tell the addresses that the records of the sending domains must allow: all that they say is heard. */
static void look_from_edges(struct doctor *doctor)
{
	bool has_domains = finding_is_wanted(&doctor->list, "domain");
	struct finding_list edges = { .items = NULL };

	if (!has_domains && !finding_is_wanted(&doctor->list, "edge") && !finding_is_wanted(&doctor->list, "host-clock"))
		return;
	doctor_edges_check(&edges, doctor->conf_path);
	if (has_domains)
		sending_host_check(&doctor->list, &edges, doctor->domains, doctor->domain_count);
	tell_unasked(&doctor->list, &edges);
	finding_list_take(&doctor->list, &edges, NULL);
	finding_list_wipe(&edges);
}

static int look(struct doctor *doctor)
{
	bool is_edge = doctor->edge_conf_path != NULL || exists(EDGE_CONF_PATH);
	bool is_mail_host = true;

	if (doctor->conf_path == NULL) {
		doctor->conf_path = mail_host_find_conf(doctor->found_path, sizeof(doctor->found_path));
		is_mail_host = exists(doctor->conf_path);
	}
	if (!is_mail_host && !is_edge)
		return command_fail(EX_NOINPUT,
				    "neither %s nor %s is here: this is no mail host and no edge of postern",
				    doctor->conf_path, EDGE_CONF_PATH);
	if (is_mail_host && geteuid() != 0)
		return command_fail(EX_NOPERM, "only root can look as the users of the daemons do: run `postern doctor' as root");
	if (is_mail_host) {
		mail_host_check(&doctor->list, doctor->conf_path, doctor->milter_conf_path);
		look_from_edges(doctor);
	}
	if (is_edge && finding_is_wanted(&doctor->list, "edge"))
		edge_host_check(&doctor->list, doctor->edge_conf_path != NULL ? doctor->edge_conf_path : EDGE_CONF_PATH);
	return EX_OK;
}

static int run(const struct command *command, int argc, char **argv)
{
	struct doctor doctor = { .milter_conf_path = POSTERN_SYSCONFDIR "/milter.conf" };
	const struct command_option options[] = {
		{ "config", &doctor.conf_path, NULL },
		{ "milter-config", &doctor.milter_conf_path, NULL },
		{ "edge-config", &doctor.edge_conf_path, NULL },
		{ "only", &doctor.only, NULL },
		{ "html", &doctor.html_path, NULL },
		{ "domain", &doctor.domain, NULL },
		{ "json", NULL, &doctor.is_json },
		{ "quiet", NULL, &doctor.is_quiet },
		{ NULL, NULL, NULL },
	};
	char error[300];
	int result = command_parse(command, argc, argv, options, &doctor.arguments);

	if (result >= 0)
		return result;
	if (doctor.domain == NULL && doctor.arguments.count > 0)
		return command_wrong_usage(command, "unexpected argument ", doctor.arguments.words[0]);
	if (doctor.domain != NULL)
		doctor.domains[doctor.domain_count++] = (char *)(uintptr_t)doctor.domain;
	for (int i = 0; i < doctor.arguments.count; i++) {
		if (doctor.domain_count == SENDING_DOMAINS_MAX)
			return command_wrong_usage(command, "too many domains, from here on: ", doctor.arguments.words[i]);
		doctor.domains[doctor.domain_count++] = doctor.arguments.words[i];
	}
	for (size_t i = 0; i < doctor.domain_count; i++)
		if (!sending_host_is_domain(doctor.domains[i]))
			return command_wrong_usage(command, "not a domain, or not in A-labels (xn--...): ", doctor.domains[i]);
	if (doctor.only != NULL &&
	    finding_selection_parse(&doctor.selection, doctor.only, error, sizeof(error)) < 0)
		return command_fail(EX_USAGE, "%s", error);
	doctor.list.selection = &doctor.selection;
	result = look(&doctor);
	if (result == EX_OK)
		result = report_all(&doctor);
	finding_list_wipe(&doctor.list);
	return result;
}

const struct command command_doctor = {
	.name = "doctor",
	.arguments = "[--json] [--html FILE] [--only ID|GROUP,...] [--quiet] [--config FILE]\n"
		     "                      [--milter-config FILE] [--edge-config FILE] [--domain DOMAIN ...]",
	.summary = "look at everything mail needs, and say what is wrong and how to mend it",
	.help = "Looks at this host, its Postfix, each edge from where mail leaves, and the DNS of the\n"
		"sending domains. On the VPS: at the edge. Nothing is changed, no mail is sent.\n"
		"  --json         for programs\n"
		"  --html FILE    one page that needs nothing else, too\n"
		"  --only LIST    some checks or groups of them: postern-doctor(1) lists them\n"
		"  --quiet        only what is not ok, and nothing at all if all is: for cron\n"
		"  --domain D ... sending domains to look at, instead of those that are found\n"
		"Exit status: 0 all is ok (there may be warnings), 1 something is FAIL, 2 nothing is FAIL but\n"
		"something could not be found out, 64 or more: the doctor could not begin.\n",
	.words_min = 0,
	.words_max = COMMAND_WORDS_ANY,
	.run = run,
};
