/*
 * A DNS server in a thread that answers from a replay written as text. Lines:
 *
 *	query NAME TYPE [cd]	what follows, up to the next `query', answers this question; "*"
 *				is any name; with `cd' only if the CD bit is set. The first match
 *				counts; without any: REFUSED
 *	answer RECORD		presentation format, "@" is the name asked for; also `authority'
 *				and `additional'
 *	rcode NAME [N]		SERVFAIL, NXDOMAIN, ... (to the first N such questions)
 *	ad			set the AD bit
 *	tc			over UDP: an empty message with TC
 *	drop [N]		no answer (to the first N such questions)
 *	delay MS		wait before the answer
 *	forge HOW		id, question, name, source or garbage: a false datagram before the
 *				answer, with the address 192.0.2.66 in it
 *	hex BYTES		these are the message, after the id
 *
 * The questions are logged, one a line: "example.com MX rd ad edns=1232 do [cd] [tcp]".
 */
#ifndef FAKE_DNS_H
#define FAKE_DNS_H

#include <arpa/inet.h>
#include <ldns/ldns.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define FAKE_DNS_RULES_MAX 64

struct fake_dns {
	const char *replay;
	int udp, tcp, stop[2];
	char address[64]; /* as dns_resolver_create() takes it */
	pthread_t thread;
	unsigned seen[FAKE_DNS_RULES_MAX];
	pthread_mutex_t lock; /* protects log */
	char log[16384];
};

struct fake_dns_rule {
	const char *lines; /* after the query line */
	unsigned index;
};

static inline const char *fake_dns_next_line(const char *line)
{
	line += strcspn(line, "\n");
	return *line == '\n' ? line + 1 : line;
}

/* The rest of the line if it begins with this word, or NULL. */
static inline const char *fake_dns_word(const char *line, const char *word)
{
	line += strspn(line, " \t");
	if (strncmp(line, word, strlen(word)) != 0 || strchr(" \t\n", line[strlen(word)]) == NULL)
		return NULL;
	line += strlen(word);
	return line + strspn(line, " \t");
}

static inline bool fake_dns_find(const struct fake_dns *dns, const char *name, const char *type,
				 bool cd, struct fake_dns_rule *rule)
{
	memset(rule, 0, sizeof(*rule));
	for (const char *line = dns->replay; *line != '\0'; line = fake_dns_next_line(line)) {
		const char *rest = fake_dns_word(line, "query");
		char rule_name[300], rule_type[16], option[16] = "";

		if (rest == NULL)
			continue;
		rule->index++;
		if (sscanf(rest, "%299s %15s%*[ ]%15[a-z]", rule_name, rule_type, option) < 2)
			abort();
		if ((strcmp(rule_name, "*") != 0 && strcasecmp(rule_name, name) != 0) ||
		    strcmp(rule_type, type) != 0 || (option[0] != '\0' && !cd))
			continue;
		rule->lines = fake_dns_next_line(line);
		return true;
	}
	return false;
}

/* The argument of the nth line with this word in the rule, or NULL. */
static inline const char *fake_dns_option(const struct fake_dns_rule *rule, const char *word,
					  unsigned nth)
{
	for (const char *line = rule->lines; line != NULL && *line != '\0';
	     line = fake_dns_next_line(line)) {
		const char *rest = fake_dns_word(line, word);

		if (fake_dns_word(line, "query") != NULL)
			return NULL;
		if (rest != NULL && nth-- == 0)
			return rest;
	}
	return NULL;
}

static inline void fake_dns_push(ldns_pkt *packet, ldns_pkt_section section, const char *text,
				 const char *name)
{
	char line[1024];
	ldns_rdf *origin = ldns_dname_new_frm_str(name);
	ldns_rr *record = NULL;

	snprintf(line, sizeof(line), "%.*s", (int)strcspn(text, "\n"), text);
	if (ldns_rr_new_frm_str(&record, line, 0, origin, NULL) != LDNS_STATUS_OK) {
		fprintf(stderr, "fake_dns: bad record: %s\n", line);
		abort();
	}
	ldns_pkt_push_rr(packet, section, record);
	ldns_rdf_deep_free(origin);
}

static inline void fake_dns_push_all(ldns_pkt *packet, ldns_pkt_section section,
				     const struct fake_dns_rule *rule, const char *word,
				     const char *name)
{
	for (const char *line = rule->lines;
	     line != NULL && *line != '\0' && fake_dns_word(line, "query") == NULL;
	     line = fake_dns_next_line(line))
		if (fake_dns_word(line, word) != NULL)
			fake_dns_push(packet, section, fake_dns_word(line, word), name);
}

static inline size_t fake_dns_hex(uint8_t *out, size_t size, const char *text)
{
	size_t used = 0;
	unsigned byte;
	int step;

	while (used < size && sscanf(text, " %2x%n", &byte, &step) == 1 &&
	       strcspn(text, "\n") > 0) {
		out[used++] = (uint8_t)byte;
		text += step;
	}
	return used;
}

/* A reply with the question of `query` in it. */
static inline ldns_pkt *fake_dns_reply(const ldns_pkt *query)
{
	ldns_pkt *reply = ldns_pkt_new();

	ldns_pkt_set_id(reply, ldns_pkt_id(query));
	ldns_pkt_set_qr(reply, true);
	ldns_pkt_set_rd(reply, true);
	ldns_pkt_set_ra(reply, true);
	ldns_pkt_push_rr(reply, LDNS_SECTION_QUESTION,
			 ldns_rr_clone(ldns_rr_list_rr(ldns_pkt_question(query), 0)));
	return reply;
}

static inline size_t fake_dns_wire(uint8_t *out, size_t size, ldns_pkt *packet)
{
	uint8_t *bytes = NULL;
	size_t length = 0;

	if (ldns_pkt2wire(&bytes, packet, &length) != LDNS_STATUS_OK || length > size)
		abort();
	memcpy(out, bytes, length);
	free(bytes);
	ldns_pkt_free(packet);
	return length;
}

static inline size_t fake_dns_answer(uint8_t *out, size_t size, const ldns_pkt *query,
				     const struct fake_dns_rule *rule, const char *rcode,
				     const char *name, bool is_tcp)
{
	const char *hex = fake_dns_option(rule, "hex", 0);
	ldns_pkt *reply = fake_dns_reply(query);

	if (rule->lines == NULL)
		ldns_pkt_set_rcode(reply, LDNS_RCODE_REFUSED);
	if (rcode != NULL) {
		char word[32];

		snprintf(word, sizeof(word), "%.*s", (int)strcspn(rcode, " \n"), rcode);
		ldns_pkt_set_rcode(reply, (uint8_t)ldns_lookup_by_name(ldns_rcodes, word)->id);
	}
	ldns_pkt_set_ad(reply, fake_dns_option(rule, "ad", 0) != NULL);
	if (fake_dns_option(rule, "tc", 0) != NULL && !is_tcp) {
		ldns_pkt_set_tc(reply, true);
	} else {
		fake_dns_push_all(reply, LDNS_SECTION_ANSWER, rule, "answer", name);
		fake_dns_push_all(reply, LDNS_SECTION_AUTHORITY, rule, "authority", name);
		fake_dns_push_all(reply, LDNS_SECTION_ADDITIONAL, rule, "additional", name);
	}
	if (hex != NULL) {
		size_t length = fake_dns_hex(out + 2, size - 2, hex) + 2;

		out[0] = (uint8_t)(ldns_pkt_id(query) >> 8);
		out[1] = (uint8_t)ldns_pkt_id(query);
		ldns_pkt_free(reply);
		return length;
	}
	return fake_dns_wire(out, size, reply);
}

static inline void fake_dns_forge(const struct fake_dns *dns, const ldns_pkt *query,
				  const char *how, const char *name, const struct sockaddr *to,
				  socklen_t to_length)
{
	ldns_pkt *reply = fake_dns_reply(query);
	ldns_rdf *other = ldns_dname_new_frm_str("other.example.");
	ldns_rr *question = ldns_rr_list_rr(ldns_pkt_question(reply), 0);
	bool is_name = fake_dns_word(how, "name") != NULL;
	uint8_t bytes[512];
	size_t length;
	int fd = dns->udp;

	if (fake_dns_word(how, "id") != NULL)
		ldns_pkt_set_id(reply, (uint16_t)(ldns_pkt_id(query) + 1));
	if (fake_dns_word(how, "question") != NULL) {
		ldns_rdf_deep_free(ldns_rr_owner(question));
		ldns_rr_set_owner(question, ldns_rdf_clone(other));
	}
	if (fake_dns_word(how, "source") != NULL)
		fd = socket(to->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ldns_rdf_deep_free(other);
	if (is_name)
		ldns_rr_set_type(question, LDNS_RR_TYPE_TXT);
	fake_dns_push(reply, LDNS_SECTION_ANSWER, "@ 300 IN A 192.0.2.66", name);
	length = fake_dns_wire(bytes, sizeof(bytes), reply);
	if (fake_dns_word(how, "garbage") != NULL)
		memset(bytes, 0x5a, length);
	sendto(fd, bytes, length, 0, to, to_length);
	if (fd != dns->udp)
		close(fd);
}

static inline void fake_dns_log(struct fake_dns *dns, const ldns_pkt *query, const char *name,
				const char *type, bool is_tcp)
{
	size_t used;

	pthread_mutex_lock(&dns->lock);
	used = strlen(dns->log);
	snprintf(dns->log + used, sizeof(dns->log) - used, "%s %s%s%s edns=%u%s%s%s\n", name, type,
		 ldns_pkt_rd(query) ? " rd" : "", ldns_pkt_ad(query) ? " ad" : "",
		 ldns_pkt_edns_udp_size(query), ldns_pkt_edns_do(query) ? " do" : "",
		 ldns_pkt_cd(query) ? " cd" : "", is_tcp ? " tcp" : "");
	pthread_mutex_unlock(&dns->lock);
}

/* Is it one of the first N questions that the option is for? Without an N they all are. */
static inline bool fake_dns_counts(struct fake_dns *dns, const struct fake_dns_rule *rule,
				   const char *option)
{
	const char *number = option + strcspn(option, "0123456789\n");

	return strspn(number, "0123456789") == 0 ||
	       ++dns->seen[rule->index % FAKE_DNS_RULES_MAX] <= (unsigned)atoi(number);
}

/* Returns the length of the answer, 0 for none. */
static inline size_t fake_dns_handle(struct fake_dns *dns, const uint8_t *bytes, size_t length,
				     uint8_t *out, size_t size, const struct sockaddr *from,
				     socklen_t from_length)
{
	struct fake_dns_rule rule;
	ldns_pkt *query = NULL;
	const ldns_rr *question;
	const char *drop, *rcode, *delay, *how;
	char *name, *type;
	size_t answer = 0;

	if (ldns_wire2pkt(&query, bytes, length) != LDNS_STATUS_OK ||
	    ldns_rr_list_rr_count(ldns_pkt_question(query)) != 1)
		abort();
	question = ldns_rr_list_rr(ldns_pkt_question(query), 0);
	name = ldns_rdf2str(ldns_rr_owner(question));
	if (strlen(name) > 1)
		name[strlen(name) - 1] = '\0';
	type = ldns_rr_type2str(ldns_rr_get_type(question));
	fake_dns_log(dns, query, name, type, from == NULL);
	fake_dns_find(dns, name, type, ldns_pkt_cd(query), &rule);
	drop = fake_dns_option(&rule, "drop", 0);
	rcode = fake_dns_option(&rule, "rcode", 0);
	delay = fake_dns_option(&rule, "delay", 0);
	if (delay != NULL)
		usleep((useconds_t)atoi(delay) * 1000);
	for (unsigned i = 0; from != NULL && (how = fake_dns_option(&rule, "forge", i)) != NULL;
	     i++)
		fake_dns_forge(dns, query, how, name, from, from_length);
	if (rcode != NULL && !fake_dns_counts(dns, &rule, rcode))
		rcode = NULL;
	if (drop == NULL || !fake_dns_counts(dns, &rule, drop))
		answer = fake_dns_answer(out, size, query, &rule, rcode, name, from == NULL);
	free(name);
	free(type);
	ldns_pkt_free(query);
	return answer;
}

static inline void fake_dns_serve_tcp(struct fake_dns *dns)
{
	int fd = accept(dns->tcp, NULL, NULL);
	uint8_t *bytes = malloc(2 + 65535), query[514];
	ssize_t length;

	if (fd < 0)
		goto out;
	length = recv(fd, query, 2, MSG_WAITALL);
	if (length == 2)
		length = recv(fd, query + 2, (size_t)(query[0] << 8 | query[1]) % 512, MSG_WAITALL);
	if (length > 0) {
		size_t answer = fake_dns_handle(dns, query + 2, (size_t)length, bytes + 2, 65535,
						NULL, 0);

		bytes[0] = (uint8_t)(answer >> 8);
		bytes[1] = (uint8_t)answer;
		if (answer > 0)
			send(fd, bytes, answer + 2, MSG_NOSIGNAL);
	}
	close(fd);
out:
	free(bytes);
}

static inline void fake_dns_serve_udp(struct fake_dns *dns)
{
	struct sockaddr_storage from;
	socklen_t from_length = sizeof(from);
	uint8_t query[512], answer[4096];
	ssize_t length = recvfrom(dns->udp, query, sizeof(query), 0, (struct sockaddr *)&from,
				  &from_length);
	size_t answer_length;

	if (length <= 0)
		return;
	answer_length = fake_dns_handle(dns, query, (size_t)length, answer, sizeof(answer),
					(struct sockaddr *)&from, from_length);
	if (answer_length > 0)
		sendto(dns->udp, answer, answer_length, 0, (struct sockaddr *)&from, from_length);
}

static inline void *fake_dns_run(void *argument)
{
	struct fake_dns *dns = argument;
	struct pollfd fds[] = { { .fd = dns->stop[0], .events = POLLIN },
				{ .fd = dns->udp, .events = POLLIN },
				{ .fd = dns->tcp, .events = POLLIN } };

	while (poll(fds, 3, -1) > 0 && fds[0].revents == 0) {
		if (fds[1].revents != 0)
			fake_dns_serve_udp(dns);
		if (fds[2].revents != 0)
			fake_dns_serve_tcp(dns);
	}
	return NULL;
}

/* Binds both sockets to one port. A port that is free for UDP may be taken for TCP: -1, try another. */
static inline int fake_dns_bind(struct fake_dns *dns, struct sockaddr_in *bound, bool has_tcp)
{
	socklen_t length = sizeof(*bound);
	int yes = 1;

	dns->udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	dns->tcp = -1;
	if (bind(dns->udp, (struct sockaddr *)bound, sizeof(*bound)) != 0 ||
	    getsockname(dns->udp, (struct sockaddr *)bound, &length) != 0)
		abort();
	if (!has_tcp)
		return 0;
	dns->tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(dns->tcp, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (bind(dns->tcp, (struct sockaddr *)bound, sizeof(*bound)) == 0 && listen(dns->tcp, 5) == 0)
		return 0;
	close(dns->udp);
	close(dns->tcp);
	return -1;
}

/* Listens on this IPv4 address and a free port, unless `port` is given. The replay must outlive it.
 */
static inline struct fake_dns *fake_dns_start_at(const char *replay, const char *address,
						 uint16_t port, bool has_tcp)
{
	struct fake_dns *dns = calloc(1, sizeof(*dns));
	struct sockaddr_in bound;
	int attempts = port == 0 ? 100 : 1;

	dns->replay = replay;
	pthread_mutex_init(&dns->lock, NULL);
	do {
		if (attempts-- == 0)
			abort();
		bound = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port) };
		inet_pton(AF_INET, address, &bound.sin_addr);
	} while (fake_dns_bind(dns, &bound, has_tcp) != 0);
	snprintf(dns->address, sizeof(dns->address), "%.15s@%u", address, ntohs(bound.sin_port));
	if (pipe(dns->stop) != 0 || pthread_create(&dns->thread, NULL, fake_dns_run, dns) != 0)
		abort();
	return dns;
}

static inline struct fake_dns *fake_dns_start(const char *replay)
{
	return fake_dns_start_at(replay, "127.0.0.1", 0, true);
}

static inline uint16_t fake_dns_port(const struct fake_dns *dns)
{
	return (uint16_t)atoi(strchr(dns->address, '@') + 1);
}

static inline bool fake_dns_was_asked(struct fake_dns *dns, const char *text)
{
	bool found;

	pthread_mutex_lock(&dns->lock);
	found = strstr(dns->log, text) != NULL;
	pthread_mutex_unlock(&dns->lock);
	return found;
}

static inline unsigned fake_dns_asked_count(struct fake_dns *dns)
{
	unsigned count = 0;

	pthread_mutex_lock(&dns->lock);
	for (const char *at = dns->log; (at = strchr(at, '\n')) != NULL; at++)
		count++;
	pthread_mutex_unlock(&dns->lock);
	return count;
}

static inline void fake_dns_stop(struct fake_dns *dns)
{
	if (write(dns->stop[1], "", 1) != 1 || pthread_join(dns->thread, NULL) != 0)
		abort();
	close(dns->stop[0]);
	close(dns->stop[1]);
	close(dns->udp);
	if (dns->tcp >= 0)
		close(dns->tcp);
	pthread_mutex_destroy(&dns->lock);
	free(dns);
}

#endif
