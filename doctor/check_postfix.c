/* postfix-config: Postfix's own word on its configuration and files, and whether it runs. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "mail_host.h"
#include "program.h"

#define ID "postfix-config"
#define TIME_LIMIT_MS 30000

/* Debian's own package has this one. */
static const char harmless[] = "symlink leaves directory: /etc/postfix/./makedefs.out";

/* The first thing that Postfix says, behind "postfix/postfix-script: warning: "; NULL: nothing. */
static const char *first_sentence(char *text)
{
	char *line, *save = NULL, *word;

	for (line = strtok_r(text, "\r\n", &save); line != NULL; line = strtok_r(NULL, "\r\n", &save)) {
		word = strstr(line, "warning: ");
		word = word != NULL ? word + strlen("warning: ") : line;
		if (strcmp(word, harmless) != 0)
			return word;
	}
	return NULL;
}

static void check_running(struct mail_host *host)
{
	const char *const arguments[] = { "postfix", "status", NULL };
	struct program_output output;
	char error[300];

	if (program_run(&output, arguments, NULL, PROGRAM_STDERR_TOO, TIME_LIMIT_MS, error, sizeof(error)) < 0) {
		finding_add(host->list, ID, "postfix status", FINDING_UNKNOWN, "%s", error);
		return;
	}
	if (output.exit_code == 0)
		finding_add(host->list, ID, "postfix status", FINDING_OK, "Postfix is running");
	else
		finding_mend(finding_add(host->list, ID, "postfix status", FINDING_FAIL, "Postfix is not running"),
			     "postfix start\nthen: grep postfix /var/log/mail.log");
	program_output_wipe(&output);
}

void check_postfix(struct mail_host *host)
{
	const char *const arguments[] = { "postfix", "check", NULL };
	struct program_output output;
	const char *sentence;
	char error[300];

	if (geteuid() != 0) {
		finding_mend(finding_add(host->list, ID, "postfix check", FINDING_UNKNOWN, "only root may run it"), "run postern doctor as root");
		return;
	}
	if (program_run(&output, arguments, NULL, PROGRAM_STDERR_TERMINAL, TIME_LIMIT_MS, error, sizeof(error)) < 0) {
		finding_add(host->list, ID, "postfix check", FINDING_UNKNOWN, "%s", error);
		return;
	}
	sentence = first_sentence(output.text);
	if (output.exit_code == 0 && sentence == NULL)
		finding_add(host->list, ID, "postfix check", FINDING_OK, "has nothing to say");
	else
		finding_mend(finding_add(host->list, ID, "postfix check", output.exit_code == 0 ? FINDING_WARN : FINDING_FAIL, "%s",
					 sentence != NULL ? sentence : "fails without a word"),
			     "postfix check says all of it");
	program_output_wipe(&output);
	check_running(host);
}
