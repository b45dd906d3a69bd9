/* Finds and reads the statistics of a day. A day without any is no error; a wrong directory is. */
#include "tls_report_input.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "command.h"
#include "lib/tlsrpt_file.h"

#define ERROR_MAX (TLS_REPORT_INPUT_NAME_MAX + 200)

static int open_day(struct tls_report_input *input, const char *directory, long day)
{
	char date[TLSRPT_DATE_SIZE];
	int saved;

	snprintf(input->name, sizeof(input->name), "%s/%s", directory,
		 tlsrpt_date_print(day, date));
	input->file = fopen(input->name, "re");
	saved = errno;
	if (input->file != NULL || (saved == ENOENT && access(directory, X_OK) == 0))
		return EX_OK;
	if (saved == ENOENT)
		return command_fail(EX_NOINPUT, "%s: %s", directory, strerror(errno));
	return command_fail(EX_NOINPUT, "%s: %s", input->name, strerror(saved));
}

int tls_report_input_open(struct tls_report_input *input, const char *file, const char *directory,
			  long day)
{
	*input = (struct tls_report_input){ 0 };
	if (file == NULL)
		return open_day(input, directory, day);
	if (strcmp(file, "-") == 0) {
		snprintf(input->name, sizeof(input->name), "standard input");
		input->file = stdin;
		return EX_OK;
	}
	snprintf(input->name, sizeof(input->name), "%s", file);
	input->file = fopen(file, "re");
	return input->file != NULL ? EX_OK
				   : command_fail(EX_NOINPUT, "%s: %s", file, strerror(errno));
}

void tls_report_input_close(struct tls_report_input *input)
{
	if (input->file != NULL && input->file != stdin)
		fclose(input->file);
	input->file = NULL;
}

static void print_complaint(void *context, const char *message)
{
	(void)context;
	command_fail(0, "%s", message);
}

int tls_report_input_read(struct tls_report_input *input, struct tlsrpt_day *day,
			  bool *is_whole_out)
{
	struct tlsrpt_reading reading;
	char error[ERROR_MAX];

	*is_whole_out = true;
	if (input->file == NULL)
		return EX_OK;
	if (tlsrpt_file_read(day, input->file, input->name, print_complaint, NULL, &reading, error,
			     sizeof(error)) != 0)
		return command_fail(EX_NOINPUT, "%s", error);
	tlsrpt_day_sort(day);
	/* Nothing at all is what `postern tlsrpt --raw' prints of a day without sessions. */
	*is_whole_out = reading.is_whole || reading.lines == 0;
	return reading.bad_lines > 0 || !*is_whole_out ? EX_DATAERR : EX_OK;
}

int tls_report_input_copy(struct tls_report_input *input)
{
	char block[8192];
	size_t got;

	if (input->file == NULL)
		return EX_OK;
	while ((got = fread(block, 1, sizeof(block), input->file)) > 0)
		fwrite(block, 1, got, stdout);
	if (ferror(input->file))
		return command_fail(EX_IOERR, "%s: %s", input->name, strerror(errno));
	return EX_OK;
}
