/*
 * The table of ids. A new check gets its row here, and a paragraph in man/postern-doctor.1.
 */
#include "finding_id.h"

#include <string.h>

const struct finding_group finding_groups[] = {
	{ "host", "This mail host" },
	{ "postfix", "Postfix on this host" },
	{ "milter", "The sender policy" },
	{ "edge", "Edges, as seen from where mail leaves" },
	{ "domain", "Sending domains" },
};
const size_t finding_group_count = sizeof(finding_groups) / sizeof(finding_groups[0]);

const struct finding_id finding_ids[] = {
	{ "host-config", "host", "the configuration is read without a complaint" },
	{ "host-files", "host", "key, tables and state have owners and modes that the daemon can work with, and nobody else" },
	{ "host-program", "host", "the program is there, can be executed, and nobody but root can replace it" },
	{ "host-clock", "host", "this host's clock agrees with that of each edge" },
	{ "host-port25", "host", "whether this host itself could deliver to port 25 (for information)" },
	{ "postfix-config", "postfix", "postfix check has nothing to say" },
	{ "postfix-transport", "postfix", "master.cf runs the transport with the right program, user and process limits" },
	{ "postfix-timeouts", "postfix", "Postfix waits longer than the transport does" },
	{ "postfix-route", "postfix", "outbound mail is routed to postern" },
	{ "postfix-bypass", "postfix", "no other setting leads mail past postern" },
	{ "postfix-milter", "postfix", "mail passes postern-milter, whose socket answers" },
	{ "postfix-relay", "postfix", "Postfix is no open relay" },
	{ "postfix-queue", "postfix", "no mail waits for long" },
	{ "milter-config", "milter", "milter.conf and its tables are read without a complaint" },
	{ "milter-files", "milter", "the milter's user can read its tables and write its state" },
	{ "edge-reachable", "edge", "the edge answers over its tunnel" },
	{ "edge-config", "edge", "edge.conf and the allow-list are read without a complaint" },
	{ "edge-port", "edge", "the port for tunnels is free, or the edge has it" },
	{ "edge-disk", "edge", "the journal can be written and has its space" },
	{ "edge-resolver", "edge", "the edge's resolver answers, validates DNSSEC and can be trusted" },
	{ "edge-hello", "edge", "the name in EHLO resolves" },
	{ "edge-source", "edge", "the sending address is the edge's own" },
	{ "edge-ptr", "edge", "the sending address has a PTR record" },
	{ "edge-forward", "edge", "the name in the PTR record leads back to the address" },
	{ "edge-name", "edge", "the name in EHLO leads to the sending address" },
	{ "edge-egress", "edge", "mail servers can be connected to on port 25" },
	{ "edge-listed", "edge", "no block list has the sending address" },
	{ "domain-resolver", "domain", "this host's resolver answers, and checks DNSSEC signatures" },
	{ "domain-hello-spf", "domain", "the name in EHLO has an SPF record that allows the sending address" },
	{ "domain-spf", "domain", "there is one SPF record, and it is right" },
	{ "domain-spf-lookups", "domain", "the SPF record needs no more DNS look-ups than receivers make" },
	{ "domain-spf-covers", "domain", "SPF passes for every sending address of every edge" },
	{ "domain-dkim", "domain", "the DKIM record holds the key that signs" },
	{ "domain-dmarc", "domain", "there is a DMARC record that holds for the domain, and it is right" },
	{ "domain-alignment", "domain", "what passes SPF and DKIM is the domain of From" },
	{ "domain-mx", "domain", "replies and bounces find their way" },
	{ "domain-dane", "domain", "TLSA records of the domain's MX hosts are signed and usable" },
	{ "domain-sts", "domain", "an MTA-STS policy that is announced can be had, and allows every MX" },
	{ "domain-tlsrpt", "domain", "the address for TLS reports is right" },
	{ "domain-dnssec", "domain", "the domain's signatures, if it has any, are right" },
};
const size_t finding_id_count = sizeof(finding_ids) / sizeof(finding_ids[0]);

const struct finding_id *finding_id_find(const char *id)
{
	for (size_t i = 0; i < finding_id_count; i++)
		if (strcmp(finding_ids[i].id, id) == 0)
			return &finding_ids[i];
	return NULL;
}

const struct finding_group *finding_group_find(const char *group)
{
	for (size_t i = 0; i < finding_group_count; i++)
		if (strcmp(finding_groups[i].group, group) == 0)
			return &finding_groups[i];
	return NULL;
}
