/*
 * postern-edge reads its configuration, key and allow-list, becomes its user, and looks; a running
 * edge is not disturbed. A sentence in the place of findings is about the configuration.
 */
#include "edge_host.h"

#include <stdio.h>
#include <string.h>

#include "finding_json.h"
#include "program.h"

#define PROGRAM POSTERN_SBINDIR "/postern-edge"
#define TIME_LIMIT_MS 60000

/* It did not come to look. What it says goes to standard error, which is heard only now. */
static void tell_why(struct finding_list *list, const char *conf_path)
{
	const char *const arguments[] = { PROGRAM, "-c", conf_path, "--check", NULL };
	struct program_output output;
	char error[300];

	if (program_run(&output, arguments, NULL, PROGRAM_STDERR_TOO, TIME_LIMIT_MS, error, sizeof(error)) < 0) {
		finding_add(list, "edge-config", conf_path, FINDING_UNKNOWN, "%s", error);
		return;
	}
	finding_mend(finding_add(list, "edge-config", conf_path, output.exit_code == 0 ? FINDING_UNKNOWN : FINDING_FAIL,
				 "%s", program_last_sentence(&output)),
		     "mend it, then: postern-edge -c %s --check", conf_path);
	program_output_wipe(&output);
}

void edge_host_check(struct finding_list *list, const char *conf_path)
{
	const char *const arguments[] = { PROGRAM, "-c", conf_path, "--check-host", "--json", NULL };
	struct finding_list found = { .items = NULL };
	struct program_output output;
	char error[300];

	if (program_run(&output, arguments, NULL, PROGRAM_STDERR_DROPPED, TIME_LIMIT_MS, error, sizeof(error)) < 0) {
		finding_add(list, "edge-config", conf_path, FINDING_UNKNOWN, "%s", error);
		return;
	}
	if (finding_json_parse(&found, output.text, output.length, error, sizeof(error)) == 0) {
		finding_add(list, "edge-config", conf_path, FINDING_OK, "good, with key and allow-list");
		finding_list_take(list, &found, NULL);
	} else {
		tell_why(list, conf_path);
	}
	program_output_wipe(&output);
}
