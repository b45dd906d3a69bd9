/*
 * host-config, host-program: the transport itself is run with --check, as the user and with the
 * program and the file that master.cf names, so that what is found is what mail would meet.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "file_owner.h"
#include "mail_host.h"
#include "program.h"
#include "user_access.h"

#define TIME_LIMIT_MS 10000

/* Of a good answer: without the second line, which tells of the state, and the path, which is the subject. */
static const char *first_line(char *text, const char *path)
{
	size_t length = strlen(path);

	text[strcspn(text, "\n")] = '\0';
	return strncmp(text, path, length) == 0 && strncmp(text + length, ": ", 2) == 0 ? text + length + 2 : text;
}

void check_config(struct mail_host *host)
{
	const char *const arguments[] = { host->entry.program, "-c", host->conf_path, "--check", NULL };
	struct program_output output;
	char error[512];

	if (program_run(&output, arguments, host->entry.user, PROGRAM_STDERR_TOO, TIME_LIMIT_MS, error, sizeof(error)) < 0) {
		finding_mend(finding_add(host->list, "host-config", host->conf_path, FINDING_UNKNOWN,
					 "cannot be checked as user %s: %s", host->entry.user, error),
			     "run as root; see host-program and host-files");
		return;
	}
	if (output.exit_code == 0)
		finding_add(host->list, "host-config", host->conf_path, FINDING_OK, "%s", first_line(output.text, host->conf_path));
	else
		finding_mend(finding_add(host->list, "host-config", host->conf_path, FINDING_FAIL, "%s",
					 program_last_sentence(&output)),
			     "mend it, then: runuser -u %s -- %s -c %s --check", host->entry.user,
			     host->entry.program, host->conf_path);
	program_output_wipe(&output);
}

void check_program(struct mail_host *host)
{
	const char *program = host->entry.program;
	struct user_access question = { .path = program, .mode = X_OK };
	char error[300], where[PATH_MAX];

	if (user_access_ask(host->entry.user, &question, 1, error, sizeof(error)) < 0)
		finding_mend(finding_add(host->list, "host-program", program, FINDING_FAIL, "%s", error),
			     "useradd --system --no-create-home --shell /usr/sbin/nologin %s", host->entry.user);
	else if (question.error != 0)
		finding_mend(finding_add(host->list, "host-program", program, FINDING_FAIL,
					 "user %s cannot execute it: %s: %s", host->entry.user, question.where,
					 strerror(question.error)),
			     question.error == ENOENT ? "install postern, or mend argv= in master.cf"
						      : "chmod a+x %s", question.where);
	else if (file_owner_stranger(program, NULL, where, sizeof(where)) != NULL)
		finding_mend(finding_add(host->list, "host-program", program, FINDING_FAIL,
					 "others than root can replace it, by way of %s", where),
			     "chown root %s && chmod go-w %s", where, where);
	else
		finding_add(host->list, "host-program", program, FINDING_OK, "user %s can execute it", host->entry.user);
}
