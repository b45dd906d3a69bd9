/*
 * The report as one page: for a browser, a ticket, a colleague. Everything that is not ours is
 * escaped, and a Content-Security-Policy forbids what an escape that is missing could do.
 */
#include <string.h>

#include "finding_id.h"
#include "report.h"

static const char head[] =
	"<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
	"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
	"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
	"<title>postern doctor</title>\n<style>\n"
	":root { color-scheme: light dark; }\n"
	"body { font: 16px/1.45 system-ui, sans-serif; max-width: 70em; margin: 2em auto; padding: 0 1em; }\n"
	"table { border-collapse: collapse; width: 100%; margin-bottom: 1.5em; }\n"
	"th, td { text-align: left; vertical-align: top; padding: .35em .6em; border-bottom: 1px solid #8885; }\n"
	"td { overflow-wrap: anywhere; }\n"
	"pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: .3em 0 0; padding: .4em .6em; background: #8882; }\n"
	".result { font-weight: 600; white-space: nowrap; }\n"
	".ok { color: #2a8a3e; } .FAIL { color: #fff; background: #c62828; }\n"
	".warn { color: #b36b00; } .unknown { color: #777; }\n"
	"</style>\n</head>\n<body>\n";

/* Text between tags, and in double quotes. */
static void escape(const char *text, FILE *out)
{
	for (; *text != '\0'; text++)
		switch (*text) {
		case '&':
			fputs("&amp;", out);
			break;
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		case '"':
			fputs("&quot;", out);
			break;
		case '\'':
			fputs("&#39;", out);
			break;
		default:
			fputc(*text, out);
		}
}

static void print_row(const struct finding *finding, FILE *out)
{
	const struct finding_id *id = finding_id_find(finding->id);
	const char *result = finding_result_name(finding->result);

	fprintf(out, "<tr><td class=\"result %s\">%s</td><td title=\"", result, result);
	escape(id != NULL ? id->means : "", out);
	fputs("\"><code>", out);
	escape(finding->id, out);
	fputs("</code></td><td>", out);
	escape(finding->subject, out);
	fputs("</td><td>", out);
	escape(finding->seen, out);
	if (finding->result != FINDING_OK && finding->mend[0] != '\0') {
		fputs("<pre>", out);
		escape(finding->mend, out);
		fputs("</pre>", out);
	}
	fputs("</td></tr>\n", out);
}

static void print_group(const struct report *report, const char *group, const char *title, FILE *out)
{
	size_t position = 0;
	const struct finding *finding = report_next(report, group, &position);

	if (finding == NULL)
		return;
	fprintf(out, "<h2>%s</h2>\n<table>\n<tr><th>Result</th><th>Check</th><th>Of</th><th>Seen</th></tr>\n", title);
	for (; finding != NULL; finding = report_next(report, group, &position))
		print_row(finding, out);
	fputs("</table>\n", out);
}

static void print_sum(const struct report *report, FILE *out)
{
	char time_text[40] = "";
	struct tm tm;

	if (gmtime_r(&report->time, &tm) != NULL)
		strftime(time_text, sizeof(time_text), "%Y-%m-%d %H:%M:%S UTC", &tm);
	fputs("<h1>postern doctor</h1>\n<p>", out);
	escape(report->host, out);
	fprintf(out, ", %s, postern %s</p>\n<p>", time_text, PACKAGE_VERSION);
	for (int i = 0; i < FINDING_RESULTS; i++) {
		enum finding_result result = (enum finding_result)i;

		fprintf(out, "%s<span class=\"result %s\">%zu&nbsp;%s</span>", i > 0 ? ", " : "",
			finding_result_name(result), finding_list_count(report->list, result),
			finding_result_name(result));
	}
	fputs("</p>\n", out);
	if (report->list->is_incomplete)
		fputs("<p class=\"FAIL\">This report is incomplete, as memory was short or there was too much.</p>\n", out);
}

void report_html_print(const struct report *report, FILE *out)
{
	fputs(head, out);
	print_sum(report, out);
	for (size_t i = 0; i < finding_group_count; i++)
		print_group(report, finding_groups[i].group, finding_groups[i].title, out);
	print_group(report, NULL, "Others", out);
	fputs("</body>\n</html>\n", out);
}
