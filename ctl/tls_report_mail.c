/*
 * RFC 8460 5.3: multipart/report with a word for people and the gzipped report. TLS-Required (RFC
 * 8689 5): the report of broken TLS must arrive in spite of it. Every text in the header was
 * checked to be an address or a domain name before.
 */
#include "tls_report_mail.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* RFC 2045 6.8: at most 76 characters in a line, of three bytes each four. */
#define BASE64_LINE_BYTES 57
/* zlib's window with a gzip header. */
#define GZIP_WINDOW (15 + 16)
/* "=_" cannot occur in base64 (RFC 2045 6.7). */
#define BOUNDARY "=_postern_tls_report"

static void put_base64(FILE *out, const unsigned char *bytes, size_t length)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < length; i += 3) {
		size_t left = length - i;
		uint32_t group = (uint32_t)bytes[i] << 16;

		group |= left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0;
		group |= left > 2 ? bytes[i + 2] : 0;
		putc(digits[group >> 18], out);
		putc(digits[group >> 12 & 63], out);
		putc(left > 1 ? digits[group >> 6 & 63] : '=', out);
		putc(left > 2 ? digits[group & 63] : '=', out);
		if ((i + 3) % BASE64_LINE_BYTES == 0 || left <= 3)
			putc('\n', out);
	}
}

/* malloc(3)ed, or NULL. */
static unsigned char *compress_text(const char *text, size_t *length_out)
{
	z_stream stream = { .next_in = (Bytef *)(uintptr_t)text, .avail_in = (uInt)strlen(text) };
	unsigned char *out;
	uLong bound;
	int status;

	if (deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, 8,
			 Z_DEFAULT_STRATEGY) != Z_OK)
		return NULL;
	bound = deflateBound(&stream, stream.avail_in);
	out = malloc(bound);
	stream.next_out = out;
	stream.avail_out = (uInt)bound;
	status = out != NULL ? deflate(&stream, Z_FINISH) : Z_MEM_ERROR;
	*length_out = stream.total_out;
	deflateEnd(&stream);
	if (status == Z_STREAM_END)
		return out;
	free(out);
	return NULL;
}

static void put_date(FILE *out, time_t now)
{
	static const char *const days[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
	static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
					      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	struct tm tm = { 0 };

	/* Not strftime(3): the names must not depend on the locale. */
	gmtime_r(&now, &tm);
	fprintf(out, "Date: %s, %d %s %d %02d:%02d:%02d +0000\n", days[tm.tm_wday], tm.tm_mday,
		months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* Folded with spaces: there are readers that take the subject apart at spaces. */
static void put_header(FILE *out, const struct tls_report_mail *mail)
{
	const char *domain = mail->report->domain, *submitter = mail->sender->submitter;
	char text[MAILBOX_TEXT_MAX];

	fprintf(out, "From: <%s>\n", mail->from);
	for (size_t i = 0; i < mail->to_count; i++)
		fprintf(out, "%s<%s>", i == 0 ? "To: " : ",\n ",
			mailbox_print(&mail->to[i], text, sizeof(text)));
	fprintf(out, "\nSubject: Report Domain: %s\n Submitter: %s\n Report-ID: <%s>\n", domain,
		submitter, mail->report->id);
	put_date(out, mail->now);
	fprintf(out, "Message-ID: <%s>\n", mail->report->id);
	fprintf(out, "TLS-Report-Domain: %s\nTLS-Report-Submitter: %s\nTLS-Required: No\n", domain,
		submitter);
	fputs("Auto-Submitted: auto-generated\nMIME-Version: 1.0\n", out);
	fputs("Content-Type: multipart/report; report-type=\"tlsrpt\";\n"
	      " boundary=\"" BOUNDARY "\"\n\n",
	      out);
}

/* RFC 8460 5.1: sender "!" policy-domain "!" begin "!" end "." extension */
static void put_file_name(FILE *out, const struct tls_report_mail *mail)
{
	long long begin = (long long)mail->day * 86400;

	fprintf(out, "%s!%s!%lld!%lld.json.gz", mail->sender->submitter, mail->report->domain,
		begin, begin + 86399);
}

static void put_text_part(FILE *out, const struct tls_report_mail *mail)
{
	char date[TLSRPT_DATE_SIZE];

	fputs("--" BOUNDARY "\nContent-Type: text/plain; charset=\"us-ascii\"\n"
	      "Content-Transfer-Encoding: 7bit\n\n",
	      out);
	fprintf(out,
		"This is an aggregate TLS report (RFC 8460) from\n%s\nabout mail to\n%s\non %s "
		"(UTC).\n\n",
		mail->sender->submitter, mail->report->domain, tlsrpt_date_print(mail->day, date));
}

int tls_report_mail_write(FILE *out, const struct tls_report_mail *mail)
{
	size_t length;
	unsigned char *compressed = compress_text(mail->report->json, &length);

	if (compressed == NULL)
		return -1;
	put_header(out, mail);
	put_text_part(out, mail);
	fputs("--" BOUNDARY "\nContent-Type: application/tlsrpt+gzip\n"
	      "Content-Transfer-Encoding: base64\nContent-Disposition: attachment;\n filename=\"",
	      out);
	put_file_name(out, mail);
	fputs("\"\n\n", out);
	put_base64(out, compressed, length);
	fputs("--" BOUNDARY "--\n", out);
	free(compressed);
	return fflush(out) == 0 && !ferror(out) ? 0 : -1;
}
