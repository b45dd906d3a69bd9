/*
 * The resolver, and the names in EHLO. Whether DNSSEC is validated is seen by the AD flag of an
 * answer that every validating resolver can prove: there is no address at the signed name "org".
 */
#include "host_check.h"

#define SIGNED_NAME "org"

static void check_validation(struct host_check *check)
{
	struct dns_answer answer;

	if (!dns_resolver_is_trusted(check->setup->resolver)) {
		host_check_add(check, "edge-resolver", "DNS", FINDING_WARN,
			       "apt-get install unbound, and in edge.conf: resolvers = [ \"127.0.0.1\" ];",
			       "DANE is off, as a resolver is not on this host; see resolvers");
		return;
	}
	host_check_lookup(check, SIGNED_NAME, DNS_TYPE_A, &answer);
	if (answer.result == DNS_ERROR)
		host_check_add(check, "edge-resolver", "DNS", FINDING_UNKNOWN, "", "%s", answer.error);
	else if (answer.trust != DNS_SECURE)
		host_check_add(check, "edge-resolver", "DNS", FINDING_WARN,
			       "switch DNSSEC validation on in the resolver; unbound of Debian has it on",
			       "DANE is off, as the resolver does not validate DNSSEC (no AD flag for %s)", SIGNED_NAME);
	else
		host_check_add(check, "edge-resolver", "DNS", FINDING_OK, "", "the resolver answers and validates DNSSEC");
	dns_answer_wipe(&answer);
}

void host_check_hello(struct host_check *check, const char *name)
{
	struct dns_answer v4, v6 = { .result = DNS_NODATA };

	host_check_lookup(check, name, DNS_TYPE_A, &v4);
	if (v4.result != DNS_FOUND)
		host_check_lookup(check, name, DNS_TYPE_AAAA, &v6);
	if (v4.count + v6.count > 0)
		host_check_add(check, "edge-hello", name, FINDING_OK, "", "%s has an address", name);
	else if (v4.result == DNS_ERROR || v6.result == DNS_ERROR)
		host_check_add(check, "edge-hello", "DNS", FINDING_UNKNOWN, "", "%s",
			       v4.result == DNS_ERROR ? v4.error : v6.error);
	else
		host_check_add(check, "edge-hello", name, FINDING_FAIL,
			       "give it the A and AAAA records of the addresses that mail leaves from",
			       "%s, the name in EHLO, has no address; many servers refuse mail from such a host", name);
	dns_answer_wipe(&v4);
	dns_answer_wipe(&v6);
}

void host_check_resolver(struct host_check *check)
{
	check_validation(check);
	host_check_hello(check, check->setup->conf.ehlo_name);
}
