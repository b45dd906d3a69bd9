/*
 * Does the resolver answer, and does it check signatures? Two questions: one about a top-level
 * domain, whose answer the signed root or the signed domain proves, whatever it is; one for a name
 * that is there to be signed wrongly, and must not be answered.
 */
#include "sending.h"

#define SIGNED_NAME "com"
#define WRONGLY_SIGNED_NAME "dnssec-failed.org"
#define MEND                                                                                       \
	"let it validate: unbound with auto-trust-anchor-file does (apt-get install unbound), then nameserver 127.0.0.1"

static enum sending_validation judge_wrong(struct finding_list *list, const char *id,
					   const char *subject, const struct dns_answer *wrong)
{
	if (wrong->result == DNS_FOUND) {
		finding_mend(
			finding_add(
				list, id, subject, FINDING_FAIL,
				"the resolver says that it checks signatures, but answers for " WRONGLY_SIGNED_NAME
				", which is signed wrongly"),
			MEND);
		return SENDING_DOES_NOT_VALIDATE;
	}
	finding_add(list, id, subject, FINDING_OK, "%s",
		    wrong->trust == DNS_BOGUS
			    ? "it checks signatures, and refuses what is signed wrongly"
			    : "it answers, and checks signatures");
	return SENDING_VALIDATES;
}

enum sending_validation check_resolver(struct finding_list *list, const struct lookup_source *dns,
				       const char *id, const char *subject)
{
	enum sending_validation validation = SENDING_VALIDATION_UNKNOWN;
	struct dns_answer right, wrong;

	lookup_ask(dns, SIGNED_NAME, DNS_TYPE_TXT, &right);
	if (right.result == DNS_ERROR) {
		finding_mend(
			finding_add(list, id, subject, FINDING_UNKNOWN, "%s", right.error),
			"is the resolver of /etc/resolv.conf running, and can it reach the Internet? Try: dig " SIGNED_NAME
			" NS");
	} else if (right.trust != DNS_SECURE) {
		finding_mend(finding_add(list, id, subject, FINDING_WARN,
					 "it answers, but does not check signatures"),
			     MEND);
		validation = SENDING_DOES_NOT_VALIDATE;
	} else {
		lookup_ask(dns, WRONGLY_SIGNED_NAME, DNS_TYPE_A, &wrong);
		validation = judge_wrong(list, id, subject, &wrong);
		dns_answer_wipe(&wrong);
	}
	dns_answer_wipe(&right);
	return validation;
}
