/*
 * One mail for each domain, to all its mailto: addresses. Nothing of a domain, an address or a
 * report ever becomes part of a command line: the command is the operator's, word for word, and the
 * mail is its standard input.
 */
#include "tls_report_send.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>

#include "command.h"
#include "lib/tlsrpt_record.h"
#include "tls_report_mail.h"

struct addresses {
	struct mailbox list[TLSRPT_URIS_MAX];
	size_t count;
};

/* https: addresses are told where the sent ones are: they are no mistake of anybody's. */
static void tell_unsent(const struct tls_report_way *way, const char *domain, const char *uri,
			size_t length)
{
	fprintf(way->command != NULL ? stdout : stderr,
		"%s: not sent to %.*s: postern sends reports by mail only\n", domain, (int)length,
		uri);
}

static void find_addresses(const struct tls_report_way *way, const struct tlsrpt_domain *domain,
			   struct addresses *out)
{
	size_t length;
	char why[200];

	out->count = 0;
	for (const char *uri = domain->rua;; uri += length + 1) {
		length = tlsrpt_uri_length(uri);
		if (!tlsrpt_uri_is_mailto(uri, length))
			tell_unsent(way, domain->name, uri, length);
		else if (tlsrpt_mailto_parse(&out->list[out->count], uri, length, why,
					     sizeof(why)) == 0)
			out->count++;
		else
			command_fail(0, "%s: not sent to %.*s: %s", domain->name, (int)length, uri,
				     why);
		if (uri[length] == '\0' || out->count == TLSRPT_URIS_MAX)
			return;
	}
}

/* mbox(5): a separator before, an empty line behind; no line of ours begins with "From ". */
static int print(const struct tls_report_mail *mail)
{
	struct tm tm = { 0 };
	char when[32];

	gmtime_r(&mail->now, &tm);
	printf("From %s %s", mail->from, asctime_r(&tm, when));
	if (tls_report_mail_write(stdout, mail) != 0)
		return command_fail(EX_IOERR, "the mail could not be written: %s", strerror(errno));
	putchar('\n');
	return EX_OK;
}

static void ignore(int number)
{
	(void)number;
}

static void print_sent(const struct tls_report_mail *mail)
{
	char text[MAILBOX_TEXT_MAX];

	printf("%s: sent to", mail->report->domain);
	for (size_t i = 0; i < mail->to_count; i++)
		printf(" <%s>", mailbox_print(&mail->to[i], text, sizeof(text)));
	printf(", report-id %s\n", mail->report->id);
}

static int pipe_to(const char *command, const struct tls_report_mail *mail)
{
	/* A handler and not SIG_IGN, which the command would inherit. */
	const struct sigaction no_action = { .sa_handler = ignore };
	int written, status;
	FILE *out;

	sigaction(SIGPIPE, &no_action, NULL);
	fflush(NULL);
	out = popen(command, "we");
	if (out == NULL)
		return command_fail(EX_OSERR, "cannot start the command: %s", strerror(errno));
	written = tls_report_mail_write(out, mail);
	status = pclose(out);
	if (written == 0 && status == 0) {
		print_sent(mail);
		return EX_OK;
	}
	if (status != -1 && WIFEXITED(status) && WEXITSTATUS(status) != 0)
		return command_fail(EX_UNAVAILABLE,
				    "%s: not sent: the command's exit status was %d",
				    mail->report->domain, WEXITSTATUS(status));
	return command_fail(EX_UNAVAILABLE, "%s: not sent: the command %s", mail->report->domain,
			    status != 0 ? "was killed" : "did not read the whole mail");
}

int tls_report_send(const struct tls_report_way *way, const struct tlsrpt_day *day, size_t first,
		    size_t count, const struct tls_report_sender *sender)
{
	const char *name = day->rows[first]->text[TLSRPT_TEXT_DOMAIN];
	const struct tlsrpt_domain *domain = tlsrpt_day_find(day, name);
	struct addresses addresses;
	struct tls_report report;
	int result = EX_OK;

	if (domain == NULL)
		return command_fail(EX_DATAERR,
				    "%s: not sent: its address is not in the statistics", name);
	find_addresses(way, domain, &addresses);
	if (addresses.count == 0)
		return EX_OK;
	if (tls_report_make(&report, day, first, count, sender, false) == 0) {
		const struct tls_report_mail mail = {
			.report = &report,
			.sender = sender,
			.from = way->from,
			.day = day->number,
			.now = time(NULL),
			.to = addresses.list,
			.to_count = addresses.count,
		};

		result = way->command != NULL ? pipe_to(way->command, &mail) : print(&mail);
	} else {
		result = command_fail(EX_OSERR, "%s: not sent: out of memory", name);
	}
	tls_report_wipe(&report);
	return result;
}
