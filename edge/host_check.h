/*
 * What can be wrong with the machine of an edge and with the names of its addresses: the port for
 * tunnels, the disk, the DNS, each address that mail leaves from, the way out to port 25, block
 * lists. Nothing is changed, a running edge is not disturbed, and to the servers that are connected
 * to nothing is said. What could not be found out is unknown, never a failure.
 *
 * For `postern-edge --check-host`, and for the question `check` of a mail host (question_check.h).
 */
#ifndef HOST_CHECK_H
#define HOST_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "doctor/finding.h"
#include "edge_setup.h"
#include "tenant.h"

/* All of it ends within this, whatever does not answer. */
#define HOST_CHECK_MS 40000

struct host_check {
	const struct edge_setup *setup;
	struct finding_list *list;
	/* Whose mail servers are connected to, ends with NULL. NULL: large ones that everybody knows. */
	char *const *domains;
	struct deadline deadline;
	bool is_printed;	/* a line for each finding on stdout, at once: "good: ", "warning: " or "wrong: " */
	int silences;		/* questions that no resolver answered; ours */
	bool has_answer;	/* a resolver has answered; ours */
};

/* The addresses to listen on; to be called as the user who will open them. */
void host_check_ports(struct host_check *check);
/* The directory of the state, and room for the journal; to be called as the user who will run, as all that follows. */
void host_check_disk(struct host_check *check);
void host_check_resolver(struct host_check *check);
/* The allow-list that clients are looked up in: a socketmap must answer. own_public_key: the edge's, which it should not know. */
void host_check_clients(struct host_check *check, const uint8_t own_public_key[32]);
/* The addresses that mail of everybody leaves from who has none of his own, in both families. */
void host_check_own_addresses(struct host_check *check);
/* Those of one tenant, and its name in EHLO, if it has any of its own. */
void host_check_tenant(struct host_check *check, const struct tenant *tenant);
/* host_check_tenant() for all of the allow-list, unless that is a socketmap, which cannot be listed. */
void host_check_tenants(struct host_check *check);

/* ---- for the parts of it ---- */

/* Adds, and prints. mend: "" for nothing. */
void host_check_add(struct host_check *check, const char *id, const char *subject, enum finding_result result,
		    const char *mend, const char *seen_format, ...) __attribute__((format(printf, 6, 7)));
/* dns_lookup(), asked twice before silence is believed; when no resolver has ever answered, no more questions are asked. */
void host_check_lookup(struct host_check *check, const char *name, enum dns_type type, struct dns_answer *answer);
/* No more questions are asked. */
bool host_check_is_cut_off(const struct host_check *check);
/* Does a name in EHLO have an address? */
void host_check_hello(struct host_check *check, const char *name);
/* One address: can mail servers be connected to from it? source NULL: the kernel's choice. */
void host_check_egress(struct host_check *check, int family, const struct sockaddr_storage *source,
		       const char *subject);
/* Is it on a block list? */
void host_check_listed(struct host_check *check, const struct sockaddr_storage *address, bool is_used);

#endif
