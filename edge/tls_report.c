/* Connections in the words of RFC 8460. */
#include "tls_report.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tlsrpt.h"

#define POLICY_TEXT_MAX 2000

/*
 * Does a policy of the recipient's domain have a say, or would it if there were one? Not for mail
 * that says "TLS-Required: No", such as the reports themselves (RFC 8460 5.3), nor where a relay
 * stands before the domain's own hosts.
 */
static bool is_theirs(const struct tls_destination *destination)
{
	return destination->relay == NULL &&
	       (tls_choice_wants_sts(&destination->policy, destination->is_required_no) ||
		tls_choice_wants_dane(&destination->policy, destination->is_required_no));
}

static bool has_sts(const struct tls_destination *destination)
{
	return destination->has_asked_sts && destination->sts.finding == STS_FOUND &&
	       destination->sts.policy.mode != STS_MODE_NONE;
}

__attribute__((format(printf, 3, 4)))
static void add(char *out, size_t size, const char *format, ...)
{
	size_t used = strlen(out);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(out + used, size - used, format, arguments);
	va_end(arguments);
}

static void print_tlsa(const struct dane_records *dane, char *out, size_t size)
{
	for (size_t i = 0; i < dane->count; i++) {
		const struct dns_tlsa *tlsa = &dane->tlsa[i];

		add(out, size, "%s%d %d %d ", i > 0 ? "\n" : "", tlsa->usage, tlsa->selector,
		    tlsa->matching_type);
		for (size_t n = 0; n < tlsa->length && n < 64; n++)
			add(out, size, "%02X", tlsa->data[n]);
	}
}

/* The lines of the policy file, and its patterns once more. */
static void print_sts(const struct sts_policy *policy, char *out, size_t size, char *mx, size_t mx_size)
{
	add(out, size, "version: STSv1\nmode: %s", sts_mode_name(policy->mode));
	for (size_t i = 0; i < policy->mx_count; i++) {
		add(out, size, "\nmx: %s", policy->mx[i]);
		add(mx, mx_size, "%s%s", i > 0 ? "\n" : "", policy->mx[i]);
	}
	add(out, size, "\nmax_age: %lld", (long long)policy->max_age_s);
}

static void count(const struct tls_destination *destination, const struct tls_report_host *host,
		  bool is_tlsa, enum tlsrpt_result result, const char *reason)
{
	char text[POLICY_TEXT_MAX] = "", mx[POLICY_TEXT_MAX] = "";
	struct tlsrpt_session session = {
		.domain = destination->domain,
		.policy = is_tlsa ? TLSRPT_TLSA : has_sts(destination) ? TLSRPT_STS : TLSRPT_NO_POLICY,
		.policy_text = text,
		.mx_pattern = mx,
		.mx_host = host->exchange,
		.receiving_ip = host->receiving_ip,
		.sending_ip = host->sending_ip,
		.result = result,
		.reason = reason,
	};

	if (destination->delivery->tlsrpt == NULL || !is_theirs(destination))
		return;
	if (is_tlsa) {
		/* Without records there is no base domain yet; the host's name is where they belong. */
		session.policy_domain = destination->dane.base_domain[0] != '\0'
						? destination->dane.base_domain
						: host->exchange;
		print_tlsa(&destination->dane, text, sizeof(text));
	} else if (has_sts(destination)) {
		print_sts(&destination->sts.policy, text, sizeof(text), mx, sizeof(mx));
	}
	tlsrpt_count(destination->delivery->tlsrpt, destination->delivery->setup, &session);
}

static enum tlsrpt_result result_of(enum tls_fault fault)
{
	switch (fault) {
	case TLS_FAULT_NONE:
		return TLSRPT_SUCCESS;
	case TLS_FAULT_NAME:
		return TLSRPT_CERTIFICATE_HOST_MISMATCH;
	case TLS_FAULT_EXPIRED:
		return TLSRPT_CERTIFICATE_EXPIRED;
	case TLS_FAULT_UNTRUSTED:
		return TLSRPT_CERTIFICATE_NOT_TRUSTED;
	case TLS_FAULT_HANDSHAKE:
	case TLS_FAULT_TLSA:
	case TLS_FAULT_FINGERPRINT:
		break;
	}
	return TLSRPT_VALIDATION_FAILURE;
}

static bool is_tlsa(const struct tls_terms *terms)
{
	return strcmp(terms->label, "dane") == 0;
}

void tls_report_opened(const struct tls_destination *destination, const struct tls_terms *terms,
		       const struct tls_report_host *host, const struct smtp_client *client)
{
	/* After a failed handshake, which was counted, there is no TLS by our own choice. */
	if (terms->level == TLS_NONE)
		return;
	if (client->tls.description[0] == '\0')
		count(destination, host, false, TLSRPT_STARTTLS_NOT_SUPPORTED, "");
	else if (terms->is_unlisted)
		count(destination, host, false, TLSRPT_VALIDATION_FAILURE, "mx-mismatch");
	else if (is_tlsa(terms) && terms->check == TLS_CHECK_NOTHING)
		count(destination, host, true, TLSRPT_TLSA_INVALID, destination->dane.reason);
	else
		count(destination, host, is_tlsa(terms), result_of(client->tls.fault),
		      client->tls.error);
}

void tls_report_failed(const struct tls_destination *destination, const struct tls_terms *terms,
		       const struct tls_report_host *host, const struct smtp_client *client,
		       const struct smtp_event *event)
{
	if (terms->level == TLS_NONE)
		return;
	if (event->failure == SMTP_FAILURE_TLS_NOT_OFFERED ||
	    (event->stage == STAGE_TLS && event->failure == SMTP_FAILURE_NONE))
		count(destination, host, is_tlsa(terms), TLSRPT_STARTTLS_NOT_SUPPORTED, "");
	else if (event->failure == SMTP_FAILURE_TLS_HANDSHAKE ||
		 event->failure == SMTP_FAILURE_TLS_CERTIFICATE ||
		 event->failure == SMTP_FAILURE_TLS_INJECTION)
		count(destination, host, is_tlsa(terms), result_of(client->tls.fault),
		      client->tls.error);
}

void tls_report_passed_over(const struct tls_destination *destination,
			    const struct tls_report_host *host)
{
	const struct dane_records *dane = &destination->dane;

	if (destination->dane_host != NULL && dane->state == DANE_FAILED) {
		if (dane->is_bogus)
			count(destination, host, true, TLSRPT_DNSSEC_INVALID, dane->reason);
	} else if (destination->policy.level == TLS_DANE_ONLY) {
		count(destination, host, true, TLSRPT_DANE_REQUIRED, "");
	} else if (has_sts(destination)) {
		count(destination, host, false, TLSRPT_VALIDATION_FAILURE, "mx-mismatch");
	}
}

void tls_report_no_sts(const struct tls_destination *destination)
{
	static const struct tls_report_host nobody = { "", "", "" };
	enum tlsrpt_result result = TLSRPT_STS_POLICY_FETCH_ERROR;

	if (destination->sts.finding == STS_WEBPKI_INVALID)
		result = TLSRPT_STS_WEBPKI_INVALID;
	else if (destination->sts.finding == STS_INVALID)
		result = TLSRPT_STS_POLICY_INVALID;
	count(destination, &nobody, false, result, destination->sts.reason);
}
