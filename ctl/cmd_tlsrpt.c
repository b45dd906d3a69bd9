/*
 * tlsrpt: reports of TLS sessions (RFC 8460) from what the edge counted: as JSON for people, as
 * mail for those who asked for it, or the statistics as they are, for another machine.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "lib/ascii.h"
#include "lib/mail_address.h"
#include "lib/tlsrpt_file.h"
#include "lib/utf8.h"
#include "tls_report.h"
#include "tls_report_input.h"
#include "tls_report_send.h"

struct options {
	const char *date, *domain, *directory, *file, *mail, *pipe, *organization, *contact;
	bool is_raw;
	/* what comes of them */
	long day;
	char domain_lower[SMTP_DOMAIN_MAX + 1];
	char default_contact[MAILBOX_TEXT_MAX];
	struct tls_report_sender sender;
};

/* Sets options->day; unknown if a file says it itself. */
static const char *check_date(struct options *options)
{
	long today = tlsrpt_day_number(time(NULL));

	options->day = today - 1;
	if (options->date == NULL && options->file != NULL)
		options->day = TLSRPT_DAY_UNKNOWN;
	else if (options->date != NULL && strcmp(options->date, "yesterday") != 0 &&
		 tlsrpt_date_parse(options->date, &options->day) != 0)
		return "not a date such as 2026-11-20, nor \"yesterday\": ";
	return NULL;
}

static const char *check_domain(struct options *options)
{
	size_t i = 0;

	if (options->domain == NULL)
		return NULL;
	if (!tlsrpt_domain_is_valid(options->domain))
		return "not a domain: ";
	for (; options->domain[i] != '\0'; i++)
		options->domain_lower[i] = ascii_lower(options->domain[i]);
	options->domain_lower[i] = '\0';
	return NULL;
}

/* Such as can stand in a header field as it is, with a domain that can be a submitter. */
static bool is_plain_address(const char *text)
{
	struct mailbox mailbox;
	char error[200];

	return mailbox_parse(&mailbox, text, strlen(text), false, error, sizeof(error)) == 0 &&
	       !mailbox.is_literal && mailbox.local_part[0] != '"';
}

static bool is_utf8(const char *text)
{
	size_t left = strlen(text), octets = 1;

	for (; left > 0 && octets > 0; left -= octets, text += octets)
		octets = utf8_read(NULL, text, left);
	return octets > 0;
}

static void default_contact(struct options *options)
{
	char host[SMTP_DOMAIN_MAX + 1] = "";

	options->contact = options->mail;
	if (options->contact != NULL)
		return;
	if (gethostname(host, sizeof(host) - 1) != 0 || !tlsrpt_domain_is_valid(host))
		strcpy(host, "localhost");
	snprintf(options->default_contact, sizeof(options->default_contact), "postmaster@%s", host);
	options->contact = options->default_contact;
}

static int check_sender(const struct command *command, struct options *options)
{
	const char *address;

	if (options->contact == NULL)
		default_contact(options);
	if (!is_plain_address(options->contact))
		return command_wrong_usage(command, "not an address such as tlsrpt@example.com: ", options->contact);
	if (options->mail != NULL && !is_plain_address(options->mail))
		return command_wrong_usage(command, "not an address such as tlsrpt@example.com: ", options->mail);
	if (options->organization != NULL && !is_utf8(options->organization))
		return command_wrong_usage(command, "the name of the organization is not UTF-8", "");
	address = options->mail != NULL ? options->mail : options->contact;
	options->sender.contact = options->contact;
	options->sender.submitter = strchr(address, '@') + 1;
	options->sender.organization =
		options->organization != NULL ? options->organization : options->sender.submitter;
	return EX_OK;
}

static int check(const struct command *command, struct options *options)
{
	const char *why = check_date(options);

	if (why != NULL)
		return command_wrong_usage(command, why, options->date);
	why = check_domain(options);
	if (why != NULL)
		return command_wrong_usage(command, why, options->domain);
	if (options->pipe != NULL && options->mail == NULL)
		return command_wrong_usage(command, "--pipe is for --mail", "");
	if (options->is_raw && (options->mail != NULL || options->domain != NULL))
		return command_wrong_usage(command, "--raw goes with --date, --directory and --file only", "");
	if (options->file != NULL && options->directory != NULL)
		return command_wrong_usage(command, "--file or --directory, not both", "");
	if (options->directory == NULL)
		options->directory = TLSRPT_DIRECTORY;
	return check_sender(command, options);
}

static int print_reports(const struct options *options, const struct tlsrpt_day *day, size_t first,
			 size_t count, bool *is_first)
{
	struct tls_report report;

	if (tls_report_make(&report, day, first, count, &options->sender, true) != 0)
		return command_fail(EX_OSERR, "out of memory");
	fputs(*is_first ? "" : ",\n", stdout);
	fputs(report.json, stdout);
	*is_first = false;
	tls_report_wipe(&report);
	return EX_OK;
}

/* A failure does not keep the others from being sent; the exit code is the last one's. */
static int for_each_report(const struct options *options, const struct tlsrpt_day *day)
{
	const struct tls_report_way way = { .from = options->mail, .command = options->pipe };
	bool is_first = true;
	int result = EX_OK;

	fputs(options->mail == NULL ? "[" : "", stdout);
	for (size_t first = 0, count; first < day->row_count; first += count) {
		const char *domain = day->rows[first]->text[TLSRPT_TEXT_DOMAIN];
		int one;

		count = tls_report_row_count(day, first);
		if (options->domain != NULL && strcmp(options->domain_lower, domain) != 0)
			continue;
		one = options->mail != NULL
			      ? tls_report_send(&way, day, first, count, &options->sender)
			      : print_reports(options, day, first, count, &is_first);
		result = one != EX_OK ? one : result;
	}
	fputs(options->mail == NULL ? "]\n" : "", stdout);
	return result;
}

/* Is this what may go out? Half a day is not: the whole one may still come. */
static int check_day(const struct options *options, const struct tlsrpt_day *day, bool is_whole)
{
	if (day->row_count > 0 && day->number == TLSRPT_DAY_UNKNOWN)
		return command_fail(EX_DATAERR, "the statistics do not say of which day they are; "
						"give --date");
	if (options->mail == NULL)
		return EX_OK;
	if (!is_whole)
		return command_fail(EX_DATAERR, "nothing was sent");
	if (day->row_count > 0 && day->number >= tlsrpt_day_number(time(NULL)))
		return command_fail(EX_TEMPFAIL,
				    "nothing was sent: that day (UTC) is not over yet");
	return EX_OK;
}

static int make_reports(const struct options *options, struct tls_report_input *input)
{
	struct tlsrpt_day day;
	bool is_whole;
	int result, done;

	tlsrpt_day_init(&day, options->day);
	result = tls_report_input_read(input, &day, &is_whole);
	done = result == EX_OK || result == EX_DATAERR ? check_day(options, &day, is_whole)
						       : result;
	if (done == EX_OK)
		done = for_each_report(options, &day);
	tlsrpt_day_wipe(&day);
	return done != EX_OK ? done : result;
}

static int run_tlsrpt(const struct command *command, int argc, char **argv)
{
	struct options options = { 0 };
	const struct command_option table[] = {
		{ "date", &options.date, NULL },
		{ "domain", &options.domain, NULL },
		{ "directory", &options.directory, NULL },
		{ "file", &options.file, NULL },
		{ "mail", &options.mail, NULL },
		{ "pipe", &options.pipe, NULL },
		{ "organization", &options.organization, NULL },
		{ "contact", &options.contact, NULL },
		{ "raw", NULL, &options.is_raw },
		{ NULL, NULL, NULL },
	};
	struct command_arguments arguments;
	struct tls_report_input input;
	int result = command_parse(command, argc, argv, table, &arguments);

	if (result >= 0)
		return result;
	result = check(command, &options);
	if (result != EX_OK)
		return result;
	result = tls_report_input_open(&input, options.file, options.directory, options.day);
	if (result == EX_OK)
		result = options.is_raw ? tls_report_input_copy(&input)
					: make_reports(&options, &input);
	tls_report_input_close(&input);
	return result;
}

const struct command command_tlsrpt = {
	.name = "tlsrpt",
	.arguments = "[--date DATE] [--domain DOMAIN] [--directory DIR | --file FILE]\n"
		     "       [--raw | --mail FROM [--pipe COMMAND]] [--organization NAME] "
		     "[--contact ADDRESS]",
	.summary = "reports of TLS sessions for those who ask for them (RFC 8460)",
	.help = "Prints the reports of a day as a JSON array, one report for each domain that "
		"asked for them, or mails them.\n\n"
		"  --date DATE          2026-11-20, or yesterday (UTC), which is the default\n"
		"  --domain DOMAIN      the report for this domain only\n"
		"  --directory DIR      where the edge keeps its statistics, instead of\n"
		"                       " TLSRPT_DIRECTORY "\n"
		"  --file FILE          the statistics of one day; - is standard input\n"
		"  --raw                print the statistics as they are, for --file elsewhere\n"
		"  --mail FROM          make mails from this address, and print them (mbox)\n"
		"  --pipe COMMAND       run COMMAND for each mail instead, the mail on its "
		"standard "
		"input\n"
		"  --organization NAME  who reports; default: the domain of FROM\n"
		"  --contact ADDRESS    whom to ask; default: FROM\n",
	.run = run_tlsrpt,
};
