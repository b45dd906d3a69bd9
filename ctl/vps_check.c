/*
 * postern-edge looks at the machine as the user who will run it, with the configuration that is in
 * place by now; here its findings are weighed. What keeps all mail from leaving ends the invite: a
 * mail host that joins would only move its queue's trouble. Everything else is told, and may be mended
 * while mail flows.
 */
#include "vps.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "command.h"
#include "doctor/finding.h"
#include "doctor/finding_json.h"
#include "doctor/program.h"
#include "doctor/report.h"

/* Longer than HOST_CHECK_MS of the edge. */
#define CHECK_MS 60000
#define ERROR_MAX 1024

static const char *const grave[] = { "edge-config", "edge-port", "edge-disk" };

/* One way out is enough. */
static bool is_shut_in(const struct finding_list *list)
{
	bool is_shut = false;

	for (size_t i = 0; i < list->count; i++) {
		const struct finding *finding = &list->items[i];

		if (strcmp(finding->id, "edge-egress") != 0)
			continue;
		if (finding->result == FINDING_OK)
			return false;
		is_shut = is_shut || finding->result == FINDING_FAIL;
	}
	return is_shut;
}

static bool is_grave(const struct finding_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		for (size_t k = 0; k < sizeof(grave) / sizeof(grave[0]); k++)
			if (list->items[i].result == FINDING_FAIL &&
			    strcmp(list->items[i].id, grave[k]) == 0)
				return true;
	return is_shut_in(list);
}

/* A standard error that nobody looks at is not the place for advice, but one that is to be quiet may still need it. */
static int weigh(const struct vps *vps, const struct finding_list *list, bool is_anyway)
{
	const struct report report = {
		.list = list, .host = "", .time = time(NULL), .is_quiet = true
	};
	bool is_bad = is_grave(list);

	if (is_bad || !vps->is_quiet)
		report_table_print(&report, stderr);
	if (!is_bad || is_anyway)
		return EX_OK;
	return command_fail(VPS_EXIT_UNFIT, "host: no mail would leave from this machine: see FAIL "
					    "above, and what mends it; then "
					    "call postern invite again, or now with --anyway");
}

/* The array begins a line; what was logged before it may have brackets, too, as the names of relays have. */
static const char *find_array(const char *text)
{
	const char *end;

	while (*text != '[') {
		end = strchr(text, '\n');
		if (end == NULL)
			return NULL;
		text = end + 1;
	}
	return text;
}

static int read_findings(struct finding_list *list, const struct program_output *output)
{
	char error[ERROR_MAX];
	const char *array = find_array(output->text);

	/* A complaint about configuration, key or list comes in words. */
	if (array != NULL &&
	    finding_json_parse(list, array, strlen(array), error, sizeof(error)) == 0)
		return EX_OK;
	return command_fail(EX_CONFIG, "configuration: postern-edge --check says:\n%s",
			    output->text);
}

int vps_check_run(const struct vps *vps, const char *domain, bool is_anyway)
{
	const char *const command[] = { POSTERN_SBINDIR "/postern-edge",
					"-c",
					VPS_CONF,
					"--check-host",
					"--json",
					domain,
					NULL };
	struct finding_list list = { .items = NULL };
	struct program_output output;
	char error[ERROR_MAX];
	int result;

	if (!vps->is_quiet)
		fputs("looking at this machine: port 25, names, block lists ...\n", stderr);
	if (program_run(&output, command, NULL, PROGRAM_STDERR_TOO, CHECK_MS, error,
			sizeof(error)) < 0)
		return command_fail(EX_OSFILE, "programs: %s; is postern-edge installed?", error);
	result = read_findings(&list, &output);
	if (result == EX_OK)
		result = weigh(vps, &list, is_anyway);
	finding_list_wipe(&list);
	program_output_wipe(&output);
	return result;
}
